import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildApplication } from './application.ts';
import { writeImage } from './archive.ts';
import { buildBase, findOnMachine, nodePackage, type DebianPackage } from './base.ts';
import { hashOfFile, packLayer, type Layer } from './layer.ts';
import type { BundledPackage } from './packages.ts';
import { readRecipe, type Recipe } from './recipe.ts';
import { readSource, sourceLabels, type Source } from './source.ts';

const repository = join(import.meta.dirname, '../..');
const keptLayers = join(repository, '.cache/image');
/** What the Dockerfile's first stage makes: `release/image/build.ts` writes it there. */
const stagePlace = '/src/dist/image';

/** An image of the product, and what is in it. */
export interface ProductImage {
  readonly path: string;
  readonly name: string;
  /** Of the manifest: `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  readonly architecture: string;
  /** The base, which is kept, and the application, whose own file is gone. */
  readonly layers: readonly Layer[];
  readonly source: Source;
  readonly node: { readonly version: string; readonly sha256: string };
  readonly debian: readonly DebianPackage[];
  readonly packages: readonly BundledPackage[];
}

export interface ProductOptions {
  /** The archive to write. */
  readonly path: string;
  /** NAME:TAG of the image. Default: `barrage` with the version. */
  readonly name?: string;
  /** Unix seconds that the image says it was made at. Default: those of the commit. */
  readonly createdAt?: number;
  /** Where the base is kept from run to run. */
  readonly layersFolder?: string;
}

/**
 * Builds the image that the Dockerfile describes, without a container engine and without a registry. In place of the
 * image after `FROM` stands a base of this machine's files: Node of the npm package `node`, the shared libraries that
 * it needs, and a shell. The same sources and the same machine give the same digest.
 * @throws Error when the Dockerfile has a line that can't be followed, or a program is missing
 */
export async function buildProductImage({ path, name, createdAt, layersFolder = keptLayers }: ProductOptions): Promise<ProductImage> {
  const recipe = readRecipe(readFileSync(join(repository, 'Dockerfile'), 'utf8'));
  const source = readSource(repository);
  const node = nodePackage(repository);
  const base = buildBase(
    { folder: layersFolder, name: 'base' },
    { '/usr/local/bin/node': { from: node.program, isStripped: true }, '/bin/sh': { from: findOnMachine('sh') } },
  );
  const { packages, layer } = await buildApplicationLayer(recipe, join(layersFolder, `application-${process.pid}.tar.gz`));
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const fullName = name ?? `barrage:${source.version}`;
  const layers = [base.layer, layer];
  const digest = writeImage(path, {
    name: fullName,
    layers,
    settings: { ...recipe, labels: { ...recipe.labels, ...sourceLabels(source) } },
    architecture,
    createdAt: new Date((createdAt ?? source.committedAt) * 1000).toISOString(),
  });
  rmSync(layer.path);
  const { version } = node;
  return {
    path,
    name: fullName,
    digest,
    architecture,
    layers,
    source,
    node: { version, sha256: hashOfFile(node.program) },
    debian: base.packages,
    packages,
  };
}

/** Builds the application in a folder of its own, since several builds may run at once, and packs it. */
async function buildApplicationLayer(
  recipe: Recipe,
  path: string,
): Promise<{ readonly packages: readonly BundledPackage[]; readonly layer: Layer }> {
  const folder = mkdtempSync(join(tmpdir(), 'barrage-application-'));
  try {
    const content = join(folder, 'content');
    const { packages } = await buildApplication(join(folder, 'application'));
    for (const { source, to } of recipe.copies) {
      if (source !== stagePlace) throw new Error(`only ${stagePlace} can be copied without Docker: COPY ${source}`);
      mkdirSync(dirname(join(content, to)), { recursive: true });
      cpSync(join(folder, 'application'), join(content, to), { recursive: true });
    }
    return { packages, layer: packLayer(content, path) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

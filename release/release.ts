import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildCommandLine } from '../cli/build.ts';
import { findHelm, packageChart } from './chart.ts';
import { hashOfFile, runProgram } from './image/layer.ts';
import { buildProductImage } from './image/product.ts';
import { readSource } from './image/source.ts';
import { notesOf, publishLines, releaseFaults, tagOf } from './notes.ts';
import { provenanceOf, type Digested } from './provenance.ts';
import { basePackages, imageBom, sourceBom } from './sbom.ts';

const repository = join(import.meta.dirname, '..');

/** Packages for npm: the script that builds each, and the folder that it builds into. */
const npmPackages = [
  { script: 'build:client', folder: 'dist/client' },
  { script: 'build:backend', folder: 'dist/backend' },
] as const;

/** Files that say what went into a release. */
const materials = ['package-lock.json', 'Dockerfile', 'entrypoint.sh'];

/** Told where package.json names no address: nothing invents one. */
const noAddress = 'the address of the source, in image, packages and provenance: package.json has no repository and no homepage';

export interface ReleaseOptions {
  /** Folder that is emptied and written to. */
  readonly folder: string;
  /** Whether a commit without a tag or with changes beside it will do. */
  readonly isDryRun: boolean;
  /** Host and folder of the OCI registry that the lines for a shell name. */
  readonly registry: string;
  /** URI of who builds. */
  readonly builder: string;
  /** PATH, on which helm is looked for. */
  readonly path: string;
}

export interface Release {
  readonly version: string;
  /** Of the image's manifest. */
  readonly digest: string;
  readonly files: readonly Digested[];
  /** What is not in the release, in words. */
  readonly leftOut: readonly string[];
  /** Lines for a shell that publish it. */
  readonly lines: readonly string[];
}

/**
 * Makes all files of a release: image, chart, packages, command line, bills of materials, notes, a provenance statement
 * and checksums. It publishes nothing.
 * @throws Error where the commit can't be released, with each reason, or a part can't be built
 */
export async function makeRelease(options: ReleaseOptions): Promise<Release> {
  const { folder, isDryRun } = options;
  const source = readSource(repository);
  const { version, revision, isClean, url } = source;
  const notes = notesOf(readFileSync(join(repository, 'CHANGELOG.md'), 'utf8'), version);
  const faults = releaseFaults({ version, isClean, tags: tagsOfCommit(), hasNotes: notes.isOwn });
  if (!isDryRun && faults.length > 0)
    throw new Error(`this commit can't be released:\n${faults.map((fault) => `  - ${fault}\n`).join('')}`);
  const helm = findHelm(repository, options.path);

  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const createdAt = new Date(source.committedAt * 1000).toISOString();
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const imageName = `barrage-${version}-linux-${architecture}.oci.tar`;
  const image = await buildProductImage({ path: join(folder, imageName) });
  const chart = packageChart(join(repository, 'charts/barrage'), { helm, version, digest: image.digest, to: folder });
  const { packed, leftOut: withoutScript } = packNpmPackages(folder);
  await addCommandLine(folder);
  const bom = sourceBom(repository, createdAt);
  write(folder, `barrage-${version}-source.cdx.json`, bom);
  write(folder, `barrage-${version}-image.cdx.json`, imageBom(bom, image, createdAt));
  const notesName = 'RELEASE-NOTES.md';
  writeFileSync(join(folder, notesName), `# Barrage ${version}\n\nImage: \`barrage:${version}@${image.digest}\`\n\n${notes.text}\n`);

  const made = filesIn(folder);
  const statement = provenanceOf([...made, { name: `barrage:${version}`, sha256: image.digest.replace('sha256:', '') }], {
    version,
    tag: tagOf(version),
    isDryRun,
    revision,
    isClean,
    url,
    builder: options.builder,
    platform: `linux/${architecture}`,
    materials: [
      ...materials.map((name) => ({ name, sha256: hashOfFile(join(repository, name)) })),
      { name: `pkg:npm/node@${image.node.version}`, sha256: image.node.sha256 },
    ],
    basePackages: basePackages(image).flatMap(({ name, purl }) => (name === 'node' ? [] : [purl])),
  });
  write(folder, `barrage-${version}.provenance.json`, statement);
  const files = filesIn(folder);
  writeFileSync(join(folder, 'SHA256SUMS'), files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join(''));
  const within = (name: string): string => join(folder, name);
  const named = { image: within(imageName), chart: within(chart), packages: packed.map(within), notes: within(notesName) };
  const leftOut = [...withoutScript, ...(url === undefined ? [noAddress] : [])];
  return { version, digest: image.digest, files, leftOut, lines: publishLines(version, named, options.registry) };
}

function tagsOfCommit(): readonly string[] {
  try {
    return runProgram('git', ['tag', '--points-at', 'HEAD'], { cwd: repository }).trim().split('\n');
  } catch {
    return []; // not a clone
  }
}

/** Builds and packs the packages for npm that this source has. */
function packNpmPackages(folder: string): { readonly packed: readonly string[]; readonly leftOut: readonly string[] } {
  const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const packed: string[] = [];
  const leftOut: string[] = [];
  for (const { script, folder: built } of npmPackages) {
    if (scripts[script] === undefined) {
      leftOut.push(`${built}: package.json has no script ${script}`);
      continue;
    }
    runProgram('npm', ['run', '--silent', script], { cwd: repository });
    const told = runProgram('npm', ['pack', `./${built}`, '--json', '--pack-destination', folder], { cwd: repository });
    packed.push(packedName(told));
  }
  return { packed, leftOut };
}

/** The file that `npm pack --json` says it wrote. A list until npm 11, an object by name from then on. */
function packedName(told: string): string {
  const parsed = JSON.parse(told) as readonly { readonly filename: string }[] | Readonly<Record<string, { readonly filename: string }>>;
  const [first] = Object.values(parsed);
  if (first === undefined) throw new Error(`npm pack named no file: ${told}`);
  return first.filename;
}

async function addCommandLine(folder: string): Promise<void> {
  const built = mkdtempSync(join(tmpdir(), 'barrage-cli-'));
  copyFileSync(await buildCommandLine(built), join(folder, 'kubectl-barrage'));
  rmSync(built, { recursive: true });
}

function write(folder: string, name: string, content: object): void {
  writeFileSync(join(folder, name), `${JSON.stringify(content, undefined, 2)}\n`);
}

/** The files of a folder with their digests, in the order of their names. */
function filesIn(folder: string): readonly Digested[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .toSorted()
    .map((name) => ({ name, sha256: hashOfFile(join(folder, name)) }));
}

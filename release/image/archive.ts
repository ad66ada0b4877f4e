import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { plainTar, runProgram, type Layer } from './layer.ts';

/** The settings of an image, as the OCI image specification has them. */
export interface ImageSettings {
  readonly entrypoint: readonly string[];
  readonly environment?: readonly string[];
  readonly user?: string;
  readonly workingFolder?: string;
  readonly ports?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Image {
  /** NAME:TAG, as `docker run` takes it. */
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly settings: ImageSettings;
  /** Processor as OCI names it: `amd64` or `arm64`. */
  readonly architecture: string;
  /** ISO 8601, in UTC. */
  readonly createdAt: string;
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/**
 * Writes an image as one file: an OCI layout, with the list that `docker load` of older versions reads. So `ctr images
 * import`, `podman load`, `docker load` and `skopeo copy oci-archive:FILE` take it.
 * @returns the digest of the manifest: `sha256:` and 64 hexadecimal digits
 */
export function writeImage(path: string, image: Image): string {
  mkdirSync(dirname(path), { recursive: true });
  const folder = mkdtempSync(join(dirname(path), 'image-'));
  const blobs = join(folder, 'blobs/sha256');
  const write = (content: unknown): { readonly digest: string; readonly size: number } => {
    const bytes = Buffer.from(JSON.stringify(content));
    const digest = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, digest), bytes);
    return { digest: `sha256:${digest}`, size: bytes.length };
  };
  try {
    mkdirSync(blobs, { recursive: true });
    // Symbolic links: a hard one would change the layer's file while another process packs it.
    for (const { path: layer, digest } of image.layers) symlinkSync(layer, join(blobs, digest));
    const config = write(configOf(image));
    const manifest = write({
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: image.layers.map(({ digest, size }) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        digest: `sha256:${digest}`,
        size,
      })),
    });
    const annotations = { 'io.containerd.image.name': fullName(image.name), 'org.opencontainers.image.ref.name': tagOf(image.name) };
    const platform = { architecture: image.architecture, os: 'linux' };
    writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    writeFileSync(
      join(folder, 'index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: manifestType, ...manifest, platform, annotations }] }),
    );
    const blob = (digest: string): string => `blobs/sha256/${digest.replace('sha256:', '')}`;
    const layers = image.layers.map(({ digest }) => blob(digest));
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify([{ Config: blob(config.digest), RepoTags: [image.name], Layers: layers }]));
    const unfinished = join(dirname(path), `.${basename(path)}.${process.pid}`);
    runProgram('tar', [
      '-C',
      folder,
      ...plainTar,
      '--mode=u=rwX,go=rX',
      '-hcf',
      unfinished,
      'oci-layout',
      'index.json',
      'manifest.json',
      'blobs',
    ]);
    renameSync(unfinished, path);
    return manifest.digest;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function configOf({ settings, layers, architecture, createdAt: created }: Image): object {
  const { entrypoint, environment = [], user = '', workingFolder = '/', ports = [], labels = {} } = settings;
  return {
    created,
    architecture,
    os: 'linux',
    config: {
      Entrypoint: entrypoint,
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', ...environment],
      User: user,
      WorkingDir: workingFolder,
      ...(ports.length === 0 ? {} : { ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])) }),
      ...(Object.keys(labels).length === 0 ? {} : { Labels: labels }),
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => `sha256:${diffId}`) },
    history: layers.map(() => ({ created, created_by: 'release/image' })),
  };
}

/** The name with the registry and the folder that a name without them stands for. */
export function fullName(name: string): string {
  const [first = '', ...rest] = name.split('/');
  if (rest.length === 0) return `docker.io/library/${name}`;
  return /[.:]|^localhost$/.test(first) ? name : `docker.io/${name}`;
}

function tagOf(name: string): string {
  return /:([^/:]+)$/.exec(name)?.[1] ?? 'latest';
}

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** A layer of an image: a tar archive, compressed by gzip. */
export interface Layer {
  readonly path: string;
  /** SHA-256 of the archive before its compression, in hexadecimal. */
  readonly diffId: string;
  /** SHA-256 of the compressed archive, in hexadecimal. */
  readonly digest: string;
  /** Bytes of the compressed archive. */
  readonly size: number;
  /** Bytes of the archive before its compression. */
  readonly unpackedSize: number;
}

/**
 * Options of GNU tar by which the same files give the same bytes, whoever owns them and whenever they were written.
 */
export const plainTar: readonly string[] = ['--format=gnu', '--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];

/**
 * Packs a folder as a layer. Folders get mode 755, files 755 where their owner may run them and 644 elsewhere; `tmp`
 * at the top is for everybody.
 * @throws Error when GNU tar or gzip fails
 */
export function packLayer(folder: string, path: string): Layer {
  setModes(folder);
  const archive = `${path}.${process.pid}.tar`;
  mkdirSync(dirname(path), { recursive: true });
  try {
    runProgram('tar', ['-C', folder, ...plainTar, '-cf', archive, '.']);
    const diffId = hashOfFile(archive);
    const unpackedSize = statSync(archive).size;
    // gzip's own output is the same on every machine; that of Node's zlib follows the processor.
    runProgram('gzip', ['-6', '--no-name', '--force', archive]);
    renameSync(`${archive}.gz`, path);
    return { path, diffId, digest: hashOfFile(path), size: statSync(path).size, unpackedSize };
  } finally {
    rmSync(archive, { force: true });
  }
}

/**
 * A layer that is packed only where the folder has none for this key.
 * @param fill writes the layer's files into an empty folder
 */
export function keptLayer(
  kept: { readonly folder: string; readonly name: string; readonly key: string },
  fill: (folder: string) => void,
): Layer {
  const { folder, name, key } = kept;
  const path = join(folder, `${name}-${hashOfText(key).slice(0, 16)}.tar.gz`);
  const facts = `${path}.json`;
  if (existsSync(facts)) return { ...(JSON.parse(readFileSync(facts, 'utf8')) as Omit<Layer, 'path'>), path };
  mkdirSync(folder, { recursive: true });
  for (const old of readdirSync(folder)) if (old.startsWith(`${name}-`)) rmSync(join(folder, old), { force: true });
  const layer = inTemporaryFolder((content) => {
    fill(content);
    return packLayer(content, path);
  });
  writeFileSync(`${facts}.${process.pid}`, JSON.stringify({ ...layer, path: basename(path) }));
  renameSync(`${facts}.${process.pid}`, facts);
  return layer;
}

/** Runs `work` with an empty folder, which is gone afterwards. */
export function inTemporaryFolder<Result>(work: (folder: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), 'barrage-image-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function setModes(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) continue;
    const mayRun = entry.isDirectory() || (statSync(path).mode & 0o100) !== 0;
    chmodSync(path, mayRun ? 0o755 : 0o644);
  }
  if (existsSync(join(folder, 'tmp'))) chmodSync(join(folder, 'tmp'), 0o1777);
}

export function hashOfFile(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

export function hashOfText(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Runs a program. @returns its standard output @throws Error with what it says on standard error */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { ...options, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${error?.message ?? stderr}`);
  return stdout;
}

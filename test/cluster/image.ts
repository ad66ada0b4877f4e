import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { builtFolder } from './programs.ts';
import { readRecipe, type Recipe } from './dockerfile.ts';

/**
 * The images of the test node, made without a registry and without a container engine, as the archives that
 * `docker save` would write: `pause:1`, `redis:test` (the machine's redis-server) and `barrage:test` (what the
 * Dockerfile says, on the Node of node_modules).
 */
const repository = join(import.meta.dirname, '../..');
const imagesFolder = join(builtFolder, 'images');
const layersFolder = join(builtFolder, 'layers');

interface ImageSettings {
  readonly entrypoint: readonly string[];
  readonly environment?: readonly string[];
  readonly user?: string;
  readonly workingFolder?: string;
}

/**
 * Makes the images. Layers of programs and packages are kept from run to run; the repository's own files are always
 * those of now.
 * @throws Error
 */
export function buildImages(): void {
  mkdirSync(imagesFolder, { recursive: true });
  mkdirSync(layersFolder, { recursive: true });
  const pause = keptLayer('pause', fingerprint(join(builtFolder, 'bin/pause')), (folder) => {
    copyFileSync(join(builtFolder, 'bin/pause'), join(folder, 'pause'));
  });
  writeImage('pause:1', [pause], { entrypoint: ['/pause'] });
  const server = findOnMachine('redis-server');
  const redis = keptLayer('redis', fingerprint(server), (folder) => {
    addProgram(folder, server, '/usr/bin/redis-server');
    addSystem(folder);
  });
  writeImage('redis:test', [redis], { entrypoint: ['redis-server'], user: '999:999' });
  writeProductImage(readRecipe(readFileSync(join(repository, 'Dockerfile'), 'utf8')));
}

function writeProductImage(recipe: Recipe): void {
  const node = join(repository, 'node_modules/node/bin/node');
  const base = keptLayer('node', fingerprint(node), (folder) => {
    addProgram(folder, node, '/usr/local/bin/node');
    addProgram(folder, '/bin/sh', '/bin/sh');
    addSystem(folder);
  });
  const lockfile = readFileSync(join(repository, 'package-lock.json'), 'utf8');
  const packages = keptLayer('packages', hash(recipe.install + lockfile), (folder) => {
    const into = join(folder, recipe.workingFolder);
    mkdirSync(into, { recursive: true });
    for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(repository, name), join(into, name));
    run('sh', ['-c', `${recipe.install} --prefer-offline --no-audit --no-fund`], into);
  });
  const staging = temporaryFolder();
  try {
    for (const { sources, to } of recipe.copies) {
      for (const source of sources) {
        // As Docker does it: of a folder its content, of a file the file.
        const isFolder = statSync(join(repository, source)).isDirectory();
        cpSync(join(repository, source), join(staging, to, isFolder ? '' : basename(source)), { recursive: true });
      }
    }
    const files = packLayer('product', staging);
    writeImage('barrage:test', [base, packages, files], recipe);
    rmSync(files);
  } finally {
    rmSync(staging, { recursive: true });
  }
}

/** A layer that is made only where there is none for this key. Returns its path. */
function keptLayer(name: string, key: string, fill: (folder: string) => void): string {
  const path = join(layersFolder, `${name}-${key.slice(0, 16)}.tar`);
  if (existsSync(path)) return path;
  for (const old of readdirSync(layersFolder)) if (old.startsWith(`${name}-`)) rmSync(join(layersFolder, old), { force: true });
  process.stderr.write(`making the layer ${name} of the test node's images\n`);
  const folder = temporaryFolder();
  try {
    fill(folder);
    renameSync(packLayer(name, folder), path);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return path;
}

/** The same files give the same bytes, whoever owns them and whenever they were written. */
function packLayer(name: string, folder: string): string {
  const path = join(layersFolder, `${name}-${process.pid}.tar`);
  const plain = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--mode=u+rw,go+rX'];
  run('tar', ['-C', folder, ...plain, '-cf', path, '.']);
  return path;
}

function writeImage(name: string, layers: readonly string[], settings: ImageSettings): void {
  const archive = join(imagesFolder, `${name.replace(':', '-')}.tar`);
  const unfinished = `${archive}.${process.pid}`;
  const folder = mkdtempSync(join(layersFolder, 'image-'));
  const digests = layers.map((layer) => run('sha256sum', [layer]).split(' ', 1)[0] ?? '');
  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      Entrypoint: settings.entrypoint,
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', ...(settings.environment ?? [])],
      User: settings.user ?? '',
      WorkingDir: settings.workingFolder ?? '/',
    },
    rootfs: { type: 'layers', diff_ids: digests.map((digest) => `sha256:${digest}`) },
  };
  try {
    const layerNames = digests.map((digest) => `${digest}.tar`);
    // Symbolic links: a hard one would change the layer's file while another process packs it.
    layers.forEach((layer, index) => run('ln', ['-s', layer, join(folder, layerNames[index] ?? '')]));
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers: layerNames }]));
    run('tar', ['-C', folder, '-hcf', unfinished, 'manifest.json', 'config.json', ...layerNames]);
    renameSync(unfinished, archive);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Copies a program and the libraries that it is linked with. */
function addProgram(folder: string, program: string, to: string): void {
  const libraries = run('ldd', [program]).match(/\/[^ )]+/g) ?? [];
  for (const [from, path] of [[program, to] as const, ...libraries.map((library) => [library, library] as const)]) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    run('cp', ['-L', from, join(folder, path)]);
  }
}

function addSystem(folder: string): void {
  mkdirSync(join(folder, 'etc'), { recursive: true });
  writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n');
  mkdirSync(join(folder, 'tmp'));
  chmodSync(join(folder, 'tmp'), 0o1777);
}

function findOnMachine(program: string): string {
  return run('sh', ['-c', `PATH=$PATH:/usr/bin command -v ${program}`]).trim();
}

function fingerprint(program: string): string {
  const { size, mtimeMs } = statSync(program);
  return hash(`${program} ${size} ${mtimeMs}`);
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'barrage-image-'));
}

function run(program: string, args: readonly string[], folder?: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${error?.message ?? stderr}`);
  return stdout;
}

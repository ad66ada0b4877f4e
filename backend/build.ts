import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const entries = ['backend', 'tokens'];
/** The declarations that the entries lead to. */
const declarations = [...entries, 'api', 'errors'];

/**
 * Writes the package `@barrage-live/backend` into a folder: `npm pack` makes its tarball. It has no dependency: what it
 * takes of `core/` is in its files.
 */
export async function buildBackend(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await build({
    entryPoints: entries.map((name) => join(import.meta.dirname, `${name}.ts`)),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outdir: folder,
    logLevel: 'error',
  });
  await writeDeclarations(folder);
  const own = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest(own), null, 2)}\n`);
  await copyFile(join(import.meta.dirname, 'README.md'), join(folder, 'README.md'));
  await copyFile(join(root, 'LICENSE'), join(folder, 'LICENSE')).catch(() => {});
}

async function writeDeclarations(folder: string): Promise<void> {
  const types = await mkdtemp(join(tmpdir(), 'barrage-types-'));
  try {
    const compiler = join(root, 'node_modules/.bin/tsc');
    await promisify(execFile)(process.execPath, [compiler, '-p', import.meta.dirname, '--outDir', types]);
    for (const name of declarations) {
      const text = await readFile(join(types, 'backend', `${name}.d.ts`), 'utf8');
      // The sources name each other by `.ts`; beside a declaration stands a `.js`.
      await writeFile(join(folder, `${name}.d.ts`), text.replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.js'"));
    }
  } finally {
    await rm(types, { recursive: true });
  }
}

/** @param own the repository's package.json, of which the addresses may be absent */
function manifest({ version, license, homepage, repository }: Readonly<Record<string, unknown>>): object {
  return {
    name: '@barrage-live/backend',
    version,
    description: 'Publishes to Barrage from a backend: idempotent retries, typed errors, and tokens for clients',
    license,
    homepage,
    repository,
    keywords: ['barrage', 'realtime', 'push', 'publish', 'danmaku'],
    type: 'module',
    sideEffects: false,
    engines: { node: '>=20' },
    exports: Object.fromEntries(
      entries.map((name) => [name === 'backend' ? '.' : `./${name}`, { types: `./${name}.d.ts`, default: `./${name}.js` }]),
    ),
    files: ['*.js', '*.d.ts', 'README.md', 'LICENSE'],
  };
}

if (import.meta.main) await buildBackend('dist/backend');

import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { browserFiles, modules } from './bundles.ts';
import { declarations } from './declarations.ts';
import { manifestOf, type RootManifest } from './manifest.ts';

const repository = join(import.meta.dirname, '../..');

/**
 * Writes the package `@barrage-live/client` anew, as `npm pack` and `npm publish` take it: modules for programs and
 * bundlers, `barrage.js` for pages, declarations.
 */
export async function buildPackage(folder: string): Promise<void> {
  const root = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')) as RootManifest;
  const [{ first, extra }, forBundlers, types] = await Promise.all([browserFiles(), modules(), declarations()]);
  const written = [
    ...[first, extra, ...forBundlers].map(({ name, content }) => [name, content] as const),
    ['index.d.ts', types] as const,
    ['package.json', `${JSON.stringify(manifestOf(root), undefined, 2)}\n`] as const,
  ];
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await Promise.all([
    ...written.map(([name, content]) => writeFile(join(folder, name), content)),
    copyFile(join(import.meta.dirname, 'README.md'), join(folder, 'README.md')),
    copyFile(join(repository, 'LICENSE'), join(folder, 'LICENSE')),
  ]);
}

if (import.meta.main) await buildPackage('dist/client');

import { readdir, readFile } from 'node:fs/promises';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { declarations } from '../../../client/package/declarations.ts';
import { internalNames, shortNames } from '../../../client/package/internal-names.ts';

const repository = join(import.meta.dirname, '../../..');
const read = (path: string): Promise<string> => readFile(join(repository, path), 'utf8');
const withoutComments = (code: string): string => code.replaceAll(/\/\*[^]*?\*\/|\/\/.*$/gm, '');
const namesIn = (code: string): readonly string[] => withoutComments(code).match(/[A-Za-z_$][\w$]*/g) ?? [];
const codeIn = (document: string): string => [...document.matchAll(/```[^]*?```|`[^`]*`/g)].join('\n');

/** The client's code as one text each, before names are made short. */
async function bundle(entry: string): Promise<string> {
  const path = join(repository, 'client', entry);
  const { outputFiles } = await build({
    entryPoints: [path],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    external: ['./extra.ts'],
    write: false,
  });
  return withoutComments(outputFiles[0]?.text ?? '');
}

const code = (await Promise.all(['barrage.ts', 'extra.ts'].map((entry) => bundle(entry)))).join('\n');

test('a name that is made short is used, and is nobody else’s', async () => {
  const platform = (await readdir(join(repository, 'node_modules/@typescript'))).filter((name) => name.startsWith('typescript-'));
  const libraries: string[] = [];
  for await (const path of glob(
    platform.map((name) => `node_modules/@typescript/${name}/lib/lib.{dom,es}*.d.ts`),
    { cwd: repository },
  ))
    libraries.push(await read(path));
  expect(libraries.length).toBeGreaterThan(50);
  const documents = await Promise.all(['protocol', 'pull', 'sse', 'placement', 'client'].map((name) => read(`docs/${name}.md`)));
  const others = new Set([
    ...libraries.flatMap(namesIn),
    ...namesIn(await declarations()),
    ...namesIn(await read('core/protocol/barrage-v1.ts')),
    ...documents.flatMap((document) => namesIn(codeIn(document))),
    // The second file's exports are read off its namespace, which keeps their names.
    ...[...(await read('client/extra.ts')).matchAll(/export \{ (\w+)/g)].map(([, name]) => name ?? ''),
    // A name in quotes would stay as it is.
    ...[...code.matchAll(/(["'`])([\w$]+)\1/g)].map(([, , name]) => name ?? ''),
  ]);
  expect(internalNames.filter((name) => others.has(name))).toEqual([]);
  const own = new Set(namesIn(code));
  expect(internalNames.filter((name) => !own.has(name))).toEqual([]);
  expect(new Set(internalNames).size).toBe(internalNames.length);
});

test('no member has a short name by itself', () => {
  const short = new Set(Object.values(shortNames));
  expect(short.size).toBe(internalNames.length);
  const members = [...code.matchAll(/\.([A-Za-z_$][\w$]*)|[{,(]\s*([A-Za-z_$][\w$]*)\s*:|^\s*(?:get |async )?([A-Za-z_$][\w$]*)\(/gm)];
  expect(members.length).toBeGreaterThan(1000);
  expect(members.map((found) => found[1] ?? found[2] ?? found[3] ?? '').filter((name) => short.has(name))).toEqual([]);
});

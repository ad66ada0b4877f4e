import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { commands, packagesOfPages, readAtRunTime, readEntryPoints, workers } from '../../release/image/application.ts';
import { readRecipe, readStages } from '../../release/image/recipe.ts';
import { readSources } from './imports.ts';

const dockerfile = readFileSync('Dockerfile', 'utf8');
/** What the first stage copies from the repository. */
const copied = (readStages(dockerfile)[0] ?? []).filter(({ name }) => name === 'COPY').flatMap(({ rest }) => rest.split(' ').slice(0, -1));

test('the image without a container engine follows the last stage of the Dockerfile', () => {
  expect(readRecipe(dockerfile)).toMatchObject({
    workingFolder: '/app',
    user: '10001:10001',
    entrypoint: ['/app/entrypoint.sh'],
    ports: ['6780/tcp', '6789/tcp', '6790/tcp'],
    environment: expect.arrayContaining(['NODE_ENV=production']),
    labels: { 'org.opencontainers.image.title': 'Barrage', 'org.opencontainers.image.licenses': 'Apache-2.0' },
    copies: [{ stage: 'build', source: '/src/dist/image', to: '/app/' }],
  });
  const stage = readStages(dockerfile)[0] ?? [];
  expect(stage).toContainEqual({ name: 'RUN', rest: 'node release/image/build.ts' });
  expect(readFileSync('package.json', 'utf8')).toContain('release/image/build.ts"');
});

test('each command of the image is a bundle, and each bundle is a command', () => {
  const told = readEntryPoints(readFileSync('entrypoint.sh', 'utf8'));
  expect(told.map(({ command }) => command)).toEqual(Object.keys(commands));
  expect(told[0]).toEqual({ command: 'gateway', options: ['--max-semi-space-size=4'] });
});

test('what the commands of the image import is there when their bundles are made', () => {
  const folders = [...new Set(Object.values(commands).map((path) => path.split('/')[0] ?? '')), 'ops', 'core', 'release'];
  expect(copied).toEqual(expect.arrayContaining(folders));
  const reached = folders
    .flatMap((folder) => readSources(folder))
    .filter(({ path }) => !path.startsWith('release/') || path.startsWith('release/image/'))
    .flatMap(({ imports }) => imports.filter(({ kind }) => kind === 'file'));
  expect(reached.map(({ target }) => target.split('/', 1)[0]).filter((folder) => !copied.includes(folder ?? ''))).toEqual([]);
});

test('what the processes read from beside their sources is in the image', () => {
  const processes = ['core', 'gateway', 'publisher', 'operator', 'ops', 'standalone'];
  const readers = processes
    .flatMap((folder) => readSources(folder))
    .filter(({ path, text }) => text.includes('import.meta') && !path.startsWith('operator/api/'))
    .map(({ path }) => path);
  // What they read is brought by `readAtRunTime`, `workers`, `writeSite` or `writeClient` of
  // release/image/application.ts.
  expect(readers.toSorted()).toEqual([
    'core/process/policy-file.ts',
    'core/process/pool.ts',
    'core/redis/scripts.ts',
    'gateway/script/script-files.ts',
    'ops/page-files.ts',
    'standalone/built-site.ts',
  ]);
  expect(readAtRunTime).toEqual(expect.arrayContaining(['core/redis/append.lua', 'ops/page', 'ops/view']));
  expect(workers).toEqual(expect.arrayContaining(['core/process/policy-text-worker.ts', 'ops/strip-worker.ts']));
});

test('the licences of the packages in the demo’s pages are in the image', () => {
  const imported = readSources('client/demo')
    .filter(({ path }) => path !== 'client/demo/site.ts')
    .flatMap(({ imports }) => imports.flatMap(({ kind, target }) => (kind === 'package' ? [target] : [])));
  expect([...new Set(imported)].toSorted()).toEqual(packagesOfPages.toSorted());
});

test('what Docker may see is exactly what the Dockerfile copies', () => {
  const visible = readFileSync('.dockerignore', 'utf8').trim().split('\n');
  expect(visible.toSorted()).toEqual(['*', ...copied.map((source) => `!${source}`)].toSorted());
});

test.each(['ADD a b', 'RUN apt-get update', 'COPY a ./', 'COPY --from=build --chown=1 a ./', 'VOLUME /data'])(
  'an instruction that an image without a container engine can’t follow is refused: %s',
  (line) => {
    expect(() => readRecipe(`FROM node:26-slim\n${line}\n`)).toThrow(line);
  },
);

test('only the last stage counts; a comment and an empty line change nothing', () => {
  expect(readRecipe('FROM b AS x\nADD a b\nFROM a\n\n# b\n')).toEqual(readRecipe('FROM a'));
  expect(() => readStages('USER 1\nFROM a')).toThrow('before the first FROM');
});

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readRecipe } from '../cluster/dockerfile.ts';
import { readSources } from './imports.ts';

const dockerfile = readFileSync('Dockerfile', 'utf8');

test('the image of the tests is made from the lines of the Dockerfile', () => {
  const recipe = readRecipe(dockerfile);
  expect(recipe).toMatchObject({ workingFolder: '/app', user: '10001:10001', entrypoint: ['/app/entrypoint.sh'] });
  expect(recipe.install).toMatch(/^npm ci --omit=dev\b/);
  expect(recipe.copies).toContainEqual({ sources: ['package.json', 'package-lock.json'], to: '/app/' });
  expect(recipe.copies).toContainEqual({ sources: ['core'], to: '/app/core' });
});

test('what the commands of the image import is in the image', () => {
  const copied = readRecipe(dockerfile).copies.flatMap(({ sources }) => sources);
  const commands = ['gateway', 'publisher', 'operator', 'standalone', 'ops', 'core'];
  expect(copied).toEqual(expect.arrayContaining(commands));
  // The demo's pages, loaded only where they are installed.
  const sources = commands.flatMap((folder) => readSources(folder)).filter(({ path }) => path !== 'standalone/demo.ts');
  const reached = sources.flatMap(({ imports }) => imports.filter(({ kind }) => kind === 'file'));
  expect(reached.map(({ target }) => target.split('/', 1)[0]).filter((folder) => !copied.includes(folder ?? ''))).toEqual([]);
});

test('what Docker may see is exactly what the Dockerfile copies', () => {
  const visible = readFileSync('.dockerignore', 'utf8').trim().split('\n');
  const copied = readRecipe(dockerfile).copies.flatMap(({ sources }) => sources);
  expect(visible.toSorted()).toEqual(['*', ...copied.map((source) => `!${source}`)].toSorted());
});

test.each(['ADD a b', 'RUN apt-get update', 'COPY --chown=1 a ./', 'VOLUME /data'])(
  'an instruction that the tests would not follow is refused: %s',
  (line) => {
    expect(() => readRecipe(`FROM node:26-slim\n${line}\n`)).toThrow(line);
  },
);

test('a comment, an empty line and an exposed port change nothing', () => {
  expect(readRecipe('FROM a\n\n# b\nEXPOSE 1')).toEqual(readRecipe('FROM a'));
});

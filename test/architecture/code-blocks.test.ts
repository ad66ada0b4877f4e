import { existsSync, globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { codeBlocks } from '../docs/code-blocks.ts';
import { documentedBlocks, runnerOf, runners } from '../docs/runners.ts';

/** Blocks that no test runs, by a marker that says why. */
const notRunMax = 8;

const blocks = documentedBlocks();
const tests = globSync('test/**/*.ts').filter((path) => !/^test\/(?:architecture|docs)\//.test(path));

/** Whether a test of its own reads a page: it runs what it finds there. */
function hasItsOwnTest(path: string): boolean {
  return tests.some((test) => readFileSync(test, 'utf8').includes(path));
}

test('every block of code in our documents is run by a test, or says why not', () => {
  expect(blocks.length).toBeGreaterThan(150);
  const lacking = blocks.filter(
    ({ path, block }) => block.language !== '' && block.notRun === undefined && runnerOf(path, block) === undefined && !hasItsOwnTest(path),
  );
  expect(lacking.map(({ place, block }) => `${place} ${block.language}`)).toEqual([]);
});

test('few blocks are not run, and none of them has a test', () => {
  const marked = blocks.filter(({ block }) => block.notRun !== undefined);
  expect(marked.length).toBeGreaterThan(0);
  expect(marked.length).toBeLessThanOrEqual(notRunMax);
  expect(marked.filter(({ block }) => (block.notRun ?? '').length < 20).map(({ place }) => place)).toEqual([]);
});

test('the tests that run blocks exist, and each has some', () => {
  const used = new Set(blocks.map(({ path, block }) => runnerOf(path, block)));
  expect(runners.filter(({ test: file }) => !existsSync(file) || !used.has(file))).toEqual([]);
});

test.each([
  ['# A\n\n```sh\nls\n```\n', [['sh', '', 'ls', undefined]]],
  ['- a\n\n  ```js after\n  one();\n  ```\n', [['js', 'after', 'one();', undefined]]],
  ['<!-- not run: it takes a day -->\n\n```sh\nsleep 86400\n```\n', [['sh', '', 'sleep 86400', 'it takes a day']]],
  ['<!-- a remark -->\n\n```sh\nls\n```\n', [['sh', '', 'ls', undefined]]],
])('a planted document is read: %j', (text, expected) => {
  expect(codeBlocks(text).map(({ language, words, code, notRun }) => [language, words, code, notRun])).toEqual(expected);
});

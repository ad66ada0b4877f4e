import { expect, test } from 'vitest';
import { readSource, readSources, type SourceFile } from './imports.ts';

/** All folders with code. */
const folders = [
  'backend',
  'cli',
  'client',
  'core',
  'examples',
  'gateway',
  'monitoring',
  'operator',
  'ops',
  'publisher',
  'sizing',
  'release',
  'standalone',
  'test',
];
const columnsMax = 120;

/** Lines of nothing but a comment that are wider than a reader's window, by place; one long word can't be wrapped. */
function wideComments({ path, text }: SourceFile): readonly string[] {
  return text.split('\n').flatMap((line, index) => {
    const [, words = ''] = /^\s*(?:\/\/+|\/\*+|\*)\s+(.*)$/.exec(line) ?? [];
    return line.length > columnsMax && words.trim().includes(' ') ? [`${path}:${index + 1} has ${line.length} columns`] : [];
  });
}

test.each(folders)('no comment in %s is wider than 120 columns', (folder) => {
  const sources = readSources(folder);
  expect(sources.length).toBeGreaterThan(2);
  expect(sources.flatMap(wideComments)).toEqual([]);
});

test.each([
  ['/** two words', 120, 0],
  ['/** two words', 121, 1],
  ['   * two words', 120, 0],
  ['   * two words', 121, 1],
  ['  // two words', 121, 1],
  ['  // https://', 200, 0],
  ["const text = 'two words", 200, 0],
])('a planted comment is judged by its width: %s of %i columns', (begin, columns, count) => {
  expect(wideComments(readSource('core/planted.ts', begin.padEnd(columns, 'x')))).toHaveLength(count);
});

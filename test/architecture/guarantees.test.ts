import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { shownRows } from './shown-rows.ts';

const document = readFileSync('docs/guarantees.md', 'utf8');
const rows = shownRows(document);

function testsIn(text: string): readonly string[] {
  return [...text.matchAll(/`(test\/[^`]+)`/g)].map(([, path]) => path ?? '');
}

test('every promise names the tests that show it, and each of them is there', () => {
  expect(rows.length).toBeGreaterThan(25);
  for (const row of rows) expect(testsIn(row.at(-1) ?? ''), row[0]).not.toEqual([]);
  const named = testsIn(document);
  expect(named.filter((path) => !path.endsWith('.test.ts') || !existsSync(path))).toEqual([]);
  // The documents' own words in backquotes are not taken for tests, nor tests for words.
  expect(named.length).toBe(document.split('.test.ts`').length - 1);
});

test('a promise says of each bus whether it holds there', () => {
  const [memory, history] = [rows.filter((row) => row.length === 5), rows.filter((row) => row.length === 4)];
  expect(memory.length + history.length).toBe(rows.length);
  for (const [promise, ...cells] of memory) {
    for (const cell of cells.slice(0, 3)) expect(['yes', 'no', '–', 'up to 16 MiB a channel'], promise).toContain(cell);
  }
});

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { documentPaths, readDocument } from './documents.ts';

const readme = readDocument('README.md');

/** The text of a section of README.md, without its heading. */
function section(heading: string): string {
  const [, rest = ''] = readme.split(`\n## ${heading}\n`);
  return rest.split('\n## ')[0] ?? '';
}

/** The rows of the first table of a section, without its head. */
function rowsOf(heading: string): readonly string[] {
  return section(heading)
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2);
}

/** The figures of a text for people, with no comma in them: not those in code, and not those of a link's target. */
function figuresIn(text: string): readonly string[] {
  const words = text.replaceAll(/`[^`]*`/g, '').replaceAll(/\]\([^)]*\)/g, ']');
  return [...words.matchAll(/\d[\d,]*(?:\.\d+)?/g)].map(([figure]) => figure.replaceAll(',', ''));
}

function hasFigure(document: string, figure: string): boolean {
  return new RegExp(`(?<![\\d.])${figure.replace('.', '\\.')}(?![\\d]|\\.\\d)`).test(document.replaceAll(',', ''));
}

/** The documents that a row links to. */
function linkedFrom(row: string): readonly string[] {
  return [...row.matchAll(/\]\((docs\/[^)#]+)/g)].map(([, path = '']) => path);
}

test('each of the four questions has an answer, figures that a linked document has, and a command that is there', () => {
  const rows = rowsOf('Four questions');
  expect(rows).toHaveLength(4);
  const { scripts } = JSON.parse(readDocument('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
  for (const row of rows) {
    const documents = linkedFrom(row).map(readDocument).join('\n');
    expect(figuresIn(row).length).toBeGreaterThan(0);
    expect([row, figuresIn(row).filter((figure) => !hasFigure(documents, figure))]).toEqual([row, []]);
    const [, command = ''] = /`([^`]+)` \|$/.exec(row) ?? [];
    const [, script] = /^npm run (\w+)/.exec(command) ?? [];
    expect([command, script === undefined ? command.startsWith('kubectl barrage ') : scripts[script] !== undefined]).toEqual([
      command,
      true,
    ]);
  }
});

test('each figure of the table beside others is in docs/performance.md', () => {
  const rows = rowsOf('Beside others');
  expect(rows.length).toBeGreaterThan(8);
  const performance = readDocument('docs/performance.md');
  for (const row of rows) expect([row, figuresIn(row).filter((figure) => !hasFigure(performance, figure))]).toEqual([row, []]);
});

test.each([
  ['a figure that is there', 'memory 5.1 KiB, 999.6 a second', '5.1', true],
  ['a part of a figure', 'memory 15.1 KiB', '5.1', false],
  ['the beginning of a figure', 'memory 5.13 KiB', '5.1', false],
  ['a figure with a comma', 'of 10,000 connections', '10000', true],
])('%s', (_what, document, figure, found) => {
  expect(hasFigure(document, figure)).toBe(found);
});

test('the index names every page of docs', () => {
  const index = readDocument('docs/README.md');
  const links = [...index.matchAll(/\]\(([^)#]+)/g)].map(([, path = '']) => join(dirname('docs/README.md'), path));
  expect(links.filter((path) => !existsSync(path))).toEqual([]);
  const pages = documentPaths().filter(
    (path) => path.startsWith('docs/') && !path.startsWith('docs/runbooks/') && path !== 'docs/README.md',
  );
  expect(pages.filter((path) => !links.includes(path))).toEqual([]);
});

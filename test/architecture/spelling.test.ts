import { readFileSync } from 'node:fs';
import { loadConfig, spellCheckDocument, type CSpellUserSettings } from 'cspell-lib';
import { beforeAll, expect, test } from 'vitest';
import { documentPaths, readDocument } from './documents.ts';

let settings: CSpellUserSettings;

beforeAll(async () => {
  settings = (await loadConfig('cspell.json')) ?? {};
});

/** The words of a document that neither a British dictionary nor docs/words.txt knows, with their places. */
async function misspelt(path: string, text: string): Promise<readonly string[]> {
  const document = { uri: path, text, languageId: 'markdown' };
  const { issues } = await spellCheckDocument(document, { noConfigSearch: true, generateSuggestions: false }, settings);
  return issues.map(({ text: word, offset }) => `${path}:${text.slice(0, offset).split('\n').length} ${word}`);
}

test('every word of our documents is spelt as a British dictionary or docs/words.txt has it', async () => {
  const paths = documentPaths();
  expect(paths.length).toBeGreaterThan(40);
  const found: string[] = [];
  for (const path of paths) found.push(...(await misspelt(path, readDocument(path))));
  expect(found).toEqual([]);
});

test.each([
  ['a wrong word', 'A recieved word.', ['planted.md:1 recieved']],
  ['an American word', 'In honour of.\n\nIn honor of.', ['planted.md:3 honor']],
  ['code, links and tags', '`recieved` [word](recieved.md) <recieved>\n\n```sh\nrecieved\n```\n', []],
])('%s in a planted document', async (_what, text, expected) => {
  expect(await misspelt('planted.md', text)).toEqual(expected);
});

test('docs/words.txt is in the order of the alphabet, has each word once, and no word that nobody needs', () => {
  const words = readFileSync('docs/words.txt', 'utf8').trim().split('\n');
  expect(words).toEqual([...new Set(words)].toSorted((one, other) => one.localeCompare(other, 'en')));
  const all = documentPaths().map(readDocument).join('\n').toLowerCase();
  expect(words.filter((word) => !all.includes(word.toLowerCase()))).toEqual([]);
});

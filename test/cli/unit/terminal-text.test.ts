import { parse } from 'yaml';
import { expect, test } from 'vitest';
import { documentText, streamedText } from '../../../cli/view/document.ts';
import { publicationLine } from '../../../cli/view/publication-line.ts';
import { table } from '../../../cli/view/table.ts';
import { columnsOf, fitted, printable } from '../../../cli/view/terminal-text.ts';

const hostile = 'a\u001b[2J\u009b31m\u0007\r\n\u202eb\u2028\u200f\ud800';
/** What a terminal obeys, or what turns a text around. */
const obeyed = /(?!\n)[\p{Cc}\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

test('nothing that a terminal obeys is left of a foreign text, and what it was can be read', () => {
  expect(printable(hostile)).toBe(String.raw`a\x1b[2J\x9b31m\x07\r\n\u{202e}b\u{2028}\u{200f}\u{d800}`);
  expect(printable('弹幕 👩‍👩‍👧 é "q" \\n')).toBe('弹幕 👩‍👩‍👧 é "q" \\n');
});

test('every control character of Unicode is escaped', () => {
  for (let code = 0; code < 0x2100; code += 1) {
    const character = String.fromCharCode(code);
    if (obeyed.test(character) || character === '\n') expect(printable(character), code.toString(16)).toMatch(/^\\/);
  }
});

test('a table, a line of tail, JSON and YAML have none of it either; programs get the text as it was', () => {
  const value = { channel: hostile, [hostile]: ['\u001b]0;title\u0007', 'plain', 7, null] };
  for (const text of [
    table([{ title: 'CHANNEL', text: (row: string) => row }], [hostile])
      .map((line) => line.text)
      .join(''),
    publicationLine({ at: 0, channel: 'c', offset: 1, count: undefined, data: hostile }),
    documentText(value, 'json'),
    documentText(value, 'yaml'),
    streamedText(value, 'json'),
    streamedText(value, 'yaml'),
  ]) {
    expect(obeyed.test(text), text).toBe(false);
  }
  expect(JSON.parse(documentText(value, 'json'))).toEqual(value);
  expect(JSON.parse(streamedText(value, 'json'))).toEqual(value);
  expect(streamedText(value, 'json').trimEnd().split('\n')).toHaveLength(1);
  const wellFormed = { text: hostile.slice(0, -1), list: ['\u001b', 'true', '1', ''] };
  expect(parse(documentText(wellFormed, 'yaml'))).toEqual(wellFormed);
});

test('columns count as a terminal shows them', () => {
  expect(columnsOf('弹幕ab')).toBe(6);
  expect(fitted('弹幕弹幕', 5)).toBe('弹幕…');
  expect(fitted('abc', 3)).toBe('abc');
});

test('a binary publication is shown by its size and in base64, a sum with its count', () => {
  const at = Date.UTC(2026, 0, 1, 20, 14, 5, 7);
  expect(publicationLine({ at, channel: 'c', offset: 7, count: 12, data: new Uint8Array([0, 255]) })).toBe(
    '20:14:05.007  #7 ×12  (2 bytes) AP8=',
  );
});

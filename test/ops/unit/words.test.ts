import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { advice } from '../../../ops/view/advice.ts';
import { escaped, helpPage } from '../../../ops/view/help.ts';
import { nameCharactersMax, shownName } from '../../../ops/view/names.ts';
import { bytesText, countText, durationText, figureText, percentText, secondsText, shortText, unknown } from '../../../ops/view/numbers.ts';
import { drawnSeconds, sparkline } from '../../../ops/view/sparkline.ts';

test.each([
  [countText(0), '0'],
  [countText(0.25), '0.25'],
  [countText(7.5), '7.5'],
  [countText(12_345), '12\u202f345'],
  [countText(99_999.6), '100 k'],
  [countText(1_234_567), '1.23 M'],
  [countText(NaN), unknown],
  [countText(undefined), unknown],
  [shortText(999), '999'],
  [shortText(1_500), '1.5 k'],
  [bytesText(512), '512 B'],
  [bytesText(1_500_000), '1.5 MB'],
  [secondsText(0), '0 ms'],
  [secondsText(0.0004), '400 µs'],
  [secondsText(0.0125), '12.5 ms'],
  [secondsText(2), '2 s'],
  [percentText(0.0001), '<0.1 %'],
  [percentText(0.034), '3.4 %'],
  [percentText(1), '100 %'],
  [durationText(59_000), '59 s'],
  [durationText(61_000), '1 min 1 s'],
  [durationText(3_660_000), '1 h 1 min'],
  [durationText(90_000_000), '1 d 1 h'],
  [figureText('mean', 3.14159), '3.1'],
  [figureText('ratio', null), unknown],
])('a figure is short: %s', (text, expected) => {
  expect(text).toBe(expected);
});

test('a hostile name shows what is in it: controls, marks of direction, characters without a width', () => {
  expect(shownName('video:1')).toBe('video:1');
  expect(shownName('弹幕 🚀')).toBe('弹幕 🚀');
  expect(shownName('a\u202eb\u0000c\u200bd\ne')).toBe('a\\u{202e}b\\u{0}c\\u{200b}d\\u{a}e');
  expect(shownName('\ud800')).toBe('\\u{d800}');
  expect(shownName('x'.repeat(500))).toBe(`${'x'.repeat(nameCharactersMax)}…`);
});

test('no deceptive character of Unicode gets through, and nothing else is changed', () => {
  for (let first = 0; first < 0x3_0000; first += 100) {
    const characters = Array.from({ length: 100 }, (_, index) => String.fromCodePoint(first + index));
    const shown = shownName(characters.join(''));
    expect(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(shown), `after ${first.toString(16)}`).toBe(false);
    const harmless = characters.filter(
      (character) => /[\p{L}\p{N}\p{P}\p{S}]/u.test(character) && !/[\u115f\u1160\u3164\uffa0]/.test(character),
    );
    expect(harmless.every((character) => shown.includes(character))).toBe(true);
  }
});

test('markup of the help page is escaped, and it has every finding with an anchor', () => {
  expect(escaped(`<a href="x" title='y'>&`)).toBe('&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;');
  const page = helpPage();
  for (const name of Object.keys(advice)) expect(page).toContain(`id="${name}"`);
  expect(page).not.toMatch(/<script(?![^>]* src=)|style=|onclick/);
});

test('docs/operations-page.md has every finding, word for word, and no other', () => {
  const rows = [...readFileSync('docs/operations-page.md', 'utf8').matchAll(/^\| `([a-z-]+)` \| (.*) \|$/gm)].map(
    ([, name, cells]) => `${name} | ${cells}`,
  );
  const expected = Object.entries(advice).map(
    ([name, { severity, title, meaning, remedy, page }]) =>
      `${name} | ${severity} | ${title} | ${meaning} | ${remedy} | [${page.slice(5)}](${page.slice(5)})`,
  );
  expect(rows).toEqual(expected);
});

test('every page that a finding names exists', () => {
  for (const { page } of Object.values(advice)) expect(readFileSync(page, 'utf8').length, page).toBeGreaterThan(100);
});

const frame = { width: 240, height: 44, samplesMax: 600 };

test('a sparkline stays in its frame, shows a peak of one second, and has a gap where there are no values', () => {
  const values = Array.from({ length: 600 }, (_, index) => (index >= 200 && index < 300 ? NaN : 1));
  values[401] = 10;
  const { line, area, least, most } = sparkline(values, frame);
  expect([least, most]).toEqual([1, 10]);
  expect(line.match(/M/g)).toHaveLength(2);
  expect(line).toMatch(/ 1(?:L|$)/);
  for (const [, x, y] of `${line}${area}`.matchAll(/([\d.]+) ([\d.]+)/g)) {
    expect(Number(x)).toBeLessThanOrEqual(frame.width);
    expect(Number(y)).toBeLessThanOrEqual(frame.height);
  }
});

test('a drawing goes over one, two, five or ten minutes', () => {
  expect([0, 60, 61, 300, 301, 600].map(drawnSeconds)).toEqual([60, 60, 120, 300, 600, 600]);
  expect(sparkline([9, 1, 1], { ...frame, samplesMax: 2 }).most).toBe(1);
});

test.each([
  ['no values', [], ''],
  ['only gaps', [NaN, NaN], ''],
  ['zeros', [0, 0, 0], 'M239 43L240 43'],
  ['a first sample', [5], 'M239 1L240 1'],
])('a sparkline of %s', (_, values, line) => {
  expect(sparkline(values, frame).line).toBe(line);
});

test('a sparkline of a share is drawn against the whole', () => {
  expect(sparkline([0.5], frame, 1).line).toBe('M239 22L240 22');
});

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseComments, type Comment } from '../../../client/replay/comments.ts';
import { screenNote } from '../../../client/replay/summary.ts';
import { shownShare, speedToShow } from '../../../client/replay/screen.ts';
import { commentsTotal, concertComments } from '../../../examples/comments/concert.ts';
import { concertSeconds, moments } from '../../../examples/comments/moments.ts';

const bytes = readFileSync('examples/comments/concert.xml');
const parsed = parseComments(bytes);
const comments = parsed.kind === 'comments' ? parsed.comments : [];

function between(from: number, to: number): number {
  return comments.filter(({ atSeconds }) => atSeconds >= from && atSeconds < to).length;
}

test('the sample is what its generator writes: 2,000 comments, of which each is played', () => {
  expect(bytes.toString()).toBe(concertComments());
  expect(parsed).toMatchObject({
    kind: 'comments',
    colourless: 0,
    controls: 0,
    leftOut: { positioned: 0, unknownMode: 0, empty: 0, untimed: 0, broken: 0 },
  });
  expect([comments.length, commentsTotal]).toEqual([2_000, 2_000]);
});

test('it reads like an audience: many scripts, looks and words, and everybody at once when something happens', () => {
  const scripts = ['Han', 'Hiragana', 'Hangul', 'Arabic', 'Devanagari', 'Latin'].map((script) => new RegExp(`\\p{Script=${script}}`, 'u'));
  for (const script of scripts) expect(comments.filter(({ text }) => script.test(text)).length, String(script)).toBeGreaterThan(40);
  expect(new Set(comments.map(({ mode }) => mode))).toEqual(new Set(['scroll', 'top', 'bottom', 'reverse']));
  expect(new Set(comments.map(({ size }) => size))).toEqual(new Set([18, 25, 36]));
  expect(new Set(comments.map(({ color }) => color)).size).toBeGreaterThan(8);
  expect(new Set(comments.map(({ text }) => text)).size).toBeGreaterThan(800);
  const mean = comments.length / concertSeconds;
  for (const { atSeconds } of moments) expect(between(atSeconds, atSeconds + 15) / 15, `${atSeconds} s`).toBeGreaterThan(1.3 * mean);
  const catAt = moments.find(({ phrases }) => phrases.en.includes('CAT'))?.atSeconds ?? 0;
  expect(between(catAt, catAt + 15) / 15).toBeGreaterThan(2 * mean);
});

test('at its default pace a screen has a place for nine of ten, at twenty times that for less than half, and it is said', () => {
  expect(shownShare(comments, 1)).toBeGreaterThan(0.9);
  expect(screenNote(comments, 1)).toBe('');
  const share = shownShare(comments, 20);
  expect(share).toBeGreaterThan(0.1);
  expect(share).toBeLessThan(0.5);
  const speed = speedToShow(comments, 20);
  expect(shownShare(comments, speed)).toBeGreaterThan(0.9);
  expect(shownShare(comments, speed * 2)).toBeLessThan(0.9);
  expect(screenNote(comments, 20)).toContain(`about ${Math.floor(share * 100)} % of them`);
  expect(screenNote(comments, 20)).toContain(`--speed ${speed}\n`);
});

test('the estimate: one comment has a place, more at one time than there are rows have not, and a file without end ends', () => {
  const at = (atSeconds: number): Comment => ({ atSeconds, text: '弹幕', mode: 'scroll', size: 25, color: '#ffffff' });
  expect(shownShare([], 1)).toBe(1);
  expect(shownShare([at(0)], 1)).toBe(1);
  expect(
    shownShare(
      Array.from({ length: 120 }, () => at(5)),
      1,
    ),
  ).toBeGreaterThan(0.1);
  expect(
    shownShare(
      Array.from({ length: 1_000 }, () => at(5)),
      1,
    ),
  ).toBeLessThan(0.12);
  expect(shownShare([at(0), at(1e9)], 0.01)).toBe(1);
  expect(
    speedToShow(
      Array.from({ length: 1_000 }, () => at(5)),
      1,
    ),
  ).toBe(0.13);
});

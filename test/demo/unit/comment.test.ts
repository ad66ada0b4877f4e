import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commentColours, commentModes, displayText, isDarkColour, luminanceOf, readPayload } from '../../../client/demo/comment.ts';
import { Rate, Recent, Tally } from '../../../client/demo/statistics.ts';

test('any payload is read into bounded, displayable fields, and never throws', () => {
  const anything = fc.oneof(fc.string({ unit: 'binary', maxLength: 600 }), fc.json(), fc.uint8Array({ maxLength: 600 }));
  fc.assert(
    fc.property(anything, (data) => {
      const payload = readPayload(data);
      if (payload?.kind !== 'comment') return true;
      const { text, mode, size, color } = payload;
      const isText = Array.from(text).length <= 200 && text.isWellFormed() && !/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u.test(text);
      return isText && commentModes.includes(mode) && size >= 10 && size <= 64 && /^#[0-9a-f]{6}$/.test(color);
    }),
  );
});

test('fields that are wrong have their default, the others stay', () => {
  expect(readPayload('{"text":"hi","mode":"sideways","size":"36","color":"#FF00ff","at":1.5,"by":"x"}')).toEqual({
    kind: 'comment',
    text: 'hi',
    mode: 'scroll',
    size: 25,
    color: '#ff00ff',
    at: undefined,
    by: 'x',
  });
  expect(readPayload('{"text":"hi","color":"#fff"}')).toMatchObject({ color: '#ffffff' });
});

test('likes, gifts and other forms are told apart', () => {
  expect(readPayload('{"like":true}')).toEqual({ kind: 'like' });
  expect(readPayload('{"gift":"🚀"}')).toMatchObject({ kind: 'gift', gift: '🚀', from: 'Somebody' });
  expect(readPayload('{"event":"@video","data":{"msg":"Hello"}}')).toMatchObject({ kind: 'comment', text: 'Hello' });
  expect(readPayload('[1,2]')).toMatchObject({ kind: 'comment', text: '[1,2]' });
  expect(readPayload(new TextEncoder().encode('你好'))).toMatchObject({ text: '你好' });
  expect(readPayload(' \n ')).toBeUndefined();
  expect(readPayload('{"text":""}')).toBeUndefined();
});

test('text is one line, and a character is never cut in two', () => {
  expect(displayText('a\r\nb\u0000c')).toBe('a b c');
  expect(displayText('😀'.repeat(300))).toBe('😀'.repeat(200));
  expect(displayText('\u202egnp.exe')).toBe('gnp.exe');
});

test('black and blue get a light edge', () => {
  expect(['#000000', '#0000ff', '#ff0000', '#ffffff'].map(isDarkColour)).toEqual([true, true, false, false]);
});

test('a rate is the mean of the whole seconds before the present one', () => {
  const rate = new Rate(6);
  rate.add(30, 0);
  expect([rate.perSecond(500), rate.perSecond(1000), rate.perSecond(2000)]).toEqual([0, 30, 15]);
  for (let now = 3000; now < 10_000; now += 100) rate.add(2, now);
  expect(rate.perSecond(10_000)).toBe(20);
  expect(rate.perSecond(12_500)).toBe(12);
  expect(rate.perSecond(60_000)).toBe(0);
});

test('merging saves the share of frames that were not sent', () => {
  const tally = new Tally();
  for (let now = 0; now < 8000; now += 100) tally.batch(5, 1, now);
  expect(tally.mergedShare(8000)).toBeCloseTo(0.8);
  expect(tally.batchSizes.mean()).toBe(5);
  expect([tally.publications, tally.leftOut]).toEqual([400, 80]);
  const recent = new Recent(3);
  for (const value of [9, 1, 2, 3]) recent.add(value);
  expect(recent.median()).toBe(2);
});

test('every colour has a contrast of 4.5 with its edge, black or white', () => {
  const contrast = (one: string, other: string): number => {
    const [low = 0, high = 0] = [luminanceOf(one), luminanceOf(other)].toSorted((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  expect([contrast('#ffffff', '#000000'), contrast('#777777', '#ffffff')].map((ratio) => ratio.toFixed(2))).toEqual(['21.00', '4.48']);
  const least = (color: string): number => contrast(color, isDarkColour(color) ? '#ffffff' : '#000000');
  for (const color of commentColours) expect(least(color), color).toBeGreaterThanOrEqual(4.5);
  const anyColour = fc.integer({ min: 0, max: 0xff_ffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`);
  fc.assert(fc.property(anyColour, (color) => least(color) >= 4.5));
});

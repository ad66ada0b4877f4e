import { expect, test } from 'vitest';
import { ApiError } from '../../../operator/runtime/api-error.ts';
import { pause, TimeOver, within } from '../../../operator/runtime/deadline.ts';
import { microTime } from '../../../operator/runtime/micro-time.ts';
import { RateLimit } from '../../../operator/runtime/rate-limit.ts';
import { isOlder } from '../../../operator/runtime/resource-version.ts';
import { retryDelayMs, type Verb } from '../../../operator/runtime/retry.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

test('a rate lets a burst through at once, and those after it one after another', () => {
  const rate = new RateLimit({ ratePerSecond: 20, burst: 3 }, 0);
  expect([1, 2, 3, 4, 5].map(() => rate.reserve(0))).toEqual([0, 0, 0, 50, 100]);
  expect(rate.reserve(100)).toBe(50);
  expect([rate.tryTake(150), rate.tryTake(200), rate.tryTake(200)]).toEqual([false, true, false]);
});

test.each<[Verb, number, number, number | undefined]>([
  ['get', 1, 500, 100],
  ['list', 2, 0, 150],
  ['get', 5, 500, undefined],
  ['get', 1, 404, undefined],
  ['watch', 1, 500, undefined],
  ['apply', 1, 500, undefined],
  ['delete', 1, 0, undefined],
  ['create', 1, 429, 100],
  ['apply', 1, 409, undefined],
])('a failed %s is sent again where that can not hurt: attempt %i, status %i', (verb, attempt, status, expected) => {
  expect(retryDelayMs(verb, attempt, new ApiError('failed', { status, reason: 'Test' }), () => 0.5)).toBe(expected);
});

test('a wait that the server asks for comes on top, unless it asks for too much', () => {
  const asking = (retryAfterMs: number): ApiError => new ApiError('busy', { status: 429, reason: 'TooManyRequests', retryAfterMs });
  expect(retryDelayMs('apply', 1, asking(2000), () => 0)).toBe(2100);
  expect(retryDelayMs('get', 1, asking(60_000), () => 0)).toBeUndefined();
});

test('versions are compared as the numbers that they are, and anything else is not older', () => {
  expect([isOlder('9', '10'), isOlder('10', '9'), isOlder('10', '10')]).toEqual([true, false, false]);
  expect(isOlder('9'.repeat(20), '1'.padEnd(21, '0'))).toBe(true);
  expect([isOlder('x', '10'), isOlder('9', undefined), isOlder(undefined, '9')]).toEqual([false, false, false]);
});

test('times for the API server have six digits', () => {
  expect(microTime(1_700_000_000_123)).toBe('2023-11-14T22:13:20.123000Z');
});

test('a pause ends with its time or its signal, and leaves no timer', async () => {
  const clock = new FakeClock();
  const leaving = new AbortController();
  const ended: string[] = [];
  void pause(clock, 100).then(() => ended.push('time'));
  void pause(clock, 1000, leaving.signal).then(() => ended.push('signal'));
  await clock.advance(100, settle);
  leaving.abort();
  await clock.advance(0, settle);
  await pause(clock, 1000, leaving.signal);
  expect(ended).toEqual(['time', 'signal']);
  expect(clock.pending).toBe(0);
});

test('a deadline ends what it is for, and what ends early leaves nothing behind', async () => {
  const clock = new FakeClock();
  const outer = new AbortController();
  const ends = (signal: AbortSignal): Promise<unknown> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));
  const late = within({ clock, ms: 100, outer: outer.signal }, ends);
  await clock.advance(100, settle);
  expect(await late).toBeInstanceOf(TimeOver);
  const left = within({ clock, ms: 100, outer: outer.signal }, ends);
  outer.abort('we leave');
  expect(await left).toBe('we leave');
  expect(await within({ clock, ms: 100 }, () => Promise.resolve('early'))).toBe('early');
  expect(clock.pending).toBe(0);
});

import { expect, test } from 'vitest';
import type { Comment } from '../../../client/replay/comments.ts';
import { play, progressLine, type PlayOptions } from '../../../client/replay/player.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const day = 86_400;

function commentAt(atSeconds: number): Comment {
  return { atSeconds, text: String(atSeconds), mode: 'scroll', size: 25, color: '#ffffff' };
}

/** A replay whose publications are noted with their time, in seconds. */
function replaying(times: readonly number[], options: Partial<PlayOptions> = {}) {
  const clock = new FakeClock();
  const published: number[] = [];
  const abort = new AbortController();
  const end = play(times.map(commentAt), {
    fromSeconds: 0,
    speed: 1,
    signal: abort.signal,
    clock,
    publish: () => {
      published.push(clock.time / 1000);
      return Promise.resolve({ kind: 'published', viewers: 1, offset: 1 });
    },
    onProgress() {},
    ...options,
  });
  return { clock, published, abort, end };
}

test('a comment months ahead waits for its time', async () => {
  const { clock, published, end } = replaying([0, 20 * day, 120 * day]);
  await clock.advance(20 * day * 1000 - 1);
  expect(published).toEqual([0]);
  await clock.advance(1);
  expect(published).toEqual([0, 20 * day]);
  await clock.advance(100 * day * 1000);
  expect(published).toEqual([0, 20 * day, 120 * day]);
  expect((await end).kind).toBe('finished');
  expect(clock.pending).toBe(0);
});

test('a wait ends when the replay is stopped, and leaves no timer', async () => {
  const { clock, abort, end } = replaying([0, 3600]);
  await clock.advance(1000);
  expect(clock.pending).toBe(1);
  abort.abort();
  expect(await end).toMatchObject({ kind: 'stopped', progress: { published: 1, total: 2 } });
  expect(clock.pending).toBe(0);
});

test.each([
  [1, 1, '1 viewer reached, 1 error'],
  [9, 0, '9 viewers reached, 0 errors'],
])('%i and %i of them are told as %s', (viewers, failures, words) => {
  expect(progressLine({ published: 1, total: 2, failures, viewers, elapsedMs: 1000, behindMs: 0 })).toBe(`1/2 (50 %), 1.0/s, ${words}`);
});

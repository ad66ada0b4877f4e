import { describe, expect, test } from 'vitest';
import { BarrageBackendError } from '../../../backend/errors.ts';
import { mayRepeat, repeat, waitMs, type Attempt } from '../../../backend/repeating.ts';
import { Turns } from '../../../backend/turns.ts';

function failure(published: 'no' | 'unknown', retry = true): BarrageBackendError {
  return new BarrageBackendError(`published: ${published}`, { code: 503, retry, published });
}

function failed(published: 'no' | 'unknown'): Attempt<string> {
  return { kind: 'failed', error: failure(published) };
}

describe('the wait before a repetition', () => {
  test('grows from 50…200 ms to 50…5,000 ms', () => {
    const bounds = [0, 1, 2, 10].map((failures) => [0, 1].map((draw) => waitMs({ retryAfterMs: undefined }, failures, () => draw)));
    expect(bounds).toEqual([
      [50, 200],
      [50, 400],
      [50, 800],
      [50, 5_000],
    ]);
  });

  test('is never shorter than what the publisher asked for, and at most half as long again', () => {
    expect([0, 0.5, 1].map((draw) => waitMs({ retryAfterMs: 4_000 }, 0, () => draw))).toEqual([4_000, 5_000, 6_000]);
    expect(waitMs({ retryAfterMs: 0 }, 0, () => 0)).toBe(50);
  });
});

test('what may have been done is repeated only where twice is the same as once', () => {
  expect([failure('no'), failure('unknown'), failure('no', false)].map((error) => mayRepeat(error, false))).toEqual([true, false, false]);
  expect([failure('no'), failure('unknown'), failure('no', false)].map((error) => mayRepeat(error, true))).toEqual([true, true, false]);
});

describe('repeat', () => {
  const soon = (): number => performance.now() + 10_000;

  test('ends with the first success', async () => {
    const attempts = [failed('no'), failed('unknown'), { kind: 'done', result: 'ok' } as const, failed('no')];
    const result = repeat({ isRepeatable: true, endsAt: soon(), signal: undefined }, async () => attempts.shift()!);
    expect(await result).toBe('ok');
    expect(attempts).toHaveLength(1);
  });

  test('one request that may have been carried out stays in doubt, whatever the last one says', async () => {
    const attempts = [failed('unknown'), { kind: 'failed', error: failure('no', false) } as const];
    const call = repeat({ isRepeatable: true, endsAt: soon(), signal: undefined }, async () => attempts.shift()!);
    await expect(call).rejects.toMatchObject({ published: 'unknown', attempts: 2, message: 'published: no (the last of 2 requests)' });
  });

  test('does not wait for a repetition that the end of the call would cut off', async () => {
    const error = new BarrageBackendError('later', { code: 502, retry: true, published: 'no', retryAfterMs: 60_000 });
    const call = repeat({ isRepeatable: true, endsAt: soon(), signal: undefined }, async () => ({ kind: 'failed', error }));
    await expect(call).rejects.toBe(error);
  });

  test('a part that stays undone is in the result', async () => {
    const partly = { kind: 'partly', result: 'half', error: failure('no') } as const;
    expect(await repeat({ isRepeatable: true, endsAt: performance.now(), signal: undefined }, async () => partly)).toBe('half');
  });

  test('a signal ends the wait with its reason', async () => {
    const caller = new AbortController();
    const error = new BarrageBackendError('later', { code: 502, retry: true, published: 'no', retryAfterMs: 5_000 });
    const call = repeat({ isRepeatable: true, endsAt: soon(), signal: caller.signal }, async () => {
      queueMicrotask(() => caller.abort('enough'));
      return { kind: 'failed', error };
    });
    await expect(call).rejects.toBe('enough');
  });
});

describe('turns', () => {
  const never = new AbortController().signal;

  test('so many at one time, the others in their order', async () => {
    const turns = new Turns(2);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const all = [0, 1, 2, 3].map((each) =>
      turns.run(() => {
        begun.push(each);
        return new Promise<void>((resolve) => ends.push(resolve));
      }, never),
    );
    await Promise.resolve();
    expect(begun).toEqual([0, 1]);
    ends[1]!();
    await all[1];
    await Promise.resolve();
    expect(begun).toEqual([0, 1, 2]);
    ends[0]!();
    ends[2]!();
    await all[2];
    await Promise.resolve();
    ends[3]!();
    await Promise.all(all);
    expect(begun).toEqual([0, 1, 2, 3]);
  });

  test('who leaves the queue takes no place, and who fails gives it back', async () => {
    const turns = new Turns(1);
    let end = (): void => {};
    const first = turns.run(() => new Promise<void>((resolve) => (end = resolve)), never);
    const leaving = new AbortController();
    const second = turns.run(async () => 'never', leaving.signal);
    leaving.abort('gone');
    await expect(second).rejects.toBe('gone');
    end();
    await first;
    await expect(turns.run(() => Promise.reject(new Error('its own')), never)).rejects.toThrow('its own');
    expect(await turns.run(async () => 'next', never)).toBe('next');
    await expect(turns.run(async () => 'late', AbortSignal.abort('late'))).resolves.toBe('late');
  });
});

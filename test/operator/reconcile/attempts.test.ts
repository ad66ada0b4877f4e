import { expect, test } from 'vitest';
import { Attempts } from '../../../operator/reconcile/attempts.ts';
import { ApiError } from '../../../operator/runtime/api-error.ts';
import { silentJournal } from '../../support/silent-journal.ts';

const done = (): Promise<string> => Promise.resolve('done');
const failing = (status: number, reason = 'Some'): (() => Promise<never>) => {
  return () => Promise.reject(new ApiError('no', { status, reason }));
};

function attemptsAt(now: number, before?: Attempts, signal = new AbortController().signal): Attempts {
  return new Attempts({
    signal,
    pool: { namespace: 'games', name: 'live' },
    journal: silentJournal,
    now,
    failing: before?.failing ?? new Map(),
  });
}

test('a step that is refused is a fault, and the next one is tried', async () => {
  const attempts = attemptsAt(0);
  expect(await attempts.run('Service web', failing(403, 'Forbidden'))).toBe('failed');
  expect(await attempts.run('Pod web-1', done)).toBe('done');
  expect(attempts.faults).toMatchObject([{ kind: 'Forbidden', subject: 'Service web' }]);
  expect([attempts.passing, attempts.troubles]).toEqual([undefined, 1]);
});

test('a failure that may pass is tried again, and is a fault when it has lasted for ten seconds', async () => {
  let attempts = attemptsAt(0);
  for (const [now, faults] of [
    [0, 0],
    [9_999, 0],
    [10_000, 1],
  ] as const) {
    attempts = attemptsAt(now, attempts);
    for (const status of [500, 429]) expect(await attempts.run(`Secret ${status}`, failing(status))).toBe('failed');
    expect(attempts.faults).toHaveLength(faults * 2);
    expect(attempts.passing).toMatchObject({ status: 500 });
    expect(attempts.troubles).toBe(2 + faults * 2);
  }
  expect(attempts.faults).toMatchObject([{ kind: 'Unavailable' }, { kind: 'Unavailable' }]);
  // Once it has worked, the next failure begins anew.
  const healed = attemptsAt(11_000, attempts);
  await healed.run('Secret 500', done);
  const again = attemptsAt(30_000, healed);
  await again.run('Secret 500', failing(500));
  expect([again.faults, healed.passing]).toEqual([[], undefined]);
});

test('without an API server, or when the reconcile is to end, nothing else is tried', async () => {
  await expect(attemptsAt(0).run('Pod web-1', failing(0))).rejects.toMatchObject({ status: 0 });
  await expect(attemptsAt(0, undefined, AbortSignal.abort()).run('Pod web-1', failing(500))).rejects.toMatchObject({ status: 500 });
  await expect(attemptsAt(0).run('Pod web-1', () => Promise.reject(new TypeError('a mistake of ours')))).rejects.toThrow(TypeError);
});

import { expect, test } from 'vitest';
import { begin, gatewayWith, observedWith } from './pool-fixture.ts';
import type { RolloutState } from '../../../operator/decide/rollout.ts';
import { rolloutProgress, type RolloutMemory, type RolloutProgress } from '../../../operator/decide/rollout-progress.ts';

const gateways = (revision: string, count: number) =>
  Array.from({ length: count }, (_, slot) => gatewayWith(`web-${revision}-${slot}`, { revision }));

/** An operator that looks again and again at a pool of eight gateways. */
class Watcher {
  memory: RolloutMemory | 'none' | undefined = undefined;
  at = begin;

  see(revision: string, crew: ReturnType<typeof gateways>, state: RolloutState['state'] = 'progressing'): RolloutProgress | undefined {
    this.at += 10_000;
    const observed = observedWith({ gateways: crew, updateRevision: revision, monotonic: this.at });
    const { memory, progress } = rolloutProgress(this.memory, observed, { state, desired: 8 });
    this.memory = memory;
    return progress;
  }
}

test('a rollout is told when it begins, at each quarter, and when it has ended; what comes and goes tells nothing', () => {
  const watcher = new Watcher();
  expect(watcher.see('a', gateways('a', 8), 'complete')).toBeUndefined();
  expect(watcher.see('a', gateways('a', 7))).toBeUndefined();
  const told = [0, 1, 2, 1, 2, 3, 4, 4, 6, 7, 8].map((replaced) =>
    watcher.see('b', [...gateways('b', replaced), ...gateways('a', 8 - replaced)]),
  );
  const figures = told.map((each) => (each === undefined ? '' : `${each.kind} ${each.replaced} ${each.old} ${each.seconds}`));
  expect(figures).toEqual(['began 0 8 0', '', 'progressed 2 6 20', '', '', '', 'progressed 4 4 60', '', 'progressed 6 2 80', '', '']);
  expect(watcher.see('b', gateways('b', 8), 'complete')).toMatchObject({ kind: 'ended', revision: 'b', replaced: 8, old: 0, seconds: 110 });
  expect(watcher.see('b', gateways('b', 8), 'complete')).toBeUndefined();
});

test('a new operator says that a rollout goes on; a template that is taken back ends it, another one begins another', () => {
  const watcher = new Watcher();
  expect(watcher.see('b', [...gateways('b', 2), ...gateways('a', 6)])?.kind).toBe('resumed');
  expect(watcher.see('c', [...gateways('b', 2), ...gateways('a', 6)])).toMatchObject({ kind: 'began', revision: 'c', old: 8 });
  expect(watcher.see('a', [...gateways('b', 2), ...gateways('a', 6)])).toMatchObject({ kind: 'began', revision: 'a', old: 2 });
  expect(watcher.see('a', gateways('a', 8), 'complete')?.kind).toBe('ended');
  expect(watcher.see('b', gateways('a', 8))?.kind).toBe('began');
  expect(watcher.see('a', gateways('a', 8), 'complete')).toMatchObject({ kind: 'ended', revision: 'a' });
});

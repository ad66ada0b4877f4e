import { expect, test } from 'vitest';
import type { AdminStatus } from '../../../core/pool/admin-status.ts';
import { silentMs } from '../../../operator/decide/observed.ts';
import { names } from '../../../operator/desired/labels.ts';
import type { PoolPod } from '../../../operator/reconcile/pod-view.ts';
import { Polls } from '../../../operator/reconcile/polls.ts';
import { Random } from '../../simulation/random.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

const intervalMs = 1000;
const timeLimitMs = 2000;

function podWith(uid: string, status: PoolPod['status'] = { phase: 'Running', podIP: uid }): PoolPod {
  return { metadata: { name: uid, namespace: 'live', uid, labels: { [names.label.pool]: 'web' } }, status };
}

function statusOf(uid: string, connections = 0): AdminStatus {
  return {
    role: 'gateway',
    name: uid,
    uid,
    poolEpoch: 1,
    policiesHash: '',
    ready: true,
    waitingFor: [],
    connections,
    subscriptions: 0,
    rooms: 0,
    loopUtilization: 0,
    bytesSentPerSecond: 0,
    drain: { state: 'serving', movedConnections: 0 },
    topChannels: [],
  };
}

/** Pods whose address is their uid: those in `dead` never answer, the others after `answerMs`. */
function world({
  concurrency = 8,
  answerMs = () => 5,
  perSecondMax = Infinity,
}: { readonly concurrency?: number; readonly answerMs?: () => number; readonly perSecondMax?: number } = {}) {
  const clock = new FakeClock();
  const pods = new Map<string, PoolPod>();
  const dead = new Set<string>();
  const connections = new Map<string, number>();
  const askedAt = new Map<string, number[]>();
  const changes: string[] = [];
  const most = { underWay: 0 };
  let underWay = 0;
  const ask = async (uid: string): Promise<AdminStatus | undefined> => {
    askedAt.set(uid, [...(askedAt.get(uid) ?? []), clock.monotonic()]);
    underWay += 1;
    most.underWay = Math.max(most.underWay, underWay);
    const isDead = dead.has(uid);
    await new Promise<void>((resolve) => clock.after(isDead ? timeLimitMs : answerMs(), resolve));
    underWay -= 1;
    return isDead ? undefined : statusOf(uid, connections.get(uid));
  };
  const changed = (pool: string): number => changes.push(pool);
  const polls = new Polls({ pods: () => [...pods.values()], ask, changed, clock, intervalMs, perSecondMax, concurrency });
  return { clock, pods, dead, connections, askedAt, changes, most, polls };
}

function longestGap(times: readonly number[]): number {
  return Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? 0)));
}

test('a pod that does not answer changes nothing of how often the others are asked', async () => {
  const { clock, pods, dead, askedAt, polls } = world();
  for (const uid of ['a', 'b', 'dead']) pods.set(uid, podWith(uid));
  dead.add('dead');
  polls.start();
  await clock.advance(20_000, settle);
  polls.stop();
  for (const uid of ['a', 'b']) {
    expect(longestGap(askedAt.get(uid) ?? []), uid).toBe(intervalMs);
    expect(askedAt.get(uid), uid).toHaveLength(21);
  }
  expect(longestGap(askedAt.get('dead') ?? [])).toBe(timeLimitMs);
});

test('however many pods are dead, the living keep their pace, and no more are asked at once than may be', async () => {
  const { clock, pods, dead, askedAt, most, polls } = world({ concurrency: 8 });
  for (let index = 0; index < 60; index += 1) pods.set(`dead-${index}`, podWith(`dead-${index}`));
  for (const uid of pods.keys()) dead.add(uid);
  for (let index = 0; index < 40; index += 1) pods.set(`alive-${index}`, podWith(`alive-${index}`));
  polls.start();
  // Until each has been asked once nobody knows which ones are dead.
  await clock.advance(20_000, settle);
  for (const times of askedAt.values()) times.splice(0);
  await clock.advance(60_000, settle);
  polls.stop();
  for (const uid of pods.keys()) {
    const gap = longestGap(askedAt.get(uid) ?? []);
    if (dead.has(uid)) expect(gap, uid).toBeLessThanOrEqual((60 / 4) * timeLimitMs + intervalMs);
    else expect(gap, uid).toBeLessThanOrEqual(intervalMs + 100);
  }
  expect(most.underWay).toBe(8);
});

test('a pod that comes back is known within one turn of the dead', async () => {
  const { clock, pods, dead, polls } = world();
  pods.set('a', podWith('a'));
  dead.add('a');
  polls.start();
  await clock.advance(10_000, settle);
  expect(polls.of('a')).toBeUndefined();
  dead.delete('a');
  await clock.advance(timeLimitMs + 10, settle);
  expect(polls.of('a')?.status.uid).toBe('a');
  polls.stop();
});

test('who does not run is not asked, and is as soon as it runs; what another pod at the address says counts for nothing', async () => {
  const { clock, pods, askedAt, polls } = world();
  pods.set('a', podWith('a', { phase: 'Pending' }));
  pods.set('old', podWith('old', { phase: 'Running', podIP: 'new' }));
  polls.start();
  await clock.advance(5000, settle);
  expect(askedAt.get('a')).toBeUndefined();
  expect(polls.of('old')).toBeUndefined();
  pods.set('a', podWith('a'));
  await clock.advance(2 * intervalMs, settle);
  expect(polls.of('a')).toBeDefined();
  polls.stop();
});

test('only news is told, and pods that are gone are forgotten with all that was known of them', async () => {
  const { clock, pods, dead, connections, changes, polls } = world();
  for (const uid of ['a', 'b', 'dead']) pods.set(uid, podWith(uid));
  dead.add('dead');
  polls.start();
  await clock.advance(5000, settle);
  expect(changes).toEqual(['live/web', 'live/web']);
  connections.set('a', 7);
  await clock.advance(2000, settle);
  expect(changes).toHaveLength(3);
  pods.clear();
  await clock.advance(5000, settle);
  expect(polls.size).toBe(0);
  polls.stop();
  await clock.advance(5000, settle);
  expect(clock.pending).toBe(0);
});

const started: PoolPod['status'] = {
  phase: 'Running',
  podIP: 'a',
  containerStatuses: [{ name: names.container, started: true, state: { running: {} } }],
};

test('a pod that has started and does not answer is silent since it was first asked in vain, and that is told once when it has lasted', async () => {
  const { clock, pods, dead, changes, polls } = world();
  pods.set('a', podWith('a', started));
  dead.add('a');
  const begunAt = clock.monotonic();
  polls.start();
  await clock.advance(silentMs - 1, settle);
  expect(polls.unansweredSince('a')).toBe(begunAt);
  expect(changes).toEqual([]);
  await clock.advance(2 * timeLimitMs, settle);
  expect(changes).toEqual(['live/web']);
  await clock.advance(60_000, settle);
  expect(changes).toHaveLength(1);
  dead.delete('a');
  await clock.advance(2 * timeLimitMs, settle);
  expect(polls.unansweredSince('a')).toBeUndefined();
  expect(changes).toHaveLength(2);
  // The same after it has answered: the end of a silence is told though what it says is no news.
  dead.add('a');
  await clock.advance(silentMs + 2 * timeLimitMs, settle);
  expect(changes).toHaveLength(3);
  dead.delete('a');
  await clock.advance(2 * timeLimitMs, settle);
  expect(changes).toHaveLength(4);
  polls.stop();
});

test('one that is still starting, or starts again, owes no answer; a question that gets lost now and then is told to nobody', async () => {
  const { clock, pods, dead, changes, polls } = world();
  const starting = { ...started, containerStatuses: [{ name: names.container, started: false, state: { running: {} } }] };
  pods.set('a', podWith('a', starting));
  dead.add('a');
  polls.start();
  await clock.advance(60_000, settle);
  expect(polls.unansweredSince('a')).toBeUndefined();
  pods.set('a', podWith('a', started));
  await clock.advance(silentMs / 2, settle);
  expect(polls.unansweredSince('a')).toBeGreaterThan(0);
  pods.set('a', podWith('a', starting));
  await clock.advance(silentMs, settle);
  expect(polls.unansweredSince('a')).toBeUndefined();
  expect(changes).toEqual([]);
  pods.set('a', podWith('a', started));
  dead.delete('a');
  await clock.advance(2 * timeLimitMs, settle);
  for (let round = 0; round < 10; round += 1) {
    dead.add('a');
    await clock.advance(silentMs / 2, settle);
    dead.delete('a');
    await clock.advance(2 * timeLimitMs, settle);
  }
  expect(changes).toEqual(['live/web']);
  pods.clear();
  await clock.advance(5000, settle);
  expect(polls.size).toBe(0);
  polls.stop();
});

test('with pods that come, go, die and answer late no pace is lost (seeds 1 to 20)', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = new Random(seed);
    const { clock, pods, dead, askedAt, most, polls } = world({ concurrency: 6, answerMs: () => random.below(20) });
    polls.start();
    for (let step = 0; step < 60; step += 1) {
      const uid = `pod-${step}`;
      if (random.chance(0.7)) pods.set(uid, podWith(uid));
      if (random.chance(0.3)) dead.add(uid);
      if (random.chance(0.3) && pods.size > 0) {
        const gone = random.pick([...pods.keys()]);
        pods.delete(gone);
        askedAt.delete(gone);
      }
      await clock.advance(random.below(1500), settle);
    }
    for (const times of askedAt.values()) times.splice(0);
    await clock.advance(30_000, settle);
    polls.stop();
    for (const uid of pods.keys())
      if (!dead.has(uid)) expect(longestGap(askedAt.get(uid) ?? []), `seed ${seed}, ${uid}`).toBeLessThanOrEqual(intervalMs + 200);
    expect(most.underWay, `seed ${seed}`).toBeLessThanOrEqual(6);
    await clock.advance(timeLimitMs, settle);
    expect(clock.pending, `seed ${seed}`).toBe(0);
  }
});

test('of more pods than can be asked each second every one is asked as often as any other', async () => {
  const { clock, pods, askedAt, polls } = world({ perSecondMax: 20 });
  for (let index = 0; index < 100; index += 1) pods.set(`10.0.0.${index}`, podWith(`10.0.0.${index}`));
  polls.start();
  await clock.advance(60_000, settle);
  polls.stop();
  const times = [...askedAt.values()];
  expect(times).toHaveLength(100);
  expect(times.flat().length).toBeLessThanOrEqual(60 * 20 + 100);
  for (const each of times) expect(longestGap(each)).toBeLessThan(5_200);
});

test('a pod that starts among many is asked at every interval until it serves', async () => {
  const { clock, pods, askedAt, polls } = world({ perSecondMax: 20 });
  for (let index = 0; index < 100; index += 1) pods.set(`10.0.0.${index}`, podWith(`10.0.0.${index}`));
  polls.start();
  await clock.advance(30_000, settle);
  pods.set('new', podWith('new', { phase: 'Pending' }));
  await clock.advance(4_500, settle);
  pods.set('new', podWith('new'));
  await clock.advance(30_000, settle);
  polls.stop();
  const times = askedAt.get('new') ?? [];
  expect(times[0]).toBeGreaterThan(34_500);
  expect(times[0]).toBeLessThanOrEqual(34_500 + 2 * intervalMs);
  // It serves with its first answer.
  expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThanOrEqual(5_000);
});

test('a document that a pod took counts before its next answer, and an answer that says otherwise counts again', async () => {
  const { clock, pods, changes, polls } = world();
  pods.set('a', podWith('a'));
  polls.tookDocument('a', { epoch: 7, policiesHash: 'new' });
  expect(changes).toEqual([]);
  polls.start();
  await clock.advance(10, settle);
  changes.splice(0);
  polls.tookDocument('a', { epoch: 7, policiesHash: 'new' });
  expect(polls.of('a')?.status).toMatchObject({ poolEpoch: 7, policiesHash: 'new' });
  expect(changes).toEqual(['live/web']);
  await clock.advance(intervalMs, settle);
  // It has restarted: its answer is believed.
  expect(polls.of('a')?.status).toMatchObject({ poolEpoch: 1, policiesHash: '' });
  expect(changes).toEqual(['live/web', 'live/web']);
  polls.stop();
});

test('a pod whose long silence ends is told of once: it was not pushed what it missed', async () => {
  const { clock, pods, dead, changes, polls } = world();
  pods.set('a', podWith('a', started));
  polls.start();
  await clock.advance(10, settle);
  dead.add('a');
  await clock.advance(silentMs + 3 * timeLimitMs, settle);
  dead.delete('a');
  changes.splice(0);
  await clock.advance(timeLimitMs + 2 * intervalMs, settle);
  expect(changes).toEqual(['live/web']);
  polls.stop();
});

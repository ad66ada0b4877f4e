import { expect, test } from 'vitest';
import type { BarrageChannel } from '../../../operator/api/barrage-channel.ts';
import { withDefaults } from '../../../operator/api/stored-objects.ts';
import { channelConditions, policyReach } from '../../../operator/decide/channel-conditions.ts';
import type { ConditionDraft } from '../../../operator/decide/conditions.ts';
import type { ObservedGateway } from '../../../operator/decide/observed.ts';
import { poolPolicies } from '../../../operator/decide/policies.ts';
import { nextHistory, spreadOf, type PolicyHistory } from '../../../operator/decide/policy-history.ts';
import { channelStatus } from '../../../operator/decide/status.ts';
import { begin, gatewayWith } from './pool-fixture.ts';

function channelWith(index: number, generation = 1, windowMilliseconds = 100): BarrageChannel {
  const metadata = { name: `c${index}`, uid: `c${index}`, namespace: 'live', resourceVersion: '1', generation };
  const spec = { poolRef: { name: 'web' }, channel: `video:${index}`, merge: { windowMilliseconds } };
  const made = { ...metadata, creationTimestamp: '2026-01-01T00:00:00Z' };
  return withDefaults('BarrageChannel', { apiVersion: 'barrage.dev/v1alpha1', kind: 'BarrageChannel', metadata: made, spec });
}

/** A pool with 300 channels. One `pass` is one reconcile of their statuses, and returns the written ones. */
class Pool {
  readonly channels = Array.from({ length: 300 }, (_, index) => channelWith(index));
  gateways: ObservedGateway[] = [];
  publishers: ObservedGateway[] = [];
  isPaused = false;
  #history: PolicyHistory | undefined;

  get hash(): string {
    return poolPolicies(this.channels).hash;
  }

  /** Every pod has these policies; `undefined`: none has answered. */
  answer(hash: string | undefined): void {
    const pods = ['web-0', 'web-1', 'web-2'].map((name) => podWith(name, hash));
    this.gateways = pods.slice(0, 2);
    this.publishers = pods.slice(2);
  }

  restart(): void {
    this.#history = undefined;
    this.answer(undefined);
  }

  pass(): readonly string[] {
    const policies = poolPolicies(this.channels);
    this.#history = nextHistory(this.#history, policies);
    const reach = policyReach(this.#history, this, this.isPaused);
    return policies.verdicts.flatMap((verdict) => {
      const index = this.channels.indexOf(verdict.channel);
      const decision = channelStatus(verdict.channel, channelConditions(verdict, reach), begin);
      if (decision.kind === 'same') return [];
      this.channels[index] = { ...verdict.channel, status: decision.status };
      return [`${verdict.channel.metadata.name} ${this.said(index)}`];
    });
  }

  said(index: number): string {
    const { status, reason } = (this.channels[index]?.status?.conditions?.find(({ type }) => type === 'InForce') ?? {}) as ConditionDraft;
    return `${status} ${reason}`;
  }

  edit(index: number, windowMilliseconds: number): void {
    const before = this.channels[index]!;
    const edited = channelWith(index, before.metadata.generation + 1, windowMilliseconds);
    this.channels[index] = before.status === undefined ? edited : { ...edited, status: before.status };
  }
}

function podWith(name: string, hash: string | undefined): ObservedGateway {
  return hash === undefined ? gatewayWith(name, { polled: undefined }) : gatewayWith(name, {}, { policiesHash: hash });
}

function converged(): Pool {
  const pool = new Pool();
  pool.answer(pool.hash);
  expect(pool.pass()).toHaveLength(300);
  expect(pool.pass()).toEqual([]);
  return pool;
}

test('an edit of one channel of 300 writes its two statuses, and no other', () => {
  const pool = converged();
  const before = pool.hash;
  pool.edit(7, 200);
  pool.answer(before);
  expect(pool.pass()).toEqual(['c7 False Pushing']);
  expect(pool.pass()).toEqual([]);
  pool.answer(pool.hash);
  expect(pool.pass()).toEqual(['c7 True InForce']);
});

test('a second edit before the first has arrived keeps them apart', () => {
  const pool = converged();
  const [first] = [pool.hash];
  pool.edit(7, 200);
  pool.answer(first);
  expect(pool.pass()).toEqual(['c7 False Pushing']);
  const second = pool.hash;
  pool.edit(8, 200);
  expect(pool.pass()).toEqual(['c8 False Pushing']);
  pool.answer(second);
  expect(pool.pass()).toEqual(['c7 True InForce']);
  pool.answer(pool.hash);
  expect(pool.pass()).toEqual(['c8 True InForce']);
});

test('an edit that is taken back is in force where the gateways never had the other', () => {
  const pool = converged();
  const before = pool.hash;
  pool.edit(7, 200);
  pool.answer(before);
  pool.pass();
  pool.edit(7, 100);
  expect(pool.pass()).toEqual(['c7 True InForce']);
});

test('a restart with nothing changed writes nothing, before pods have answered and after', () => {
  const pool = converged();
  pool.restart();
  expect(pool.pass()).toEqual([]);
  pool.answer(pool.hash);
  expect(pool.pass()).toEqual([]);
});

test('a channel that was edited while no operator ran is on its way until all pods are known to have it', () => {
  const pool = converged();
  const before = pool.hash;
  pool.edit(7, 200);
  pool.restart();
  expect(pool.pass()).toEqual(['c7 False Pushing']);
  pool.answer(before);
  expect(pool.pass()).toEqual([]);
  pool.answer(pool.hash);
  expect(pool.pass()).toEqual(['c7 True InForce']);
});

test('a publisher without the policy holds it back: it enforces the limits', () => {
  const pool = converged();
  const before = pool.hash;
  pool.edit(7, 200);
  pool.answer(pool.hash);
  pool.publishers = [podWith('publisher', before)];
  expect(pool.pass()).toEqual(['c7 False Pushing']);
  // A publisher that leaves or is not ready takes no publications.
  pool.publishers = [{ ...podWith('publisher', before), isReady: false }];
  expect(pool.pass()).toEqual(['c7 True InForce']);
});

test('while no gateway serves, a new channel waits for one, and the others keep what they said', () => {
  const pool = converged();
  pool.gateways = [];
  pool.publishers = [];
  expect(pool.pass()).toEqual([]);
  pool.channels.push(channelWith(300));
  expect(pool.pass()).toEqual(['c300 Unknown NoGateway']);
});

test('in a paused pool only the edited channel waits', () => {
  const pool = converged();
  pool.isPaused = true;
  const before = pool.hash;
  pool.edit(7, 200);
  pool.answer(before);
  expect(pool.pass()).toEqual(['c7 False Paused']);
});

test('a history remembers 64 hashes; a pod with an older one has unknown policies', () => {
  let history: PolicyHistory | undefined;
  for (let index = 0; index < 65; index++) history = nextHistory(history, { hash: `hash-${index}`, verdicts: [] });
  expect(history?.numbers.size).toBe(64);
  expect(spreadOf(history!, ['hash-1', 'hash-64'])).toEqual({ oldest: 2, hasUnknown: false });
  expect(spreadOf(history!, ['hash-0', undefined])).toEqual({ oldest: Infinity, hasUnknown: true });
});

import { expect, test } from 'vitest';
import { begin, gatewayWith, observedWith, poolWith } from './pool-fixture.ts';
import { eventReasons } from '../../../operator/decide/actions.ts';
import { complaintsOf, decideComplaints, fleetingMs, toldBy, type OpenComplaint } from '../../../operator/decide/complaints.ts';
import { faultOf } from '../../../operator/decide/fault.ts';
import type { ObservedGateway, ObservedPool } from '../../../operator/decide/observed.ts';
import { poolConditions, type PoolFacts } from '../../../operator/decide/pool-conditions.ts';
import { planPool } from '../../../operator/decide/pool-plan.ts';

function factsOf(fields: Partial<ObservedPool> = {}, more: Partial<PoolFacts> = {}): PoolFacts {
  const observed = observedWith(fields);
  const policies = { parts: [], hash: 'hash', verdicts: [], overflow: 0 };
  const publishers = { available: 2, policiesHashes: [] };
  return {
    observed,
    plan: planPool(observed),
    policies,
    publishers,
    busChange: { stage: 'settled' as const, waitingFor: [] },
    samePrefix: [],
    securityBreaches: [],
    overruled: [],
    ...more,
  };
}

/** What a pool tells as time passes and it is seen in one state after another. */
class Told {
  #open: readonly OpenComplaint[] = [];
  #now = begin;
  reviewAfterMs: number | undefined;

  /** The next observation, `ms` milliseconds later. @returns the events, as `type reason` */
  after(ms: number, facts: PoolFacts): readonly string[] {
    this.#now += ms;
    const decision = decideComplaints(this.#open, complaintsOf(facts, poolConditions(facts)), this.#now);
    this.#open = decision.open;
    this.reviewAfterMs = decision.reviewAfterMs;
    return decision.events.map(({ type, reason, message }) => (reason === 'Recovered' ? message : `${type} ${reason}`));
  }
}

const down = { containersReady: false, isReady: false, serving: 'Unknown' as const };
const blockedBy = (reason: string, message = ''): Partial<ObservedPool> => ({
  gateways: [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`, { ...down, isRunning: false, obstacle: { reason, message } })),
});
const waiting = (what: string): readonly ObservedGateway[] =>
  [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`, down, { ready: false, waitingFor: [what] }));

test('a pool in good order tells nothing', () => {
  expect(new Told().after(0, factsOf())).toEqual([]);
});

test('what the API server refuses is told at once, once, and so is its end; with the message of the condition', () => {
  const told = new Told();
  const refused = factsOf({ gateways: [], faults: [faultOf('Pod web-aaaaa-0', 403, 'Forbidden', 'exceeded quota: pods')] });
  expect(told.after(0, refused)).toEqual(['Warning QuotaExceeded']);
  for (let again = 0; again < 5; again += 1) expect(told.after(10_000, refused)).toEqual([]);
  expect(told.after(10_000, factsOf())).toEqual(['QuotaExceeded is over (Pod web-aaaaa-0)']);
  expect(told.after(10_000, factsOf())).toEqual([]);
  const { events } = decideComplaints([], complaintsOf(refused, poolConditions(refused)), begin);
  expect(events[0]?.message).toBe(poolConditions(refused)[0]?.message);
});

test('a pause ends no fault: nobody tries then', () => {
  const told = new Told();
  const refused = { gateways: [], faults: [faultOf('Pod web-aaaaa-0', 403, 'Forbidden', 'exceeded quota: pods')] };
  expect(told.after(0, factsOf(refused))).toEqual(['Warning QuotaExceeded']);
  expect(told.after(1000, factsOf({ gateways: [], pool: poolWith({ paused: true }) }))).toEqual([]);
  expect(told.after(1000, factsOf(refused))).toEqual([]);
  expect(told.after(1000, factsOf())).toEqual(['QuotaExceeded is over (Pod web-aaaaa-0)']);
});

test('a second thing that is refused for the same reason is told too, and the reason is over with the last', () => {
  const told = new Told();
  const missing = (...names: string[]) =>
    factsOf({ faults: names.map((name) => ({ kind: 'MissingSecret' as const, subject: `Secret ${name}`, message: 'is not there.' })) });
  expect(told.after(0, missing('keys'))).toEqual(['Warning MissingSecret']);
  expect(told.after(1000, missing('keys', 'login'))).toEqual(['Warning MissingSecret']);
  expect(told.after(1000, missing('login'))).toEqual([]);
  expect(told.after(1000, factsOf())).toEqual(['MissingSecret is over (Secret login)']);
});

test('what a gateway goes through while it starts is not told; what lasts is, and asks to be looked at in time', () => {
  const told = new Told();
  const starting = factsOf({ gateways: waiting('the bus: connecting') });
  expect(told.after(0, starting)).toEqual([]);
  expect(told.reviewAfterMs).toBe(fleetingMs);
  expect(told.after(1000, factsOf())).toEqual([]);
  expect(told.reviewAfterMs).toBeUndefined();
  expect(told.after(1000, starting)).toEqual([]);
  expect(told.after(fleetingMs - 1, starting)).toEqual([]);
  expect(told.after(1, starting)).toEqual(['Warning RedisUnreachable']);
  expect(told.reviewAfterMs).toBeUndefined();
  expect(told.after(1000, factsOf())).toEqual(['RedisUnreachable is over']);
});

test('gateways that do not answer are told of once, when that has lasted, and so is its end', () => {
  const told = new Told();
  const silent = { ...down, containersReady: true, polled: undefined, unansweredSince: begin };
  const facts = (forMs: number) =>
    factsOf({ now: begin + forMs, gateways: [gatewayWith('web-aaaaa-0', silent), gatewayWith('web-aaaaa-1', silent)] });
  expect(told.after(0, facts(9_999))).toEqual([]);
  expect(told.after(1, facts(10_000))).toEqual([]);
  expect(told.after(fleetingMs, facts(15_000))).toEqual(['Warning GatewaySilent']);
  expect(told.after(60_000, facts(75_000))).toEqual([]);
  expect(told.after(1000, factsOf())).toEqual(['GatewaySilent is over']);
});

test('gateways that end again and again are told once, and their end only when all of them serve', () => {
  const told = new Told();
  const crashing = factsOf(blockedBy('CrashLoopBackOff', 'back-off 10s'));
  const running = factsOf({ gateways: [gatewayWith('web-aaaaa-0', down), gatewayWith('web-aaaaa-1', down)] });
  told.after(0, crashing);
  expect(told.after(fleetingMs, crashing)).toEqual(['Warning GatewayCrashes']);
  for (let round = 0; round < 5; round += 1) {
    expect(told.after(2000, running)).toEqual([]);
    expect(told.after(10_000, crashing)).toEqual([]);
  }
  expect(told.after(2000, factsOf())).toEqual(['GatewayCrashes is over']);
});

test('a replacement that is stuck is told while the pool stays ready', () => {
  const told = new Told();
  const surge = gatewayWith('web-bbbbb-0', {
    ...down,
    isRunning: false,
    revision: 'bbbbb22222',
    obstacle: { reason: 'ErrImagePull', message: 'no' },
  });
  const stuck = factsOf({ gateways: [gatewayWith('web-aaaaa-0'), gatewayWith('web-aaaaa-1'), surge], updateRevision: 'bbbbb22222' });
  told.after(0, stuck);
  expect(told.after(fleetingMs, stuck)).toEqual(['Warning ImagePullFailed']);
});

test('publishers that can not run are told when something is known to hold them up, not while they start', () => {
  const told = new Told();
  const mute = (obstacle?: string) => factsOf({}, { publishers: { available: 0, obstacle, policiesHashes: [] } });
  told.after(0, mute());
  expect(told.after(60_000, mute())).toEqual([]);
  told.after(0, mute('no node fits.'));
  expect(told.after(fleetingMs, mute('no node fits.'))).toEqual(['Warning PublishersNotReady']);
  expect(told.after(1000, mute())).toEqual([]);
  expect(told.after(1000, factsOf())).toEqual(['PublishersNotReady is over']);
});

test.each([
  ['SharedPrefix', factsOf({}, { samePrefix: ['live/other'] })],
  ['PrivilegedTemplate', factsOf({}, { securityBreaches: ['container debug: it is privileged'] })],
  ['TemplateOverruled', factsOf({}, { overruled: ['spec.template.spec.restartPolicy'] })],
  ['TooManyPolicies', factsOf({}, { policies: { parts: [], hash: 'hash', verdicts: [], overflow: 3 } })],
])('the warning of a condition is an event too: %s', (reason, facts) => {
  const told = new Told();
  expect(told.after(0, facts)).toEqual([`Warning ${reason}`]);
  expect(told.after(1000, facts)).toEqual([]);
  expect(told.after(1000, factsOf())).toEqual([`${reason} is over`]);
});

test('policies that are on their way are no fault', () => {
  const behind = { ...factsOf(), policies: { parts: [], hash: 'new', verdicts: [], overflow: 0 } };
  expect(poolConditions(behind).find(({ type }) => type === 'PoliciesInForce')?.reason).toBe('Pushing');
  expect(new Told().after(0, behind)).toEqual([]);
});

test('a word of the kubelet that nobody knows is told as a gateway that is not ready', () => {
  const told = new Told();
  const odd = factsOf(blockedBy('RunContainerError', 'exec format error'));
  told.after(0, odd);
  expect(told.after(fleetingMs, odd)).toEqual(['Warning GatewayNotReady']);
});

test('an operator that starts tells nothing again that the conditions say already, and tells its end', () => {
  const faulty = factsOf({ gateways: [], faults: [faultOf('Pod web-aaaaa-0', 422, 'Invalid', 'spec.x: no')] });
  const stored = poolConditions(faulty).map((draft) => ({ ...draft, lastTransitionTime: '' }));
  const open = toldBy(stored);
  expect(open.map(({ reason }) => reason)).toEqual(['InvalidTemplate']);
  const decision = decideComplaints(open, complaintsOf(faulty, poolConditions(faulty)), begin);
  expect(decision.events).toEqual([]);
  const over = decideComplaints(decision.open, { complaints: [], isSettled: false, isTrying: true }, begin + 1000);
  expect(over.events.map(({ message }) => message)).toEqual(['InvalidTemplate is over (Pod web-aaaaa-0)']);
});

test('every reason of a condition that holds a pool up has an event of its name', () => {
  const kinds = [
    [403, 'Forbidden', 'exceeded quota'],
    [403, 'Forbidden', 'violates PodSecurity'],
    [403, 'Forbidden', 'no'],
    [422, 'Invalid', ''],
    [409, 'AlreadyExists', ''],
    [500, 'InternalError', ''],
    [418, 'Teapot', ''],
  ] as const;
  for (const [code, reason, message] of kinds) {
    const facts = factsOf({ faults: [faultOf('Pod a', code, reason, message)] });
    expect(eventReasons).toContain(poolConditions(facts)[0]?.reason);
  }
});

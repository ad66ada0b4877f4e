import { expect, test } from 'vitest';
import { begin, connectionScaling, gatewayWith, observedWith, poolWith } from './pool-fixture.ts';
import type { ObservedPool } from '../../../operator/decide/observed.ts';
import { planPool } from '../../../operator/decide/pool-plan.ts';

function actionsOf(fields: Partial<ObservedPool>): readonly string[] {
  return planPool(observedWith(fields)).actions.map(
    (action) => `${action.kind} ${action.kind === 'create-pod' ? action.name : action.pod.name}`,
  );
}

const quickDrain = { propagationSeconds: 10, connectionsPerSecond: 200, deadlineSeconds: 540 };
const marked = { drain: { startedAt: begin - 20_000, deadlineAt: begin + 520_000 }, serving: 'False' as const };

test('a converged pool asks for nothing', () => {
  const plan = planPool(observedWith());
  expect(plan).toMatchObject({ actions: [], events: [], rollout: { state: 'complete' }, minAvailable: 1, requeueAfterMs: undefined });
  expect(plan.counts).toEqual({ replicas: 2, ready: 2, updated: 2, draining: 0 });
});

test('missing gateways get the first free names, also where others have taken some', () => {
  expect(actionsOf({ gateways: [gatewayWith('web-aaaaa-1')], pool: poolWith({ replicas: 3 }), foreignNames: ['web-aaaaa-0'] })).toEqual([
    'create-pod web-aaaaa-2',
    'create-pod web-aaaaa-3',
  ]);
});

test('a plan from a store that has not heard of the creations asks for the same names again', () => {
  const observed = { gateways: [], pool: poolWith({ replicas: 3 }) };
  expect(actionsOf(observed)).toEqual(actionsOf(observed));
});

test('a terminating gateway is replaced at once, and by another name', () => {
  const gateways = [gatewayWith('web-aaaaa-0', { isTerminating: true }), gatewayWith('web-aaaaa-1')];
  const plan = planPool(observedWith({ gateways }));
  expect(plan.actions.map((action) => action.kind === 'create-pod' && action.name)).toEqual(['web-aaaaa-2']);
  expect(plan.members.map(({ name, state }) => `${name} ${state}`)).toEqual(['web-aaaaa-0 draining', 'web-aaaaa-1 serving']);
});

test('until a gateway that was deleted has ended no other is drained, unless it has fallen silent', () => {
  const updateRevision = 'bbbbb22222';
  const gateways = (polledAt: number, isRunning = true) => [
    gatewayWith('web-aaaaa-0', { isTerminating: true, isRunning }, { at: polledAt, connections: 0 }),
    gatewayWith('web-aaaaa-1'),
    gatewayWith('web-bbbbb-0', { revision: updateRevision }),
    gatewayWith('web-bbbbb-1', { revision: updateRevision }),
  ];
  const draining = ['mark-draining web-aaaaa-1'];
  expect(actionsOf({ gateways: gateways(begin), updateRevision })).toEqual([]);
  expect(planPool(observedWith({ gateways: gateways(begin - 4000), updateRevision })).requeueAfterMs).toBe(6000);
  expect(actionsOf({ gateways: gateways(begin, false), updateRevision })).toEqual(draining);
  expect(actionsOf({ gateways: gateways(begin - 10_000), updateRevision })).toEqual(draining);
  // A new operator has not asked it yet.
  const unasked = (deletedAt: number) =>
    gateways(begin).with(0, gatewayWith('web-aaaaa-0', { isTerminating: true, deletedAt, polled: undefined }));
  expect(actionsOf({ gateways: unasked(begin - 1), updateRevision })).toEqual([]);
  expect(planPool(observedWith({ gateways: unasked(begin - 4000), updateRevision })).requeueAfterMs).toBe(6000);
  expect(actionsOf({ gateways: unasked(begin - 10_000), updateRevision })).toEqual(draining);
});

test('on a memory bus the old gateway ends before the next one is made, and there is never a second one', () => {
  const pool = poolWith({ replicas: 1, bus: { type: 'Memory' } });
  const updateRevision = 'bbbbb22222';
  expect(actionsOf({ pool, gateways: [gatewayWith('web-aaaaa-0')], updateRevision })).toEqual(['delete-pod web-aaaaa-0']);
  const ending = gatewayWith('web-aaaaa-0', { isTerminating: true });
  expect(actionsOf({ pool, gateways: [ending], updateRevision })).toEqual([]);
  expect(actionsOf({ pool, gateways: [], updateRevision })).toEqual(['create-pod web-bbbbb-0']);
  const failed = gatewayWith('web-aaaaa-0', { phase: 'Failed', isRunning: false, endedAt: begin - 60_000 });
  expect(actionsOf({ pool, gateways: [failed] })).toEqual(['delete-pod web-aaaaa-0', 'create-pod web-aaaaa-1']);
  const many = poolWith({ replicas: 3, bus: { type: 'Memory' } });
  expect(actionsOf({ pool: many, gateways: [gatewayWith('web-aaaaa-0')] })).toEqual([]);
});

test('one too many: the emptiest is marked, and the document says so', () => {
  const gateways = [0, 1, 2].map((slot) => gatewayWith(`web-aaaaa-${slot}`, {}, { connections: slot === 1 ? 5 : 50 }));
  const plan = planPool(observedWith({ gateways }));
  expect(plan.actions).toMatchObject([
    { kind: 'mark-draining', pod: { name: 'web-aaaaa-1', uid: 'uid-web-aaaaa-1' }, startedAt: begin, deadlineAt: begin + 540_000 },
  ]);
  expect(plan.actions[0]).toMatchObject({ event: { reason: 'ScaleDownStarted', message: expect.stringContaining('5 connections') } });
  expect(plan.members.map(({ state }) => state)).toEqual(['serving', 'draining', 'serving']);
});

test('no gateway is chosen to leave before every serving one has had its time to tell its load', () => {
  const crew = (unansweredSince: number | undefined) => [
    gatewayWith('web-aaaaa-0', {}, { connections: 3 }),
    gatewayWith('web-aaaaa-1', {}, { connections: 5 }),
    gatewayWith('web-aaaaa-2', { polled: undefined, unansweredSince }),
  ];
  for (const since of [undefined, begin - 9_999]) expect(actionsOf({ gateways: crew(since) })).toEqual([]);
  // One that does not answer holds nothing up for ever, and goes last.
  expect(actionsOf({ gateways: crew(begin - 10_000) })).toEqual(['mark-draining web-aaaaa-0']);
  const rollout = [...crew(undefined).slice(1), gatewayWith('web-bbbbb-0', { revision: 'bbbbb22222' })];
  expect(actionsOf({ gateways: rollout, updateRevision: 'bbbbb22222' })).toEqual([]);
  // A gateway that has never served owes no answer, and what serves nobody need not wait.
  const starting = gatewayWith('web-aaaaa-2', { polled: undefined, serving: 'Unknown', containersReady: false });
  expect(actionsOf({ gateways: crew(begin).with(2, starting) })).toEqual(['delete-pod web-aaaaa-2']);
});

test('an old answer of nobody connected is no leave to delete a gateway that has fallen silent', () => {
  const unready = { containersReady: false, isReady: false };
  const silent = gatewayWith('web-aaaaa-2', { ...unready, unansweredSince: begin - 60_000 }, { connections: 0, at: begin - 60_000 });
  const gateways = [gatewayWith('web-aaaaa-0'), gatewayWith('web-aaaaa-1')];
  expect(actionsOf({ gateways: [...gateways, silent] })).toEqual(['mark-draining web-aaaaa-2']);
  expect(actionsOf({ gateways: [...gateways, gatewayWith('web-aaaaa-2', unready, { connections: 0 })] })).toEqual([
    'delete-pod web-aaaaa-2',
  ]);
});

test('connections on gateways that somebody else has deleted are load', () => {
  const pool = poolWith({ scaling: { type: 'Connections', connections: connectionScaling } }, { desiredReplicas: 4 });
  const leaving = gatewayWith('web-aaaaa-9', { isTerminating: true, deletedAt: begin }, { connections: 300 });
  const gateways = [0, 1, 2, 3].map((slot) => gatewayWith(`web-aaaaa-${slot}`, {}, { connections: 25 }));
  expect(planPool(observedWith({ pool, gateways: [...gateways, leaving] })).scaling.reason).toMatch(/^400 connections .* need 5$/);
});

test('a change of the leader scales nothing up, tells nothing, and keeps what the conditions said', () => {
  const condition = { type: 'MetricsAvailable', status: 'True' as const, lastTransitionTime: '', reason: 'Fresh', message: '' };
  const scaling = { type: 'Connections' as const, connections: { ...connectionScaling, fallbackReplicas: 10 } };
  const pool = poolWith({ scaling }, { desiredReplicas: 3, conditions: [condition] });
  const gateways = [0, 1, 2].map((slot) => gatewayWith(`web-aaaaa-${slot}`, { polled: undefined }));
  const plan = planPool(observedWith({ pool, gateways }));
  expect(plan.scaling.desired).toBe(3);
  expect([plan.actions, plan.events]).toEqual([[], []]);
});

test('several too many: one drains at a time', () => {
  const gateways = [0, 1, 2, 3, 4].map((slot) => gatewayWith(`web-aaaaa-${slot}`));
  expect(actionsOf({ gateways })).toEqual(['mark-draining web-aaaaa-0']);
  const draining = gateways.map((gateway, slot) => (slot === 0 ? { ...gateway, ...marked } : gateway));
  expect(actionsOf({ gateways: draining })).toEqual(['send-drain web-aaaaa-0']);
});

test.each([
  ['100%', [10, 5, 2, 0]],
  ['30%', [3, 3, 2, 0]],
  [4, [4, 4, 2, 0]],
])('of ten gateways %s may drain at once, whether none, 5, 8 or all are wanted', (maxConcurrentPods, begun) => {
  const gateways = Array.from({ length: 10 }, (_, slot) => gatewayWith(`web-aaaaa-${slot}`));
  const drain = { ...quickDrain, maxConcurrentPods };
  const marks = [0, 5, 8, 10].map((replicas) => actionsOf({ pool: poolWith({ replicas, drain }), gateways }).length);
  expect(marks).toEqual(begun);
});

test('those that drain already count: of ten, half of which may drain, a sixth waits for its turn', () => {
  const gateways = Array.from({ length: 10 }, (_, slot) =>
    gatewayWith(`web-aaaaa-${slot}`, slot < 4 ? marked : {}, { drainState: 'draining' }),
  );
  const serving = gateways.map((gateway, slot) => (slot < 4 ? gateway : gatewayWith(gateway.name)));
  const pool = poolWith({ replicas: 0, drain: { ...quickDrain, maxConcurrentPods: '50%' } });
  expect(actionsOf({ pool, gateways: serving })).toEqual(['mark-draining web-aaaaa-4']);
});

test('gateways of an older revision that serve nobody make room before their successors are made', () => {
  const stuck = [0, 1, 2].map((slot) =>
    gatewayWith(`web-aaaaa-${slot}`, { phase: 'Pending', isRunning: false, containersReady: false, serving: 'Unknown', polled: undefined }),
  );
  const pool = poolWith({ replicas: 3 });
  expect(actionsOf({ pool, gateways: stuck, updateRevision: 'bbbbb22222' })).toEqual([
    ...stuck.map(({ name }) => `delete-pod ${name}`),
    'create-pod web-bbbbb-0',
  ]);
  // One that serves stays until there is another: as many as desired go on taking clients.
  const [first] = stuck;
  const serving = [1, 2, 3].map((slot) => gatewayWith(`web-aaaaa-${slot}`));
  expect(actionsOf({ pool, gateways: first === undefined ? [] : [first, ...serving.slice(1)], updateRevision: 'bbbbb22222' })).toEqual([
    'delete-pod web-aaaaa-0',
    'create-pod web-bbbbb-0',
  ]);
});

test('an older revision: surge, then drain when the new one takes clients, and say what differs', () => {
  const old = [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`));
  const updateRevision = 'bbbbb22222';
  expect(actionsOf({ gateways: old, updateRevision })).toEqual(['create-pod web-bbbbb-0']);
  const starting = gatewayWith('web-bbbbb-0', { revision: updateRevision, serving: 'Unknown', containersReady: false }, { ready: false });
  expect(actionsOf({ gateways: [...old, starting], updateRevision })).toEqual([]);
  const ready = gatewayWith('web-bbbbb-0', { revision: updateRevision });
  const plan = planPool(observedWith({ gateways: [...old, ready], updateRevision, updateDifference: 'spec.x is 1, should be 2' }));
  expect(plan.actions).toMatchObject([
    { kind: 'mark-draining', pod: { name: 'web-aaaaa-0' }, event: { message: expect.stringContaining('spec.x is 1, should be 2') } },
  ]);
  expect(plan.rollout.state).toBe('progressing');
});

test('OnDelete replaces nobody, and fills the places of those who were deleted with the new revision', () => {
  const pool = poolWith({ updateStrategy: { type: 'OnDelete', maxSurge: '25%' } });
  const gateways = [gatewayWith('web-aaaaa-0'), gatewayWith('web-aaaaa-1')];
  expect(actionsOf({ pool, gateways, updateRevision: 'bbbbb22222' })).toEqual([]);
  expect(actionsOf({ pool, gateways: gateways.slice(1), updateRevision: 'bbbbb22222' })).toEqual(['create-pod web-bbbbb-0']);
});

test('while Redis is away nobody loses a gateway: nothing is drained, deleted or taken from the document', () => {
  const waiting = { ready: false, waitingFor: ['the bus: connect ECONNREFUSED'] };
  const gateways = [0, 1, 2].map((slot) => gatewayWith(`web-aaaaa-${slot}`, { containersReady: false }, waiting));
  const plan = planPool(observedWith({ gateways, pool: poolWith({ replicas: 3 }) }));
  expect(plan.actions).toEqual([]);
  expect(plan.members.map(({ state }) => state)).toEqual(['serving', 'serving', 'serving']);
  // Nor does a new revision begin to move people while it can't become ready either.
  const surge = gatewayWith(
    'web-bbbbb-0',
    { revision: 'bbbbb22222', containersReady: false, serving: 'Unknown' },
    { ...waiting, connections: 0 },
  );
  expect(actionsOf({ gateways: [...gateways, surge], pool: poolWith({ replicas: 3 }), updateRevision: 'bbbbb22222' })).toEqual([]);
});

test('a gateway serves once it is ready and in the document, not before', () => {
  const fresh = gatewayWith('web-aaaaa-1', { serving: 'Unknown' });
  const gateways = [gatewayWith('web-aaaaa-0'), fresh];
  expect(actionsOf({ gateways, document: { memberUids: ['uid-web-aaaaa-0'] } })).toEqual([]);
  expect(planPool(observedWith({ gateways })).members).toHaveLength(2);
  expect(actionsOf({ gateways })).toEqual(['set-serving web-aaaaa-1']);
  const ofAnother = { ...fresh, polled: { ...gatewayWith('x').polled!, uid: 'another' } };
  expect(actionsOf({ gateways: [gatewayWith('web-aaaaa-0'), ofAnother] })).toEqual([]);
});

test('a drain that is needed no more is taken back before its first client is moved, and not later', () => {
  const pool = poolWith({ replicas: 2, drain: quickDrain });
  const propagating = { drain: { startedAt: begin - 5000, deadlineAt: begin + 535_000 }, serving: 'False' as const };
  const gateways = [gatewayWith('web-aaaaa-0'), gatewayWith('web-aaaaa-1', propagating)];
  expect(actionsOf({ pool, gateways })).toEqual(['unmark-draining web-aaaaa-1']);
  const evicting = [gatewayWith('web-aaaaa-0'), gatewayWith('web-aaaaa-1', marked, { drainState: 'draining' })];
  expect(actionsOf({ pool, gateways: evicting })).toEqual(['create-pod web-aaaaa-2']);
  const always = poolWith({ replicas: 2, drain: { ...quickDrain, abortOnDemand: 'Always' } });
  expect(actionsOf({ pool: always, gateways: evicting })).toEqual(['send-abort web-aaaaa-1', 'unmark-draining web-aaaaa-1']);
  const never = poolWith({ replicas: 2, drain: { ...quickDrain, abortOnDemand: 'Never' } });
  expect(actionsOf({ pool: never, gateways })).toEqual(['create-pod web-aaaaa-2']);
});

test('a gateway that drains without a mark is told to go on serving', () => {
  const gateways = [gatewayWith('web-aaaaa-0'), gatewayWith('web-aaaaa-1', { serving: 'False' }, { drainState: 'draining' })];
  expect(actionsOf({ gateways })).toEqual(['send-abort web-aaaaa-1']);
});

test('a pod that has ended keeps its place for half a minute, then makes room', () => {
  const ended = (agoMs: number) => [
    gatewayWith('web-aaaaa-0'),
    gatewayWith('web-aaaaa-1', { phase: 'Failed', isRunning: false, containersReady: false, endedAt: begin - agoMs }),
  ];
  const early = planPool(observedWith({ gateways: ended(10_000) }));
  expect(early.actions).toEqual([]);
  expect(early.requeueAfterMs).toBe(20_000);
  expect(actionsOf({ gateways: ended(30_000) })).toEqual(['delete-pod web-aaaaa-1', 'create-pod web-aaaaa-2']);
});

test('labels that somebody took away come back', () => {
  const plan = planPool(observedWith({ gateways: [gatewayWith('web-aaaaa-0', { labels: { mine: 'kept' } }), gatewayWith('web-aaaaa-1')] }));
  expect(plan.actions).toMatchObject([
    { kind: 'restore-labels', pod: { name: 'web-aaaaa-0' }, labels: { 'barrage.dev/pool': 'web', 'barrage.dev/revision': 'aaaaa11111' } },
  ]);
});

test('a paused pool is left alone, whatever is missing', () => {
  expect(
    actionsOf({ pool: poolWith({ paused: true, replicas: 9 }), gateways: [gatewayWith('web-aaaaa-0', marked, { connections: 0 })] }),
  ).toEqual([]);
});

test('a change of the desired number is told once, with its reason', () => {
  const pool = poolWith({ replicas: 3 }, { desiredReplicas: 2 });
  const first = planPool(observedWith({ pool }));
  expect(first.events).toEqual([{ type: 'Normal', reason: 'ScaledUp', message: 'From 2 to 3 gateways: spec.replicas is 3' }]);
  expect(planPool(observedWith({ pool, scaling: first.scaling.memory })).events).toEqual([]);
});

test('figures that go missing are an event, and so is their return', () => {
  const condition = (status: 'True' | 'False') => ({ type: 'MetricsAvailable', status, lastTransitionTime: '', reason: 'X', message: '' });
  const scaling = { type: 'Connections' as const, connections: connectionScaling };
  const events = (status: 'True' | 'False', polledAt: number) => {
    const gateways = [gatewayWith('web-aaaaa-0', {}, { at: polledAt })];
    const pool = poolWith({ scaling }, { desiredReplicas: 1, conditions: [condition(status)] });
    return planPool(observedWith({ pool, gateways }))
      .events.map(({ reason }) => reason)
      .filter((reason) => reason.startsWith('Metrics'));
  };
  expect(events('True', begin - 61_000)).toEqual(['MetricsUnavailable']);
  expect(events('False', begin - 61_000)).toEqual([]);
  expect(events('False', begin)).toEqual(['MetricsAvailable']);
  expect(events('True', begin)).toEqual([]);
});

test('a plan for a thousand gateways takes milliseconds', () => {
  const gateways = Array.from({ length: 1000 }, (_, slot) => gatewayWith(`web-aaaaa-${slot}`));
  const observed = observedWith({ gateways, pool: poolWith({ replicas: 1000 }), updateRevision: 'bbbbb22222' });
  const tookMs = Array.from({ length: 10 }, () => {
    const started = performance.now();
    planPool(observed);
    return performance.now() - started;
  });
  expect(Math.min(...tookMs)).toBeLessThan(100);
});

test('the budget for evictions is a whole number and never negative', () => {
  const budget = (replicas: number, maxUnavailable: number | string) =>
    planPool(observedWith({ gateways: [], pool: poolWith({ replicas, disruption: { maxUnavailable, nodeAutoscalerEviction: 'Allow' } }) }))
      .budget.minAvailable;
  expect([budget(3, 1), budget(0, 1), budget(10, '25%'), budget(1, '10%'), budget(4, 9)]).toEqual([2, 0, 7, 0, 0]);
});

test('a pod that may not be changed is tried again, and holds up no other (whatever was refused)', () => {
  const updateRevision = 'bbbbb22222';
  const gateways = [0, 1, 2].map((slot) => gatewayWith(`web-aaaaa-${slot}`));
  const surge = gatewayWith('web-bbbbb-0', { revision: updateRevision });
  const about = { pool: poolWith({ replicas: 3 }), updateRevision, refusedPods: ['web-aaaaa-0'] };
  expect(actionsOf({ ...about, gateways: [...gateways, surge] })).toEqual(['mark-draining web-aaaaa-0', 'mark-draining web-aaaaa-1']);
  // One too many: the next one leaves.
  expect(actionsOf({ gateways, refusedPods: ['web-aaaaa-0'] })).toEqual(['mark-draining web-aaaaa-0', 'mark-draining web-aaaaa-1']);
  // Nobody may delete a drained one: it holds no place among those that drain.
  const drained = gatewayWith('web-aaaaa-0', marked, { connections: 0, drainState: 'drained' });
  expect(
    actionsOf({ ...about, gateways: [drained, ...gateways.slice(1), surge, gatewayWith('web-bbbbb-1', { revision: updateRevision })] }),
  ).toEqual(['delete-pod web-aaaaa-0', 'mark-draining web-aaaaa-1']);
});

test('a quota that refuses the surge: one old gateway makes room, once none is leaving', () => {
  const faults = [{ kind: 'QuotaExceeded', subject: 'Pod web-bbbbb-0', message: 'exceeded quota: pods' }] as const;
  const old = [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`));
  const about = { updateRevision: 'bbbbb22222', pool: poolWith({ replicas: 2 }) };
  expect(actionsOf({ ...about, gateways: old })).toEqual(['create-pod web-bbbbb-0']);
  expect(actionsOf({ ...about, gateways: old, faults })).toEqual(['create-pod web-bbbbb-0', 'mark-draining web-aaaaa-0']);
  const ending = gatewayWith('web-aaaaa-9', { isTerminating: true, isRunning: false });
  expect(actionsOf({ ...about, gateways: [...old, ending], faults })).toEqual(['create-pod web-bbbbb-0']);
  const ofPublishers = [{ ...faults[0], subject: 'Deployment web-publisher' }];
  expect(actionsOf({ ...about, gateways: old, faults: ofPublishers })).toEqual(['create-pod web-bbbbb-0']);
});

test('a name that a pod without our labels has is left out, and the gateway gets the next one', () => {
  const faults = [{ kind: 'NameTaken', subject: 'Pod web-aaaaa-1', message: 'a Pod web-aaaaa-1 exists already' }] as const;
  const about = { gateways: [gatewayWith('web-aaaaa-0')], refusedPods: ['web-aaaaa-1'] };
  expect(actionsOf(about)).toEqual(['create-pod web-aaaaa-1']);
  expect(actionsOf({ ...about, faults })).toEqual(['create-pod web-aaaaa-2']);
});

test('while a new revision has not shown that it works, lost gateways are replaced from the one that was complete last', () => {
  const updateRevision = 'bbbbb22222';
  const pool = poolWith({ replicas: 4 });
  const old = (slot: number) => gatewayWith(`web-aaaaa-${slot}`);
  const isStarting = {
    phase: 'Pending',
    isRunning: false,
    containersReady: false,
    isReady: false,
    serving: 'Unknown',
    polled: undefined,
  } as const;
  const broken = (slot: number) =>
    gatewayWith(`web-bbbbb-${slot}`, { revision: updateRevision, ...isStarting, obstacle: { reason: 'ImagePullBackOff', message: '' } });
  const about = { pool, updateRevision, keptRevision: 'aaaaa11111' };
  const all = [0, 1, 2, 3].map(old);
  expect(actionsOf({ ...about, gateways: all })).toEqual(['create-pod web-bbbbb-0']);
  for (const left of [3, 2, 1, 0]) {
    const plan = planPool(observedWith({ ...about, gateways: [...all.slice(0, left), broken(0)] }));
    const created = plan.actions.map((action) => action.kind === 'create-pod' && action.revision);
    expect(created, `${left} left`).toEqual(Array.from({ length: Math.min(3, 4 - left) }, () => 'aaaaa11111'));
  }
  // What replaces a lost one is left alone while it starts, whatever its trouble.
  const starting = gatewayWith('web-aaaaa-4', isStarting);
  expect(actionsOf({ ...about, gateways: [...all.slice(0, 3), starting, broken(0)] })).toEqual([]);
  // The new revision works: it alone is made, and the others leave.
  const works = gatewayWith('web-bbbbb-0', { revision: updateRevision });
  expect(actionsOf({ ...about, gateways: [...all.slice(0, 3), works] })).toEqual(['create-pod web-bbbbb-1']);
  expect(actionsOf({ ...about, gateways: [...all.slice(0, 3), starting, works] })).toEqual(['delete-pod web-aaaaa-4']);
  // Nobody knows a revision that works, or somebody deletes gateways to have them replaced.
  const lost = { ...about, gateways: [...all.slice(0, 3), broken(0)] };
  expect(actionsOf({ ...lost, keptRevision: undefined })).toEqual(['create-pod web-bbbbb-1']);
  const onDelete = poolWith({ replicas: 4, updateStrategy: { type: 'OnDelete', maxSurge: 1 } });
  expect(actionsOf({ ...about, pool: onDelete, gateways: all.slice(1) })).toEqual(['create-pod web-bbbbb-0']);
});

test('gateways of the revision that was complete last, none of which starts, make room for one of the new', () => {
  const updateRevision = 'bbbbb22222';
  const stuck = [0, 1].map((slot) =>
    gatewayWith(`web-aaaaa-${slot}`, { phase: 'Pending', isRunning: false, containersReady: false, serving: 'Unknown', polled: undefined }),
  );
  const about = { updateRevision, keptRevision: 'aaaaa11111', gateways: stuck };
  expect(actionsOf({ ...about, pool: poolWith({ replicas: 2 }) })).toEqual(['create-pod web-bbbbb-0']);
  // Without a surge, and where a quota refuses it.
  const inPlace = poolWith({ replicas: 2, updateStrategy: { type: 'SurgeAndDrain', maxSurge: 0 } });
  expect(actionsOf({ ...about, pool: inPlace })).toEqual(['delete-pod web-aaaaa-0']);
  const faults = [{ kind: 'QuotaExceeded', subject: 'Pod web-bbbbb-0', message: '' }] as const;
  expect(actionsOf({ ...about, pool: poolWith({ replicas: 2 }), faults })).toEqual(['delete-pod web-aaaaa-0', 'create-pod web-bbbbb-0']);
});

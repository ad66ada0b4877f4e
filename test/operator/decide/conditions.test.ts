import { expect, test } from 'vitest';
import { begin, connectionScaling, gatewayWith, observedWith, poolWith } from './pool-fixture.ts';
import { faultBlocker, gatewayBlocker } from '../../../operator/decide/blocker.ts';
import { nextConditions, type ConditionDraft } from '../../../operator/decide/conditions.ts';
import { faultOf } from '../../../operator/decide/fault.ts';
import type { ObservedPool } from '../../../operator/decide/observed.ts';
import { poolConditions, poolConditionTypes, type PoolFacts } from '../../../operator/decide/pool-conditions.ts';
import { planPool } from '../../../operator/decide/pool-plan.ts';
import { isProgress, poolStatus, unreadablePoolStatus } from '../../../operator/decide/status.ts';

function facts(fields: Partial<ObservedPool> = {}, more: Partial<PoolFacts> = {}): PoolFacts {
  const observed = observedWith(fields);
  return {
    observed,
    plan: planPool(observed),
    policies: { parts: [], hash: 'hash', verdicts: [], overflow: 0 },
    publishers: { available: 2, policiesHashes: [] },
    busChange: { stage: 'settled', waitingFor: [] },
    samePrefix: [],
    securityBreaches: [],
    overruled: [],
    ...more,
  };
}

function condition(type: string, ...of: Parameters<typeof facts>): ConditionDraft | undefined {
  return poolConditions(facts(...of)).find((draft) => draft.type === type);
}

const notReady = { containersReady: false, serving: 'Unknown' as const, isRunning: false, phase: 'Pending' as const, polled: undefined };
const blockedBy = (reason: string, message: string) => ({
  gateways: [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`, { ...notReady, obstacle: { reason, message } })),
});

test('all types are there from the first visit, each with a reason', () => {
  const drafts = poolConditions(facts({ gateways: [], document: undefined }));
  expect(drafts.map(({ type }) => type)).toEqual(poolConditionTypes);
  expect(drafts.length).toBeLessThanOrEqual(16);
  for (const { reason, message } of drafts) {
    expect(reason).toMatch(/^[A-Z][A-Za-z]+$/);
    expect(message).not.toBe('');
  }
});

test('a pool that runs is ready, and nothing is said against it', () => {
  const statuses = Object.fromEntries(poolConditions(facts()).map(({ type, status }) => [type, status]));
  expect(statuses).toEqual({
    Ready: 'True',
    Available: 'True',
    Progressing: 'False',
    Draining: 'False',
    ScalingActive: 'False',
    ScalingLimited: 'False',
    MetricsAvailable: 'True',
    PlacementBalanced: 'True',
    Paused: 'False',
    PodSecurity: 'True',
    DrainTimely: 'True',
    BusSeparate: 'True',
    TemplateApplied: 'True',
    PoliciesInForce: 'True',
    BusChanging: 'False',
  });
});

test.each([
  ['ImagePullBackOff', 'Back-off pulling image "barrage:9"', 'ImagePullFailed'],
  ['Unschedulable', '0/3 nodes are available: 3 Insufficient memory.', 'Unschedulable'],
  ['CreateContainerConfigError', 'secret "redis" not found', 'MissingSecret'],
  ['CrashLoopBackOff', 'back-off 10s', 'GatewayCrashes'],
  ['RunContainerError', 'exec format error', 'RunContainerError'],
])("a pod's %s is the pool's reason not to be ready", (reason, message, expected) => {
  const ready = condition('Ready', blockedBy(reason, message));
  expect(ready).toMatchObject({ status: 'False', reason: expected });
  expect(ready?.message).toContain(message);
  expect(ready?.message).toContain('and 1 more gateway');
});

test('Redis that is away is named, with what to check', () => {
  const waiting = { ready: false, waitingFor: ['the bus: connect ECONNREFUSED 10.0.0.9:6379'] };
  const gateways = [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`, { containersReady: false }, waiting));
  expect(condition('Ready', { gateways })).toMatchObject({ status: 'False', reason: 'RedisUnreachable' });
  expect(condition('Ready', { gateways })?.message).toMatch(/ECONNREFUSED.*spec\.bus\.redis/);
});

const startedUp = { containersReady: true, isReady: false, serving: 'Unknown' as const };
const answeredBefore = gatewayWith('web-aaaaa-0', {}, { ready: false, waitingFor: ['a pool document'] }).polled;

test.each([
  ['was never heard of', { ...startedUp, polled: undefined }],
  ['answered once', { ...startedUp, containersReady: false, polled: answeredBefore }],
])('a gateway that runs, and %s, holds its pool up as silent once it has left questions unanswered for 10 s', (_, fields) => {
  const silent = (forMs: number | undefined) => ({
    gateways: [0, 1].map((slot) =>
      gatewayWith(`web-aaaaa-${slot}`, { ...fields, unansweredSince: forMs === undefined ? undefined : begin - forMs }),
    ),
  });
  for (const type of ['Ready', 'Progressing']) {
    const said = condition(type, silent(10_000));
    expect(said, type).toMatchObject({ status: 'False', reason: 'GatewaySilent' });
    expect(said?.message, type).toMatch(
      /web-aaaaa-0 runs, but does not answer the operator on port 6780.*NetworkPolicies.*and 1 more gateway/,
    );
    expect(condition(type, silent(9_999))?.reason, type).not.toBe('GatewaySilent');
    expect(condition(type, silent(undefined))?.reason, type).not.toBe('GatewaySilent');
    // The message holds nothing that moves with the time.
    expect(condition(type, silent(60_000)), type).toEqual(said);
  }
});

test('silence holds nothing up of a gateway that serves, and is not what is said of one that can not run', () => {
  const gateways = [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`, { unansweredSince: begin - 60_000 }));
  expect(condition('Ready', { gateways })?.status).toBe('True');
  expect(condition('Progressing', { gateways })?.reason).toBe('Complete');
  const starting = gatewayWith('web-aaaaa-2', { ...startedUp, containersReady: false }, { ready: false });
  expect(condition('Ready', { pool: poolWith({ replicas: 4 }), gateways: [...gateways, starting] })?.reason).toBe('GatewaysStarting');
  const obstacle = { reason: 'CrashLoopBackOff', message: 'back-off 10s' };
  const crashing = gatewayWith('web-aaaaa-0', { ...startedUp, isRunning: false, obstacle, unansweredSince: begin - 60_000 });
  expect(gatewayBlocker([crashing], begin)?.reason).toBe('GatewayCrashes');
  expect(gatewayBlocker([{ ...crashing, obstacle: undefined }], begin)).toBeUndefined();
});

test.each([
  [403, 'Forbidden', 'pods "web-aaaaa-0" is forbidden: exceeded quota: pods, requested: pods=1', 'QuotaExceeded'],
  [403, 'Forbidden', 'violates PodSecurity "restricted:latest": hostPort', 'PodSecurityRefused'],
  [403, 'Forbidden', 'User "x" cannot create resource "pods"', 'Forbidden'],
  [422, 'Invalid', 'spec.containers[0].image: Required value', 'InvalidTemplate'],
  [400, 'BadRequest', 'strict decoding error: unknown field "spec.contaners"', 'InvalidTemplate'],
  [409, 'AlreadyExists', 'services "web" already exists', 'NameTaken'],
  [500, 'InternalError', 'etcd is away', 'ApiServerUnavailable'],
])('an answer %i %s of the API server (%s) makes the pool %s', (code, reason, message, expected) => {
  const ready = condition('Ready', { faults: [faultOf('Pod web-aaaaa-0', code, reason, message)] });
  expect(ready).toMatchObject({ status: 'False', reason: expected });
  expect(ready?.message).toContain(message);
});

test('a definition without a field that we write is told as such, and not as an API server that is away', () => {
  const message =
    'patch /apis/gateway.networking.k8s.io/v1/namespaces/live/httproutes/web: failed to create typed patch object (live/web; gateway.networking.k8s.io/v1, Kind=HTTPRoute): .spec.rules[0].timeouts: field not declared in schema';
  const reasonOf = (subject: string) => faultBlocker([faultOf(subject, 500, '', message)]);
  expect(reasonOf('HTTPRoute web')).toMatchObject({ reason: 'MissingGatewayAPI', message: expect.stringContaining('v1.2 or newer') });
  expect(reasonOf('Deployment web-publisher')?.reason).toBe('InvalidTemplate');
});

test('a missing Secret outweighs what follows from it', () => {
  const faults = [
    { kind: 'Other' as const, subject: 'Pod', message: 'later' },
    { kind: 'MissingSecret' as const, subject: 'Secret redis-login', message: 'not found in namespace live.' },
  ];
  expect(condition('Ready', { faults })).toMatchObject({ reason: 'MissingSecret', message: expect.stringContaining('Secret redis-login') });
});

test('a rollout that is stuck says why, while the pool stays ready', () => {
  const old = [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`));
  const surge = gatewayWith('web-bbbbb-0', {
    ...notReady,
    revision: 'bbbbb22222',
    obstacle: { reason: 'ErrImagePull', message: 'not found' },
  });
  const fields = { gateways: [...old, surge], updateRevision: 'bbbbb22222' };
  expect(condition('Ready', fields)?.status).toBe('True');
  expect(condition('Progressing', fields)).toMatchObject({ status: 'False', reason: 'ImagePullFailed' });
});

test('warnings: a drain that can not end in time, a shared prefix, privileges, a host port, too many policies', () => {
  const slow = poolWith({
    drain: { propagationSeconds: 10, deadlineSeconds: 60, connectionsPerSecond: 10 },
    scaling: { type: 'Connections', connections: { ...connectionScaling, targetConnectionsPerPod: 501 } },
  });
  expect(condition('DrainTimely', { pool: slow })).toMatchObject({ status: 'False', reason: 'DrainTooSlow' });
  expect(condition('BusSeparate', {}, { samePrefix: ['live/other'] })).toMatchObject({ status: 'False', reason: 'SharedPrefix' });
  const hostPort = poolWith({ exposure: { type: 'HostPort' } });
  const breach = ['container barrage: it has a host port'];
  expect(condition('PodSecurity', { pool: hostPort }, { securityBreaches: breach })).toMatchObject({ reason: 'HostPortNotRestricted' });
  expect(condition('PodSecurity', {}, { securityBreaches: ['container debug: it is privileged'] })).toMatchObject({
    reason: 'PrivilegedTemplate',
  });
  const overruled = [
    'spec.template.spec.restartPolicy',
    ...[1, 2, 3, 4, 5].map((index) => `spec.template.spec.containers[barrage].env[${index}].value`),
  ];
  expect(condition('TemplateApplied', {}, { overruled })).toMatchObject({
    status: 'False',
    reason: 'TemplateOverruled',
    message: expect.stringMatching(
      /^spec\.template\.spec\.restartPolicy, .*\[4\]\.value, …: the operator's own values replace these fields/,
    ),
  });
  const policies = { parts: [], hash: 'hash', verdicts: [], overflow: 3 };
  expect(condition('PoliciesInForce', {}, { policies })).toMatchObject({ status: 'False', reason: 'TooManyPolicies' });
});

test('nothing is ready without a publisher, or with no gateway wanted', () => {
  expect(condition('Ready', {}, { publishers: { available: 0, policiesHashes: [] } })).toMatchObject({
    status: 'False',
    reason: 'PublishersNotReady',
  });
  expect(condition('Ready', { pool: poolWith({ replicas: 0 }), gateways: [] })).toMatchObject({ reason: 'ScaledToZero' });
});

test('load out of balance is told only where there is load', () => {
  const loaded = (...connections: number[]) => ({
    gateways: connections.map((count, slot) => gatewayWith(`web-aaaaa-${slot}`, {}, { connections: count })),
  });
  expect(condition('PlacementBalanced', loaded(1, 30))?.reason).toBe('LittleLoad');
  expect(condition('PlacementBalanced', loaded(900, 1100))?.reason).toBe('Balanced');
  expect(condition('PlacementBalanced', loaded(100, 1100))).toMatchObject({ status: 'False', reason: 'Unbalanced' });
});

test('an operator that has not heard its gateways yet keeps what the conditions of their load said', () => {
  const scaling = { type: 'Connections' as const, connections: connectionScaling };
  const told = (type: string, status: 'True' | 'False', reason: string) =>
    ({ type, status, reason, message: reason, lastTransitionTime: '2026-01-01T00:00:00Z' }) as const;
  const gateways = [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`, { polled: undefined }));
  const stored = [
    told('MetricsAvailable', 'True', 'Fresh'),
    told('ScalingActive', 'True', 'Connections'),
    told('PlacementBalanced', 'False', 'Unbalanced'),
  ];
  for (const { type, status, reason, message } of stored)
    expect(condition(type, { pool: poolWith({ scaling }, { desiredReplicas: 2, conditions: stored }), gateways })).toEqual({
      type,
      status,
      reason,
      message,
    });
  const fresh = { pool: poolWith({ scaling }, { desiredReplicas: 2 }), gateways };
  for (const type of ['MetricsAvailable', 'ScalingActive'])
    expect(condition(type, fresh)).toMatchObject({ status: 'Unknown', reason: 'NotHeardYet' });
  expect(condition('PlacementBalanced', fresh)?.reason).toBe('LittleLoad');
});

test('a target that no gateway can hold, and gateways that are full, are told', () => {
  const scaling = (targetConnectionsPerPod: number) => ({
    type: 'Connections' as const,
    connections: { ...connectionScaling, targetConnectionsPerPod },
  });
  const gateways = [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`, {}, { connections: 300_000 }));
  expect(condition('ScalingLimited', { pool: poolWith({ scaling: scaling(200_000) }), gateways })?.reason).toBe('WithinLimits');
  expect(condition('ScalingLimited', { pool: poolWith({ scaling: scaling(200_001) }), gateways })).toMatchObject({
    status: 'True',
    reason: 'TargetAboveBound',
    message: expect.stringContaining('targetConnectionsPerPod (200001) is more than the 200000 connections that a gateway accepts'),
  });
  const env = [{ name: 'BARRAGE_GATEWAY_CONNECTIONS_MAX', value: '5000' }];
  const template = { spec: { containers: [{ name: 'barrage', env }] } } as never;
  const few = gateways.map((gateway) => ({ ...gateway, polled: { ...gateway.polled!, connections: 5_000 } }));
  const told = condition('ScalingLimited', { pool: poolWith({ scaling: scaling(5_001), template }), gateways: few });
  expect(told).toMatchObject({ reason: 'TargetAboveBound', message: expect.stringContaining('or raise BARRAGE_GATEWAY_CONNECTIONS_MAX') });
  const full = gateways.map((gateway) => ({ ...gateway, polled: { ...gateway.polled!, isRefusing: true } }));
  expect(condition('ScalingLimited', { gateways: full })).toMatchObject({ status: 'True', reason: 'GatewaysFull' });
  expect(condition('ScalingLimited', { gateways })?.reason).toBe('WithinLimits');
});

test('figures that move with the load change no condition', () => {
  const at = (connections: number) =>
    poolConditions(facts({ gateways: [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`, {}, { connections })) }));
  expect(at(180)).toEqual(at(171));
});

test('the time of a condition changes when its status flips, and only then', () => {
  const draft = { type: 'Ready', status: 'True', reason: 'Ready', message: 'a' } as const;
  const first = nextConditions([], [draft], { now: begin, generation: 1 });
  expect(first).toEqual([{ ...draft, observedGeneration: 1, lastTransitionTime: '2026-06-01T12:00:00Z' }]);
  const same = nextConditions(first, [{ ...draft, reason: 'Other', message: 'b' }], { now: begin + 5000, generation: 2 });
  expect(same[0]).toMatchObject({ lastTransitionTime: '2026-06-01T12:00:00Z', observedGeneration: 2, reason: 'Other', message: 'b' });
  const flipped = nextConditions(same, [{ ...draft, status: 'False' }], { now: begin + 5000, generation: 2 });
  expect(flipped[0]?.lastTransitionTime).toBe('2026-06-01T12:00:05Z');
});

test('a status is written once, and not again while nothing else is to be said', () => {
  const { observed, plan } = facts();
  const report = { plan, updateRevision: 'aaaaa11111', epoch: 1, conditions: poolConditions(facts()) };
  const first = poolStatus({ ...report, pool: observed.pool, now: begin });
  if (first.kind !== 'write') throw new Error('nothing is written');
  expect(first.status).toMatchObject({
    selector: 'barrage.dev/pool=web,app.kubernetes.io/component=gateway',
    replicas: 2,
    desiredReplicas: 2,
    readyReplicas: 2,
    currentRevision: 'aaaaa11111',
    observedGeneration: 3,
  });
  const stored = { ...observed.pool, status: JSON.parse(JSON.stringify(first.status)) };
  expect(poolStatus({ ...report, pool: stored, now: begin + 60_000 })).toEqual({ kind: 'same' });
  expect(poolStatus({ ...report, epoch: 2, pool: stored, now: begin + 60_000 }).kind).toBe('write');
});

test('a condition that somebody else has written changes nothing of what is to be written', () => {
  const { observed, plan } = facts();
  const report = { plan, updateRevision: 'aaaaa11111', epoch: 1, conditions: poolConditions(facts()) };
  const first = poolStatus({ ...report, pool: observed.pool, now: begin });
  if (first.kind !== 'write') throw new Error('nothing is written');
  const foreign = {
    type: 'example.com/Audited',
    status: 'True' as const,
    reason: 'Seen',
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const [one, ...rest] = first.status.conditions ?? [];
  const mixed = { ...first.status, conditions: [...rest, foreign, ...(one === undefined ? [] : [one])] };
  expect(poolStatus({ ...report, pool: { ...observed.pool, status: mixed }, now: begin + 1000 })).toEqual({ kind: 'same' });
  const spoilt = { ...mixed, conditions: mixed.conditions.map((each) => (each === one ? { ...each, status: 'Unknown' as const } : each)) };
  const repair = poolStatus({ ...report, pool: { ...observed.pool, status: spoilt }, now: begin + 1000 });
  expect(repair.kind).toBe('write');
  expect(repair.kind === 'write' && repair.status.conditions?.map(({ type }) => type)).toEqual(poolConditionTypes);
  const odd = { ...observed.pool, status: { conditions: 'none' } } as unknown as typeof observed.pool;
  expect(poolStatus({ ...report, pool: odd, now: begin }).kind).toBe('write');
});

test('a pool whose spec can not be read says why, keeps what it said before, and says it once', () => {
  const pool = {
    ...poolWith(),
    status: { readyReplicas: 2, conditions: nextConditions([], poolConditions(facts()), { now: begin, generation: 2 }) },
  };
  const first = unreadablePoolStatus(pool, ['spec.bus is "Redis", must be an object'], begin + 1000);
  if (first.kind !== 'write') throw new Error('nothing is written');
  expect(first.status.readyReplicas).toBe(2);
  expect(first.status.conditions?.map(({ type }) => type)).toEqual(poolConditionTypes);
  expect(first.status.conditions?.[0]).toMatchObject({
    status: 'False',
    reason: 'InvalidSpec',
    message: expect.stringContaining('spec.bus'),
  });
  expect(first.status.conditions?.[1]).toMatchObject({ type: 'Available', status: 'True', reason: 'EnoughGateways' });
  expect(unreadablePoolStatus({ ...pool, status: first.status }, ['spec.bus is "Redis", must be an object'], begin + 9000)).toEqual({
    kind: 'same',
  });
  const fresh = unreadablePoolStatus(poolWith(), ['spec is missing'], begin);
  expect(fresh.kind === 'write' && fresh.status.conditions?.[1]).toMatchObject({ status: 'Unknown', reason: 'InvalidSpec' });
});

test('on a memory bus it is told who has to be gone before the next gateway is made', () => {
  const pool = poolWith({ replicas: 1, bus: { type: 'Memory' } });
  const gateways = [gatewayWith('web-aaaaa-0', { isTerminating: true })];
  for (const type of ['Ready', 'Progressing']) expect(condition(type, { pool, gateways })?.message).toContain('when web-aaaaa-0 is gone');
  expect(condition('Progressing', { pool, gateways })?.reason).toBe('WaitingForGateways');
  expect(condition('Ready', { gateways })?.message).not.toContain('memory bus');
});

test('terminating pods block nothing', () => {
  expect(gatewayBlocker([gatewayWith('a', { isTerminating: true, obstacle: { reason: 'Error', message: '' } })], begin)).toBeUndefined();
});

test('a status is progress while it counts differently, and more than that when a condition, the spec or the wish has changed', () => {
  const condition = {
    type: 'Ready',
    status: 'False' as const,
    reason: 'GatewaysStarting',
    message: '3 of 5',
    lastTransitionTime: '',
    observedGeneration: 1,
  };
  const foreign = { ...condition, type: 'Foreign' };
  const stored = { observedGeneration: 1, desiredReplicas: 5, updateRevision: 'a', readyReplicas: 3, conditions: [foreign, condition] };
  const next = { ...stored, readyReplicas: 4, placementEpoch: 7, conditions: [{ ...condition, message: '4 of 5' }] };
  expect(isProgress(stored, next)).toBe(true);
  expect(isProgress(stored, { ...next, conditions: [{ ...condition, status: 'True', reason: 'Ready' }] })).toBe(false);
  expect(isProgress(stored, { ...next, conditions: [{ ...condition, reason: 'Unschedulable' }] })).toBe(false);
  expect(isProgress(stored, { ...next, observedGeneration: 2 })).toBe(false);
  expect(isProgress(stored, { ...next, desiredReplicas: 6 })).toBe(false);
  expect(isProgress({}, next)).toBe(false);
});

test.each([
  [
    403,
    'Forbidden',
    'create /api/v1/namespaces/live/pods: admission webhook "validation.gatekeeper.sh" denied the request: [require-team] you must provide labels: {"team"}',
    'AdmissionDenied',
  ],
  [
    400,
    'BadRequest',
    'admission webhook "validate.kyverno.svc-fail" denied the request: \n\npolicy Pod/live/web-1-0 blocked',
    'AdmissionDenied',
  ],
  [
    422,
    'Invalid',
    "patch /api/v1/namespaces/live/pods/web-1-0: pods \"web-1-0\" is forbidden: ValidatingAdmissionPolicy 'keep' with binding 'keep' denied request: hold",
    'AdmissionDenied',
  ],
  [
    403,
    'Forbidden',
    'create /api/v1/namespaces/live/pods: pods "web-1-0" is forbidden: unable to create new content in namespace live because it is being terminated',
    'NamespaceTerminating',
  ],
  [403, 'Forbidden', 'pods is forbidden: User "system:serviceaccount:a:b" cannot create resource "pods"', 'Forbidden'],
  [422, 'Invalid', 'Pod "web-1-0" is invalid: spec.nodeName: Invalid value', 'InvalidTemplate'],
])('a refusal with %i %s is told as what it is: %#', (code, reason, message, told) => {
  expect(faultBlocker([faultOf('Pod web-1-0', code, reason, message)])?.reason).toBe(told);
});

import { expect, test } from 'vitest';
import type { AdminStatus } from '../../../core/pool/admin-status.ts';
import { observeGateway, type PoolPod } from '../../../operator/reconcile/pod-view.ts';
import { gatewayRow, placedChannels, publisherRow } from '../../../operator/reconcile/pool-rows.ts';

function podOf(more: { readonly metadata?: object; readonly status?: object } = {}): PoolPod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'main-a', namespace: 'live', uid: 'u1', labels: { 'barrage.dev/revision': 'r2' }, ...more.metadata },
    status: {
      phase: 'Running',
      conditions: [
        { type: 'ContainersReady', status: 'True' },
        { type: 'Ready', status: 'True' },
        { type: 'barrage.dev/Serving', status: 'True' },
      ],
      containerStatuses: [{ name: 'barrage', started: true, state: { running: {} } }],
      ...more.status,
    },
  };
}

function statusOf(name: string, more: Partial<AdminStatus> = {}): AdminStatus {
  return {
    role: 'gateway',
    name,
    uid: 'u1',
    poolEpoch: 7,
    policiesHash: '',
    ready: true,
    waitingFor: [],
    connections: 40,
    subscriptions: 50,
    rooms: 3,
    loopUtilization: 0.25,
    bytesSentPerSecond: 1_000,
    drain: { state: 'serving', movedConnections: 0 },
    topChannels: [],
    ...more,
  };
}

const pool = { weights: new Map([['u1', 1]]), updateRevision: 'r2', node: 'node-1', now: 1_000_000 };

function stateOf(pod: PoolPod, more: { readonly status?: AdminStatus; readonly unansweredSince?: number } = {}): readonly unknown[] {
  const observed = observeGateway(pod, undefined, { unansweredSince: more.unansweredSince });
  const { state, why } = gatewayRow({ observed, status: more.status, ageMs: 100 }, pool);
  return why === undefined ? [state] : [state, why];
}

test('a gateway that serves shows its answer', () => {
  const row = gatewayRow({ observed: observeGateway(podOf(), undefined), status: statusOf('main-a'), ageMs: 300 }, pool);
  expect(row).toEqual({
    name: 'main-a',
    state: 'serving',
    isUpdated: true,
    node: 'node-1',
    weight: 1,
    ageMs: 300,
    connections: 40,
    subscriptions: 50,
    rooms: 3,
    busy: 0.25,
    bytesPerSecond: 1_000,
    epoch: 7,
    movedConnections: 0,
  });
});

test('the state of a gateway says what it is doing, and why it is not serving', () => {
  const unready = { conditions: [{ type: 'ContainersReady', status: 'False' }] };
  const waiting = {
    phase: 'Pending',
    containerStatuses: [{ name: 'barrage', state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } } }],
  };
  const draining = {
    annotations: { 'barrage.dev/drain-started': '2026-01-01T00:00:00Z', 'barrage.dev/drain-deadline': '2026-01-01T00:10:00Z' },
  };
  expect(stateOf(podOf({ status: unready }), { status: statusOf('main-a', { waitingFor: ['the bus: away'] }) })).toEqual([
    'not ready',
    'the bus: away',
  ]);
  expect(stateOf(podOf({ status: unready }))).toEqual(['starting']);
  expect(stateOf(podOf({ status: waiting }))).toEqual(['starting', 'ImagePullBackOff: no such image']);
  expect(stateOf(podOf({ metadata: draining }))).toEqual(['draining']);
  expect(stateOf(podOf({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }))).toEqual(['leaving']);
  expect(stateOf(podOf(), { unansweredSince: 980_000 })).toEqual(['silent', 'its admin port does not answer']);
  expect(stateOf(podOf(), { unansweredSince: 995_000 })).toEqual(['serving']);
  expect(stateOf(podOf({ status: { phase: 'Failed' } }))[0]).toBe('ended');
});

test('a publisher shows its load', () => {
  const row = publisherRow({ observed: observeGateway(podOf(), undefined), status: statusOf('p'), ageMs: 10 });
  expect(row).toEqual({ name: 'main-a', isReady: true, ageMs: 10, busy: 0.25, epoch: 7 });
});

test('channels of several gateways are summed, the largest first, with the share at the gateway that placement names', () => {
  const statuses = [
    statusOf('main-a', {
      topChannels: [
        { channel: 'video:1', members: 90 },
        { channel: 'video:2', members: 5 },
      ],
    }),
    statusOf('main-b', {
      topChannels: [
        { channel: 'video:2', members: 200 },
        { channel: 'video:1', members: 10 },
      ],
    }),
  ];
  expect(placedChannels(statuses, (channel) => (channel === 'video:1' ? 'main-a' : undefined))).toEqual([
    { channel: 'video:2', members: 205, gateways: 2, atHome: 0 },
    { channel: 'video:1', members: 100, gateways: 2, home: 'main-a', atHome: 90 },
  ]);
  const many = Array.from({ length: 5 }, (_, index) =>
    statusOf(`main-${index}`, { topChannels: Array.from({ length: 20 }, (_each, at) => ({ channel: `c-${index}-${at}`, members: at })) }),
  );
  expect(placedChannels(many, () => undefined)).toHaveLength(20);
});

import type { GatewayRow, Snapshot } from '../../../ops/view/snapshot.ts';

const base = { at: 1_000_000, sampledAt: 1_000_000 } as const;
const bus = { isUp: true, isMemory: false, subscriptionsInForce: 2, subscriptionsWaiting: 0, connectionErrors: 0, appendFailures: {} };

/** A gateway without a finding. */
export function calmGateway(): Snapshot {
  return {
    ...base,
    process: { role: 'gateway', name: 'gateway-1', startedAt: 0, waitingFor: [] },
    figures: { connections: 1_000, delivered: 1_000, busy: 0.2 },
    bus,
    gateway: {
      connectionsMax: 20_000,
      fanOutMax: 0.6,
      drain: { state: 'serving', movedConnections: 0 },
      refused: { full: 0, rate: 0 },
      busiestRooms: [
        {
          channel: 'video:1',
          members: 900,
          fullMembers: 0,
          publicationsPerSecond: 20,
          bytesPerSecond: 2_000,
          windowMs: 100,
          share: 0.05,
          leftOutPerSecond: 0,
          lostPerSecond: 0,
        },
      ],
      slowestClients: [],
      waitingClients: 0,
    },
  };
}

/** A publisher without a finding. */
export function calmPublisher(): Snapshot {
  return {
    ...base,
    process: { role: 'publisher', name: 'publisher-1', startedAt: 0, waitingFor: [] },
    figures: { published: 100, rejected: 0, publishP99: 0.004 },
    bus,
    publisher: { rejected: { invalid: 0 }, apiConnections: 1, requestBytes: 0 },
  };
}

export function gatewayRowOf(name: string, more: Partial<GatewayRow> = {}): GatewayRow {
  return {
    name,
    state: 'serving',
    connections: 100,
    busy: 0.1,
    epoch: 7,
    rooms: 3,
    bytesPerSecond: 1_000,
    ageMs: 500,
    isUpdated: true,
    ...more,
  };
}

/** An operator with one calm pool. */
export function calmOperator(): Snapshot {
  return {
    ...base,
    process: { role: 'operator', name: 'operator-1', startedAt: 0, waitingFor: [] },
    figures: { connections: 200, ready: 2, desired: 2, draining: 0 },
    operator: {
      isLeader: true,
      leader: 'operator-1',
      queued: 0,
      poolCount: 1,
      pools: [{ key: 'live/main', connections: 200, ready: 2, desired: 2, draining: 0, isReady: true, message: 'All is well.' }],
      pool: {
        key: 'live/main',
        conditions: [{ type: 'Ready', status: 'True', reason: 'Ready', message: 'All is well.', since: '' }],
        scaling: { at: 990_000, desired: 2, reason: '200 connections at 100 a gateway and 0 % spare need 2', type: 'Connections' },
        documentEpoch: 7,
        gateways: [gatewayRowOf('main-a'), gatewayRowOf('main-b')],
        publishers: [{ name: 'main-publisher-1', isReady: true, ageMs: 100, busy: 0.01, epoch: 7 }],
        channels: [{ channel: 'video:1', members: 150, gateways: 2, home: 'main-a', atHome: 120 }],
      },
    },
  };
}

import type { GatewayPool, GatewayPoolSpec } from '../../../operator/api/gateway-pool.ts';
import { withDefaults } from '../../../operator/api/stored-objects.ts';
import type { ObservedGateway, ObservedPool, PolledGateway } from '../../../operator/decide/observed.ts';
import { childLabels, names } from '../../../operator/desired/labels.ts';

type Overrides = { readonly [Key in keyof GatewayPoolSpec]?: Partial<GatewayPoolSpec[Key]> | GatewayPoolSpec[Key] };

/** A pool on Redis as the API server would keep it. */
export function poolWith(spec: Overrides = {}, status?: GatewayPool['status']): GatewayPool {
  return withDefaults('GatewayPool', {
    apiVersion: 'barrage.dev/v1alpha1',
    kind: 'GatewayPool',
    metadata: {
      name: 'web',
      namespace: 'live',
      uid: 'pool-uid',
      resourceVersion: '1',
      generation: 3,
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: { replicas: 2, bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: ['redis:6379'] } }, ...spec },
    ...(status === undefined ? {} : { status }),
  });
}

export const connectionScaling = {
  minReplicas: 1,
  maxReplicas: 20,
  targetConnectionsPerPod: 100,
  bufferPercent: 20,
  metricsTimeoutSeconds: 60,
  scaleUp: { stabilizationWindowSeconds: 0, maxPodsPerPeriod: 10, periodSeconds: 30 },
  scaleDown: { stabilizationWindowSeconds: 300, maxPodsPerPeriod: 1, periodSeconds: 60 },
};

/** Milliseconds since 1970 that the examples begin at. */
export const begin = Date.parse('2026-06-01T12:00:00Z');

/** A gateway that serves 10 connections. */
export function gatewayWith(name: string, fields: Partial<ObservedGateway> = {}, polled: Partial<PolledGateway> = {}): ObservedGateway {
  const uid = fields.uid ?? `uid-${name}`;
  return {
    name,
    uid,
    createdAt: begin - 3_600_000,
    revision: 'aaaaa11111',
    labels: { ...childLabels(poolWith(), 'gateway'), [names.label.gateway]: name },
    phase: 'Running',
    isTerminating: false,
    deletedAt: undefined,
    isRunning: true,
    containersReady: true,
    isReady: true,
    serving: 'True',
    endedAt: undefined,
    drain: undefined,
    ip: '10.0.0.1',
    hostIp: '192.168.0.1',
    zone: undefined,
    obstacle: undefined,
    endpointReady: undefined,
    unansweredSince: undefined,
    polled: {
      at: begin,
      uid,
      ready: true,
      waitingFor: [],
      poolEpoch: 1,
      policiesHash: 'hash',
      connections: 10,
      isRefusing: false,
      drainState: 'serving',
      ...polled,
    },
    ...fields,
  };
}

export function observedWith(fields: Partial<ObservedPool> = {}): ObservedPool {
  const gateways = fields.gateways ?? [gatewayWith('web-aaaaa-0'), gatewayWith('web-aaaaa-1')];
  return {
    now: begin,
    monotonic: fields.now ?? begin,
    pool: poolWith(),
    updateRevision: 'aaaaa11111',
    keptRevision: undefined,
    updateDifference: undefined,
    gateways,
    foreignNames: [],
    document: { memberUids: gateways.map(({ uid }) => uid) },
    budget: undefined,
    scaling: undefined,
    faults: [],
    refusedPods: [],
    ...fields,
  };
}

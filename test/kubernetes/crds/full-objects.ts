import type { ApiObject } from './api-client.ts';

/** New values by the way to a field: `spec.bus.redis.addresses[0]`; `undefined` takes the field away. */
export type Edits = Readonly<Record<string, unknown>>;

/** A copy of the object with the edits made. */
export function edited(object: ApiObject, edits: Edits): ApiObject {
  const copy = structuredClone(object);
  for (const [path, value] of Object.entries(edits)) {
    const names = path.replaceAll('[', '.').replaceAll(']', '').split('.');
    const last = names.pop() ?? '';
    let place = copy as unknown as Record<string, unknown>;
    for (const name of names) place = (place[name] ??= {}) as Record<string, unknown>;
    if (value === undefined) delete place[last];
    else place[last] = structuredClone(value);
  }
  return copy;
}

/** A GatewayPool in which every field has a value, but for those that exclude each other. */
export const fullPool: ApiObject = {
  apiVersion: 'barrage.dev/v1alpha1',
  kind: 'GatewayPool',
  metadata: { name: 'full' },
  spec: {
    replicas: 2,
    paused: false,
    template: { metadata: { labels: { team: 'live' }, annotations: { team: 'live' } }, spec: { nodeSelector: { disk: 'fast' } } },
    bus: {
      type: 'Redis',
      redis: {
        mode: 'Sentinel',
        addresses: ['sentinel:26379'],
        sentinelName: 'main',
        keyPrefix: 'live',
        credentialsSecret: { name: 'redis' },
        tls: { caSecret: { name: 'redis-ca' } },
      },
    },
    auth: { apiKeysSecret: { name: 'keys' }, webhookURL: 'https://example.com/auth', allowedOrigins: ['https://example.com'] },
    exposure: {
      type: 'HTTPRoute',
      httpRoute: { hostname: 'live.example.com', parentRef: { name: 'edge', namespace: 'edge', sectionName: 'https' } },
    },
    publisher: {
      minReplicas: 2,
      maxReplicas: 10,
      targetCPUUtilizationPercent: 60,
      resources: { requests: { team: '100m' }, limits: { team: '1' } },
      template: { metadata: { labels: { team: 'live' }, annotations: { team: 'live' } }, spec: { nodeSelector: { disk: 'fast' } } },
    },
    scaling: {
      type: 'Connections',
      connections: {
        minReplicas: 1,
        maxReplicas: 10,
        targetConnectionsPerPod: 1000,
        bufferPercent: 20,
        fallbackReplicas: 2,
        metricsTimeoutSeconds: 60,
        scaleUp: { stabilizationWindowSeconds: 0, maxPodsPerPeriod: 10, periodSeconds: 30 },
        scaleDown: { stabilizationWindowSeconds: 300, maxPodsPerPeriod: 1, periodSeconds: 60 },
      },
    },
    placement: {
      algorithm: 'RendezvousBounded',
      hashSeed: 0,
      maxLoadPercent: 125,
      hotChannelThresholdPercent: 50,
      maxPodsPerChannel: 16,
      rebalanceConnectionsPerSecond: 100,
    },
    maxConnectionAgeSeconds: 3600,
    drain: { propagationSeconds: 5, connectionsPerSecond: 200, deadlineSeconds: 540, maxConcurrentPods: 1, abortOnDemand: 'Always' },
    disruption: { maxUnavailable: 1, nodeAutoscalerEviction: 'Allow' },
    updateStrategy: { type: 'SurgeAndDrain', maxSurge: '25%' },
  },
};

const condition = {
  type: 'Ready',
  status: 'True',
  observedGeneration: 1,
  lastTransitionTime: '2026-01-01T00:00:00Z',
  reason: 'Working',
  message: 'every gateway takes clients',
};

export const fullPoolStatus = {
  observedGeneration: 1,
  selector: 'barrage.dev/pool=full',
  replicas: 2,
  desiredReplicas: 3,
  readyReplicas: 1,
  updatedReplicas: 1,
  drainingReplicas: 1,
  currentRevision: 'a',
  updateRevision: 'b',
  placementEpoch: 7,
  lastScaleTime: '2026-01-01T00:00:00Z',
  conditions: [condition],
};

/** A BarrageChannel in which every field has a value. */
export const fullChannel: ApiObject = {
  apiVersion: 'barrage.dev/v1alpha1',
  kind: 'BarrageChannel',
  metadata: { name: 'full' },
  spec: {
    poolRef: { name: 'full' },
    channel: 'video:100001',
    merge: { windowMilliseconds: 100, publicationsMax: 500, bytesMax: 65_536 },
    budget: { publicationsPerSecond: 30 },
    history: { size: 100, ttlSeconds: 300, resumePublicationsMax: 300, rewindOnSubscribe: 5 },
    idempotency: { windowSeconds: 300 },
    access: { subscribe: 'Public', publish: 'Backend', slowModeSeconds: 0 },
    slowConsumer: { policy: 'DropOldest', queueBytesMax: 1_048_576 },
    limits: { publicationsPerSecond: 1000, payloadBytesMax: 65_536, membersMax: 100_000, publishHoldMs: 3000 },
    presence: 'Count',
    expectedPeak: { connections: 500_000, startTime: '2026-12-31T20:00:00Z', endTime: '2026-12-31T23:00:00Z' },
  },
};

export const fullChannelStatus = {
  observedGeneration: 1,
  conditions: [
    { ...condition, type: 'Accepted', reason: 'Valid' },
    { ...condition, type: 'InForce', status: 'False', reason: 'Spreading' },
  ],
};

import { stringify } from 'yaml';
import type { Size } from './size.ts';

/** Share of `drain.deadlineSeconds` in which a full gateway gives up its clients. */
const drainShare = 0.5;
/** Defaults of the GatewayPool. */
const drain = { deadlineSeconds: 540, connectionsPerSecond: 200 };
/** Room above the reckoned number of gateways and publishers. */
const growth = 2;
const replicasMax = 1_000;

/** The GatewayPool that follows from a size, as an object of the API. */
export function poolOf(size: Size): object {
  const { gateways, publishers, redis, margins } = size;
  const needed = gateways.count - margins.spareGateways;
  const mode = redis.masters === 1 ? 'Standalone' : 'Cluster';
  const perSecond = Math.max(drain.connectionsPerSecond, Math.ceil(gateways.connections / (drain.deadlineSeconds * drainShare)));
  return {
    apiVersion: 'barrage.dev/v1alpha1',
    kind: 'GatewayPool',
    metadata: { name: 'live' },
    spec: {
      bus: { type: 'Redis', redis: { mode, addresses: ['redis:6379'] } },
      scaling: {
        type: 'Connections',
        connections: {
          minReplicas: gateways.count,
          maxReplicas: Math.min(replicasMax, gateways.count * growth),
          targetConnectionsPerPod: gateways.connections,
          bufferPercent: Math.min(300, Math.ceil((100 * margins.spareGateways) / needed)),
        },
      },
      drain: { connectionsPerSecond: perSecond },
      template: {
        spec: {
          containers: [
            {
              name: 'barrage',
              resources: {
                requests: { cpu: millicores(gateways.cores), memory: mebibytes(gateways.requestMebibytes) },
                limits: { memory: mebibytes(gateways.limitMebibytes) },
              },
            },
          ],
        },
      },
      publisher: {
        minReplicas: publishers.count,
        maxReplicas: Math.max(10, publishers.count * growth),
        resources: { requests: { cpu: millicores(publishers.cores / publishers.count), memory: '128Mi' } },
      },
    },
  };
}

/** The same as YAML. */
export function poolYaml(size: Size): string {
  return stringify(poolOf(size), { lineWidth: 0 });
}

function millicores(cores: number): string {
  return `${Math.max(100, Math.ceil((cores * 1_000) / 50) * 50)}m`;
}

function mebibytes(amount: number): string {
  return `${Math.ceil(amount / 32) * 32}Mi`;
}

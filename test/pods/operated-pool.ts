import { expect } from 'vitest';
import { createLogger } from '../../core/process/logging.ts';
import { readSettings } from '../../core/process/settings.ts';
import { Operator } from '../../operator/operator.ts';
import type { Cluster } from '../support/cluster.ts';

/** The operator in this process, on a cluster's API server. */
export async function startOperator(cluster: Cluster, namespace: string): Promise<Operator> {
  const read = readSettings({
    BARRAGE_OPERATOR_NAMESPACE: namespace,
    BARRAGE_OPERATOR_WATCH_NAMESPACES: namespace,
    BARRAGE_OPERATOR_IMAGE: 'barrage:test',
    BARRAGE_OPERATOR_HOST: '127.0.0.1',
    BARRAGE_OPERATOR_PROBE_PORT: '0',
    BARRAGE_OPERATOR_METRICS_PORT: '0',
    BARRAGE_LOG_LEVEL: process.env['BARRAGE_TEST_LOG_LEVEL'] ?? 'silent',
  });
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  const { settings } = read;
  return Operator.start({
    settings,
    logger: createLogger({ part: 'operator', level: settings.logLevel }),
    source: { kubeconfig: cluster.kubeconfig },
    onLost: (reason) => {
      throw new Error(`the operator lost its lead: ${reason}`);
    },
  });
}

/** Puts the CRDs into a cluster and waits until it serves them. */
export async function applyDefinitions(cluster: Cluster): Promise<void> {
  await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', 'crds/']);
  await cluster.kubectl([
    'wait',
    '--for=condition=Established',
    '--timeout=60s',
    'crd/gatewaypools.barrage.dev',
    'crd/barragechannels.barrage.dev',
  ]);
}

/** A Redis of the namespace's own, reached as `redis:6379`. */
export async function startRedis(cluster: Cluster, namespace: string): Promise<void> {
  const labels = { app: 'redis' };
  const container = {
    name: 'redis',
    image: 'redis:test',
    args: ['--save', '', '--protected-mode', 'no', '--dir', '/tmp'],
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
    readinessProbe: { tcpSocket: { port: 6379 }, periodSeconds: 1 },
  };
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'redis', labels },
      spec: {
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [container],
        volumes: [{ name: 'tmp', emptyDir: {} }],
      },
    },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'redis' }, spec: { selector: labels, ports: [{ port: 6379 }] } },
  ];
  for (const object of objects) await cluster.kubectl(['-n', namespace, 'create', '-f', '-'], JSON.stringify(object));
  await cluster.kubectl(['-n', namespace, 'wait', '--for=condition=Ready', 'pod/redis', '--timeout=60s']);
}

/** Reads one field of an object by a JSONPath. */
export async function field(cluster: Cluster, namespace: string, object: string, path: string): Promise<string> {
  return cluster.kubectl(['-n', namespace, 'get', object, '-o', `jsonpath={${path}}`]);
}

export async function condition(cluster: Cluster, namespace: string, object: string, type: string): Promise<string> {
  return field(cluster, namespace, object, `.status.conditions[?(@.type=="${type}")].status`);
}

export async function untilCondition(
  cluster: Cluster,
  namespace: string,
  object: string,
  [type, status]: readonly [string, string],
): Promise<void> {
  await expect.poll(() => condition(cluster, namespace, object, type), { timeout: 60_000, interval: 250 }).toBe(status);
}

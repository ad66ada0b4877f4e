import { expect, onTestFinished } from 'vitest';
import { createLogger } from '../../core/process/logging.ts';
import { readSettings } from '../../core/process/settings.ts';
import { Operator } from '../../operator/operator.ts';
import type { Snapshot } from '../../ops/view/snapshot.ts';
import { sharedNode, type Cluster } from '../support/cluster.ts';
import { firstSnapshot } from '../support/operations.ts';
import { PodWatch } from './pod-watch.ts';

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

/** Waits for a condition of the object's newest generation. @throws Error where it does not come within a minute */
export async function untilCondition(
  cluster: Cluster,
  namespace: string,
  object: string,
  [type, status]: readonly [string, string],
): Promise<void> {
  await cluster.kubectl(['-n', namespace, 'wait', `--for=condition=${type}=${status}`, object, '--timeout=60s']);
}

/** What the publish API answered. */
export interface PublishAnswer {
  readonly E: { readonly c: number; readonly m: string } | null;
  readonly r?: Readonly<Record<string, unknown>>;
}

/**
 * A namespace of the real node that admits restricted pods only, with a Redis, for pools that an operator in this
 * process looks after.
 */
export class OperatedPool {
  readonly cluster: Cluster;
  readonly namespace: string;
  #operator: Operator | undefined;
  #publisher: { readonly url: string; readonly key: string } | undefined;

  private constructor(cluster: Cluster, namespace: string) {
    this.cluster = cluster;
    this.namespace = namespace;
  }

  /**
   * @param options.redis whether there is one: yes where absent
   * @param options.cluster one that has the definitions; the shared node where absent
   */
  static async open(name: string, options: { readonly redis?: boolean; readonly cluster?: Cluster } = {}): Promise<OperatedPool> {
    const cluster = options.cluster ?? (await sharedNode());
    if (options.cluster === undefined) await applyDefinitions(cluster);
    const namespace = await cluster.createNamespace(name, { 'pod-security.kubernetes.io/enforce': 'restricted' });
    if (options.redis !== false) await startRedis(cluster, namespace);
    return new OperatedPool(cluster, namespace);
  }

  async startOperator(): Promise<void> {
    this.#operator = await startOperator(this.cluster, this.namespace);
  }

  /** What the operator's operations page tells of a pool now. */
  async operations(pool: string): Promise<Snapshot> {
    const url = `http://127.0.0.1:${this.#operator?.metricsPort}/ops/events?pool=${this.namespace}/${pool}`;
    return firstSnapshot(url);
  }

  async stopOperator(): Promise<void> {
    await this.#operator?.close();
    this.#operator = undefined;
  }

  /** Takes away what the namespace holds: pods of other tests need the room. */
  async close(): Promise<void> {
    await this.stopOperator();
    await this.cluster.kubectl(['delete', 'namespace', this.namespace, '--wait=false']);
  }

  async kubectl(args: readonly string[], input?: string): Promise<string> {
    return this.cluster.kubectl(['-n', this.namespace, ...args], input);
  }

  async apply(yaml: string): Promise<void> {
    await this.kubectl(['apply', '-f', '-'], yaml);
  }

  /** Changes the pool `main`. */
  async patch(spec: object): Promise<void> {
    await this.kubectl(['patch', 'gwp', 'main', '--type=merge', '-p', JSON.stringify({ spec })]);
  }

  async field(object: string, path: string): Promise<string> {
    return field(this.cluster, this.namespace, object, path);
  }

  async untilCondition(object: string, type: string, status = 'True'): Promise<void> {
    await untilCondition(this.cluster, this.namespace, object, [type, status]);
  }

  /** Where clients find the pool `main`: its Service, by its address. */
  async clientsUrl(): Promise<string> {
    return `ws://${await this.field('service/main', '.spec.clusterIP')}:6790/`;
  }

  /** Publishes through the publishers' Service of the pool `main`. @throws Error where it can't be reached */
  async publish(channel: string, data: string): Promise<PublishAnswer> {
    this.#publisher ??= await this.#reachPublisher();
    const response = await fetch(this.#publisher.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.#publisher.key}` },
      body: JSON.stringify({ c: channel, d: data }),
      signal: AbortSignal.timeout(10_000),
    });
    return (await response.json()) as PublishAnswer;
  }

  async #reachPublisher(): Promise<{ readonly url: string; readonly key: string }> {
    const url = `http://${await this.field('service/main-publish', '.spec.clusterIP')}:6789/v1/mesh/publish`;
    const key = Buffer.from(await this.field('secret/main-api-key', '.data.key'), 'base64').toString();
    // Nodes hear of a Service's pods a little later than the pool says that these are ready.
    const isReached = async (): Promise<boolean> =>
      fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
        () => true,
        () => false,
      );
    await expect.poll(isReached, { timeout: 15_000, interval: 20 }).toBe(true);
    return { url, key };
  }

  /** Follows its gateways until the test ends. */
  async watch(): Promise<PodWatch> {
    const watch = await PodWatch.open(this.cluster, this.namespace);
    onTestFinished(() => watch.close());
    return watch;
  }
}

/** A pool `main` on the namespace's Redis, with drains that fit a test. @param spec lines to add, two spaces in */
export function poolMain(spec = ''): string {
  return `apiVersion: barrage.dev/v1alpha1
kind: GatewayPool
metadata: {name: main}
spec:
  bus: {type: Redis, redis: {mode: Standalone, addresses: ["redis:6379"]}}
  drain: {propagationSeconds: 1, deadlineSeconds: 30}
${spec}`;
}

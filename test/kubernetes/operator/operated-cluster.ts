import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { onTestFinished, vi } from 'vitest';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import { names } from '../../../operator/desired/labels.ts';
import { KubeClient } from '../../../operator/kube/client.ts';
import { ClientMetrics } from '../../../operator/kube/client-metrics.ts';
import { KubeConnection } from '../../../operator/kube/connection.ts';
import { resources } from '../../../operator/kube/resources.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import type { PoolPod } from '../../../operator/reconcile/pod-view.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { startApiServer, type OwnCluster } from '../../support/cluster.ts';
import { FaultProxy, isWrite, type SeenRequest } from '../../support/fault-proxy.ts';
import { StandInPods } from '../../support/stand-in-pods.ts';
import type { OperatorArguments, OperatorUsage } from './operator-main.ts';
import { ListingApi } from '../../support/listing-api.ts';

const main = fileURLToPath(new URL('operator-main.ts', import.meta.url));
const noRate = { ratePerSecond: 10_000, burst: 10_000 };

interface Deployment extends KubeObject {
  readonly status?: { readonly availableReplicas?: number };
}

export type StoredPool = GatewayPool & KubeObject;

/**
 * A real API server with our CRDs, simulated nodes in two zones, and pods that answer on their admin port; operators
 * come and go.
 */
export class OperatedCluster {
  readonly cluster: OwnCluster;
  readonly pods: StandInPods;
  /** Past every proxy. */
  readonly api: ListingApi;
  readonly namespace: string;
  readonly #connection: KubeConnection;

  /** @param connections of each gateway at first */
  static async start(options: { readonly nodes?: number; readonly connections?: number } = {}): Promise<OperatedCluster> {
    const cluster = await startApiServer({ simulatedNodes: true });
    const definitions = ['crd/gatewaypools.barrage.dev', 'crd/barragechannels.barrage.dev'];
    await cluster.kubectl(['apply', '--server-side', '-f', 'crds/']);
    await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=60s', ...definitions]);
    const nodes = Array.from({ length: options.nodes ?? 1 }, (_, index) => simulatedNode(`simulated-${index}`, `zone-${index % 2}`));
    await cluster.kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: nodes }));
    await cluster.kubectl(['wait', '--for=condition=Ready', '--timeout=60s', 'nodes', '--all']);
    const namespace = await cluster.createNamespace('operated');
    return new OperatedCluster(cluster, await StandInPods.start(cluster.kubeconfig, options.connections), namespace);
  }

  private constructor(cluster: OwnCluster, pods: StandInPods, namespace: string) {
    this.cluster = cluster;
    this.pods = pods;
    this.namespace = namespace;
    this.#connection = new KubeConnection({ kubeconfig: cluster.kubeconfig });
    const shared = { clock: systemClock, random: Math.random, rate: noRate };
    this.api = new ListingApi(new KubeClient({ ...shared, connection: this.#connection, metrics: new ClientMetrics(new Registry()) }));
  }

  async stop(): Promise<void> {
    await this.pods.close();
    this.#connection.close();
    await this.cluster.stop();
  }

  /**
   * An operator in a process of its own, which sees the API server through a proxy of its own. It ends with the test.
   */
  async startOperator(options: Partial<OperatorArguments> = {}): Promise<OperatorProcess> {
    const operator = new OperatorProcess(await FaultProxy.start(this.cluster.kubeconfig), {
      adminPort: this.pods.port,
      name: 'operator',
      // Who is killed holds its Lease for a while; what is tested is seldom that.
      lease: `operator-${Math.random().toString(36).slice(2, 8)}`,
      ...options,
    });
    onTestFinished(() => operator.kill());
    return operator;
  }

  /** Creates or changes a pool. */
  async applyPool(name: string, spec: object): Promise<void> {
    const object = { metadata: { namespace: this.namespace, name }, spec: { ...redisBus, drain: quickDrain, ...spec } };
    const applied = { ...object, apiVersion: resources.gatewayPool.apiVersion, kind: resources.gatewayPool.kind };
    await this.cluster.kubectl(['-n', this.namespace, 'apply', '--server-side', '-f', '-'], JSON.stringify(applied));
  }

  async pools(): Promise<readonly StoredPool[]> {
    return await this.api.list<StoredPool>(resources.gatewayPool, { namespace: this.namespace });
  }

  /** The gateways of a pool as the API server told last. */
  gateways(pool: string): readonly PoolPod[] {
    const pods = this.pods.pods.withIndex('pool', `${this.namespace}/${pool}`);
    return pods.filter(({ metadata }) => metadata.labels?.[names.label.component] === 'gateway');
  }

  /** Waits until every pool is what its spec says, and says so. Returns how long that took, in milliseconds. */
  async untilConverged(timeoutMs = 120_000, intervalMs = 100): Promise<number> {
    const startedAt = performance.now();
    let missing = '';
    try {
      await vi.waitUntil(async () => (missing = await this.missing()) === '', { timeout: timeoutMs, interval: intervalMs });
    } catch {
      const pods = await this.cluster.kubectl(['-n', this.namespace, 'get', 'pods', '-L', names.label.revision, '-o', 'wide']);
      const nodes = await this.cluster.kubectl(['get', 'nodes']);
      throw new Error(`not converged after ${timeoutMs} ms: ${missing}\n${pods.slice(0, 4000)}\n${nodes}`);
    }
    return performance.now() - startedAt;
  }

  /** Waits until the ConfigMap of every pool has the document that its pods have: the last write of an operator. */
  async untilDocumentsWritten(): Promise<void> {
    const areWritten = async (): Promise<boolean> => {
      const [pools, configMaps] = await Promise.all([
        this.pools(),
        this.api.list<KubeObject & { readonly data?: Readonly<Record<string, string>> }>(resources.configMap, {
          namespace: this.namespace,
        }),
      ]);
      return pools.every(({ metadata: { name }, status }) => {
        const envelope = configMaps.find(({ metadata }) => metadata.name === `${name}-pool`)?.data?.['pool.json'];
        return envelope?.includes(`\\"epoch\\":${status?.placementEpoch},`);
      });
    };
    await vi.waitUntil(areWritten, { timeout: 60_000, interval: 500 });
  }

  /**
   * Waits until every pool says that its publishers are as many as the autoscaler, which takes its time, wants at
   * least.
   */
  async untilPublishersScaled(): Promise<void> {
    const areScaled = async (): Promise<boolean> => {
      const deployments = await this.api.list<Deployment>(resources.deployment, { namespace: this.namespace });
      return deployments.every(({ status }) => (status?.availableReplicas ?? 0) >= 2);
    };
    await vi.waitUntil(areScaled, { timeout: 90_000, interval: 500 });
  }

  /** What is not yet as it should be, of the first pool of which something is not; empty where all is. */
  async missing(): Promise<string> {
    const pools = await this.pools();
    return pools.map((pool) => this.#missingOf(pool)).find((words) => words !== '') ?? '';
  }

  #missingOf(pool: StoredPool): string {
    const { name, generation } = pool.metadata;
    const { status, spec } = pool;
    const pods = this.gateways(name);
    const revisions = new Set(pods.map(({ metadata }) => metadata.labels?.[names.label.revision]));
    const epochs = pods.map(({ metadata }) => this.pods.epochOf(metadata.uid));
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    const facts: readonly (readonly [string, unknown, unknown])[] = [
      ['observedGeneration', status?.observedGeneration, generation],
      ['Ready', ready?.status, 'True'],
      ['readyReplicas', status?.readyReplicas, spec.replicas],
      ['updatedReplicas', status?.updatedReplicas, spec.replicas],
      ['drainingReplicas', status?.drainingReplicas, 0],
      ['pods', pods.length, spec.replicas],
      ['marked pods', pods.filter(({ metadata }) => metadata.annotations?.[names.annotation.drainStarted] !== undefined).length, 0],
      ['revision', [...revisions].join(), status?.updateRevision],
      ['epochs', epochs.filter((epoch) => epoch !== status?.placementEpoch).length, 0],
    ];
    const wrong = facts.filter(([, is, should]) => is !== should);
    return wrong.length === 0 ? '' : `${name}: ${wrong.map((fact) => fact.join(' ')).join('; ')}; Ready says: ${ready?.message}`;
  }
}

/** A request that the operator sent, and when: milliseconds by this process's clock. */
export interface SentRequest extends SeenRequest {
  readonly at: number;
}

/** A line of a log, with the fields that its event has. */
export interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly part: string;
  readonly event: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export class OperatorProcess {
  readonly proxy: FaultProxy;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  /** The lines of its log so far, where the test asked for a level. */
  readonly log: LogLine[] = [];
  readonly #child: ChildProcess;
  readonly #requests: SentRequest[] = [];
  /** Called right before a request is handed on. */
  onRequest: (request: SentRequest) => void = () => {};
  /** What befalls a request; see the proxy. */
  fault: FaultProxy['fault'] = () => undefined;

  constructor(proxy: FaultProxy, options: Omit<OperatorArguments, 'kubeconfig'>) {
    this.proxy = proxy;
    proxy.fault = (seen) => {
      const request = { ...seen, at: performance.now() };
      this.#requests.push(request);
      this.onRequest(request);
      return this.fault(seen);
    };
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('BARRAGE_') || name === 'BARRAGE_TEST_LOG_LEVEL');
    const told: OperatorArguments = { ...options, kubeconfig: proxy.kubeconfig };
    // The heap that Node takes in the chart's container, of 512 MiB.
    const execArgv = ['--expose-gc', '--max-old-space-size=256'];
    this.#child = fork(main, [JSON.stringify(told)], {
      env: Object.fromEntries(inherited),
      execArgv,
      stdio: ['inherit', 'inherit', options.logLevel === undefined ? 'inherit' : 'pipe', 'ipc'],
    });
    if (this.#child.stderr !== null) createInterface(this.#child.stderr).on('line', (line) => this.log.push(JSON.parse(line) as LogLine));
    this.#child.on('error', () => {});
    this.ended = new Promise((resolve) => this.#child.once('exit', () => resolve()));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  requests(matches: (request: SentRequest) => boolean = () => true): readonly SentRequest[] {
    return this.#requests.filter(matches);
  }

  /** All writes but those of its Lease. */
  writes(since = 0): readonly SentRequest[] {
    return this.requests((request) => isWrite(request) && request.at >= since);
  }

  async usage(): Promise<OperatorUsage> {
    this.#child.send('usage');
    const [usage] = (await once(this.#child, 'message')) as [OperatorUsage];
    return usage;
  }

  /** Ends it without a warning, and its requests with it. */
  async kill(): Promise<void> {
    if (!this.isOver) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    await this.#closeProxy();
  }

  /** Ends it as a rollout does. */
  async close(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.send('close');
    await ended;
    await this.#closeProxy();
  }

  #isProxyClosed = false;
  async #closeProxy(): Promise<void> {
    if (this.#isProxyClosed) return;
    this.#isProxyClosed = true;
    await this.proxy.close();
  }
}

export function countBy(requests: readonly SeenRequest[]): string {
  const groups = Map.groupBy(requests, ({ verb, resource, path }) => `${verb} ${resource}${/\/status(\?|$)/.test(path) ? '/status' : ''}`);
  return [...groups].map(([what, each]) => `${each.length} ${what}`).join(', ');
}

export function print(words: string): void {
  process.stdout.write(`${words}\n`);
}

const redisBus = { bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: ['redis:6379'] } } };
/** Balancers are not simulated: nothing is to be waited for. */
const quickDrain = { propagationSeconds: 1, connectionsPerSecond: 10_000, deadlineSeconds: 60 };

function simulatedNode(name: string, zone: string): object {
  const amounts = { cpu: '1000', memory: '10Ti', pods: '1000' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, annotations: { 'kwok.x-k8s.io/node': 'fake' }, labels: { 'topology.kubernetes.io/zone': zone } },
    status: { allocatable: amounts, capacity: amounts },
  };
}

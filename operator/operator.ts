import { Registry } from 'prom-client';
import { startAdminServer, type AdminServer } from '../core/process/admin-server.ts';
import type { Running } from '../core/process/lifecycle.ts';
import type { Logger } from '../core/process/logging.ts';
import type { Settings } from '../core/process/settings.ts';
import { collectProcessMetrics } from '../core/process/process-metrics.ts';
import type { Tracing } from '../core/process/open-telemetry.ts';
import { startTracing } from '../core/process/tracing.ts';
import { OperationsPage } from '../ops/operations-page.ts';
import { poolKeyOf } from './decide/policies.ts';
import { ports } from './desired/labels.ts';
import { ApiServer } from './kube/api-server.ts';
import { KubeClient } from './kube/client.ts';
import { ClientMetrics } from './kube/client-metrics.ts';
import { KubeConnection, type KubeSource } from './kube/connection.ts';
import { operatorJournal, type OperatorJournal } from './kube/log-lines.ts';
import { LeaderElection } from './kube/leader-election.ts';
import { EventRecorder } from './kube/recorder.ts';
import { resources } from './kube/resources.ts';
import { systemClock } from '../core/process/system-clock.ts';
import { ActionShell } from './reconcile/action-shell.ts';
import { AdminClient } from './reconcile/admin-client.ts';
import { ChannelReconciler } from './reconcile/channel-reconciler.ts';
import { Children, controllerOf } from './reconcile/children.ts';
import { ControllerTelemetry } from './reconcile/controller-telemetry.ts';
import { DocumentKeeper } from './reconcile/document-keeper.ts';
import { FirstPoolReconciler } from './reconcile/first-pool-reconciler.ts';
import { KnownPolicies } from './reconcile/known-policies.ts';
import { exportPoolMetrics } from './reconcile/pool-metrics.ts';
import { PoolOperations } from './reconcile/pool-operations.ts';
import { PoolReconciler } from './reconcile/pool-reconciler.ts';
import { PoolSecretsKeeper, type ProvenKey } from './reconcile/pool-secrets.ts';
import { PoolStatusWriter } from './reconcile/pool-status.ts';
import { Polls } from './reconcile/polls.ts';
import { Pushes } from './reconcile/pushes.ts';
import { StatusApplier } from './reconcile/status-applier.ts';
import { tracedReconcile } from './reconcile/traced-reconcile.ts';
import { Strays } from './reconcile/strays.ts';
import { Stores } from './reconcile/stores.ts';
import { Controller } from './runtime/controller.ts';
import { candidateOf } from './runtime/election.ts';
import type { Reconcile } from './runtime/outcome.ts';
import { Reachability } from './runtime/reachability.ts';

export interface OperatorOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly source: KubeSource;
  /** Called when this process has lost the lead. The process must end at once and release nothing. */
  readonly onLost: (reason: string) => void;
  /** Admin port of the pods. Absent: the product's own; tests set another. */
  readonly adminPort?: number;
  /** Milliseconds between two reviews of every pool, in case a change was missed. Absent: ten minutes. */
  readonly resyncMs?: number;
}

const pollIntervalMs = 1_000;
const pollsAtOnce = 32;
/**
 * Polls a second for all pods together. A thousand gateways are polled every 4 s: their load moves slowly. A push to a
 * gateway never waits for its poll.
 */
const pollsPerSecondMax = 250;
const poolWorkers = 10;
/**
 * Milliseconds between two reconciles of one pool. A new or leaving gateway changes its pod, its endpoints and its poll
 * within a moment; one reconcile sees all three.
 */
const paceMs = 250;
/**
 * Milliseconds between two reconciles of one pool's channels. During a push every gateway changes `InForce`; one status
 * write covers several gateways.
 */
const channelPaceMs = 1_000;
/**
 * Milliseconds for running reconciles when the process stops; then their requests end. What is left undone is the next
 * leader's.
 */
const stopGraceMs = 2_000;
/**
 * Longest time of a stop, in milliseconds: reconciles, events and the release of the Lease, each with its own limit. It
 * is within the chart's `terminationGracePeriodSeconds`.
 */
const closeMsMax = 30_000;
/** Milliseconds for queued events when the process stops. The next leader waits for as long. */
const eventsGraceMs = 2_000;
/** Milliseconds for documents that were pushed and not written yet, when the process stops. */
const documentsGraceMs = 2_000;
const defaultResyncMs = 600_000;

/**
 * The operator watches, waits until it leads, and then keeps pools and channels as their specs say. A replica that does
 * not lead is ready too, and only watches.
 */
export class Operator implements Running {
  readonly closeMsMax = closeMsMax;
  readonly #options: OperatorOptions;
  readonly #journal: OperatorJournal;
  readonly #registry: Registry;
  readonly #tracing: Tracing;
  readonly #leaving = new AbortController();
  readonly #election: LeaderElection;
  readonly #connection: KubeConnection;
  readonly #stores: Stores;
  readonly #polls: Polls;
  readonly #recorder: EventRecorder;
  readonly #documents: DocumentKeeper;
  readonly #reconciler: PoolReconciler;
  readonly #pools: Controller;
  readonly #channels: Controller;
  /** Absent: no ConfigMap asks for a pool. */
  readonly #firstPool: Controller | undefined;
  readonly #servers: AdminServer[] = [];
  #page: OperationsPage | undefined;
  #watching: Promise<void> | undefined;
  #callOffResync: (() => void) | undefined;

  private constructor(options: OperatorOptions, registry: Registry, tracing: Tracing) {
    const { settings, source } = options;
    const { tracer } = tracing;
    this.#options = options;
    this.#registry = registry;
    this.#tracing = tracing;
    collectProcessMetrics(this.#registry);
    const clock = systemClock;
    const journal = operatorJournal(options.logger, clock);
    this.#journal = journal;
    const random = Math.random;
    const metrics = new ClientMetrics(this.#registry);
    this.#connection = new KubeConnection(source);
    const lease = { namespace: settings.operatorNamespace, name: settings.operatorLease };
    const nonce = `${process.pid}-${Math.floor(random() * 1e9).toString(36)}`;
    const candidate = candidateOf({ name: settings.operatorName, podUid: settings.podUid, nonce });
    const reachability = new Reachability(clock);
    const own = { connection: this.#connection.separate(), reachability };
    this.#election = new LeaderElection({ ...own, lease, candidate, clock, random, journal, metrics });
    const client = new KubeClient({
      reachability,
      connection: this.#connection,
      clock,
      metrics,
      random,
      rate: { ratePerSecond: settings.operatorApiRate, burst: 2 * settings.operatorApiRate },
      mayWrite: () => this.#election.isLeader,
      tracer,
    });
    const api = new ApiServer(client);
    this.#stores = new Stores({ client, clock, random, journal, metrics, namespaces: settings.operatorWatchNamespaces });
    const admin = new AdminClient(options.adminPort ?? ports.admin);
    this.#polls = new Polls({
      pods: () => this.#stores.poolPods(),
      ask: (address) => admin.status(address),
      changed: (pool) => this.#enqueue(pool),
      clock,
      intervalMs: pollIntervalMs,
      perSecondMax: pollsPerSecondMax,
      concurrency: pollsAtOnce,
    });
    const children = new Children(api);
    const pushes = new Pushes((address, body, msMax) => admin.putPool(address, body, msMax));
    pushes.export(this.#registry);
    exportPoolMetrics(this.#registry, { pools: () => this.#stores.pools.all(), isLeader: () => this.#election.isLeader });
    const policies = new KnownPolicies();
    this.#documents = new DocumentKeeper({ children, pushes, clock });
    const known = (namespace: string, name: string) => this.#stores.child(resources.secret, namespace, name);
    const isProven: ProvenKey = ({ metadata: { namespace, name } }, publicKey) => {
      const document = this.#stores.child(resources.configMap, namespace, `${name}-pool`);
      return document !== undefined && controllerOf(document) === undefined && this.#documents.read(document, publicKey) !== undefined;
    };
    this.#recorder = new EventRecorder({ client, clock, journal, metrics, instance: settings.operatorName });
    const statuses = new StatusApplier({ api, recorder: this.#recorder, journal });
    this.#reconciler = new PoolReconciler({
      stores: this.#stores,
      secrets: new PoolSecretsKeeper({ api, known, versionOf: (namespace, name) => this.#stores.secretVersion(namespace, name), isProven }),
      children,
      documents: this.#documents,
      policies,
      strays: new Strays({ api, stores: this.#stores, clock }),
      actions: new ActionShell({ api, admin, clock, journal }),
      status: new PoolStatusWriter({ statuses, stores: this.#stores, polls: this.#polls }),
      polls: this.#polls,
      recorder: this.#recorder,
      clock,
      journal,
      tracer,
      image: settings.operatorImage,
      adminPeers: { operatorNamespace: settings.operatorNamespace, metricsNamespaces: settings.operatorMetricsNamespaces },
    });
    const channels = new ChannelReconciler({ stores: this.#stores, statuses, polls: this.#polls, clock, policies });
    const shared = { workers: poolWorkers, clock, observer: new ControllerTelemetry(this.#registry, journal) };
    const controller = (name: string, reconcile: Reconcile, pace: number): Controller =>
      new Controller({ ...shared, name, reconcile: tracedReconcile(tracer, name, reconcile), paceMs: pace });
    this.#pools = controller('gatewaypool', this.#reconciler.reconcile, paceMs);
    this.#channels = controller('barragechannel', channels.reconcile, channelPaceMs);
    if (settings.operatorFirstPool !== '') {
      const first = new FirstPoolReconciler({ api, journal });
      this.#firstPool = controller('firstpool', first.reconcile, paceMs);
      const [namespace] = settings.operatorFirstPool.split('/');
      this.#stores.pools.onChange((change) => {
        if (change.kind === 'deleted' && change.previous.metadata.namespace === namespace) this.#enqueueFirst();
      });
    }
    this.#stores.onPoolChange((pool) => this.#enqueue(pool));
    this.#stores.partitions.onWhole(() => this.#review());
    // Keys that failed during an outage wait out their back-off: the API server is back, so they are tried now.
    reachability.onReturn(() => this.#review());
  }

  /**
   * Serves the probes, watches, and stands for election.
   * @throws where a port is taken or no source names the API server
   */
  static async start(options: OperatorOptions): Promise<Operator> {
    const { settings, logger } = options;
    const registry = new Registry();
    const traces = { part: 'operator', instance: settings.operatorName, sampler: 'parentbased_always_on' } as const;
    const tracing = await startTracing({ settings, ...traces, registry, logger });
    const operator = new Operator(options, registry, tracing);
    await operator.#serve();
    operator.#watching = operator.#stores.run(operator.#leaving.signal);
    operator.#lead().catch((error: unknown) => options.onLost(error instanceof Error ? error.message : String(error)));
    return operator;
  }

  get isLeader(): boolean {
    return this.#election.isLeader;
  }

  /** The port of metrics and of the operations page. */
  get metricsPort(): number {
    return this.#servers[1]?.port ?? 0;
  }

  /** For tests: whether no reconcile runs and no key waits, delayed keys aside. */
  get isIdle(): boolean {
    return this.#pools.isIdle && this.#channels.isIdle;
  }

  /** For tests: how many pools, documents, children and pods the memory holds. */
  get remembered(): PoolReconciler['remembered'] & { readonly pods: number } {
    return { ...this.#reconciler.remembered, pods: this.#polls.size };
  }

  async close(): Promise<void> {
    this.#callOffResync?.();
    this.#polls.stop();
    await Promise.all([this.#pools, this.#channels, this.#firstPool].map(async (controller) => controller?.stop(stopGraceMs)));
    // Before the Lease is released: without the lead this process may not write.
    await Promise.all([this.#recorder.close(eventsGraceMs), this.#documents.flush(AbortSignal.timeout(documentsGraceMs))]);
    await this.#election.stop();
    this.#leaving.abort();
    await this.#watching;
    this.#connection.close();
    this.#page?.close();
    await Promise.all(this.#servers.map((server) => server.close()));
    await this.#tracing.close();
  }

  #operationsPage(): OperationsPage {
    const { settings } = this.#options;
    const source = new PoolOperations({
      stores: this.#stores,
      polls: this.#polls,
      decisionOf: (pool) => this.#reconciler.decisionOf(pool),
      isLeader: () => this.#election.isLeader,
      leader: () => this.#election.leader,
      registry: this.#registry,
      clock: systemClock,
      name: settings.operatorName,
    });
    const place = { host: settings.operatorHost, isAdminPort: true };
    return new OperationsPage({ source, place, registry: this.#registry, clock: systemClock });
  }

  /**
   * Stands for election once every readable namespace has been read, and begins as soon as it leads. The wait for the
   * API server has no limit: a restarted process would wait too, and for the kubelet's back-off as well.
   */
  async #lead(): Promise<void> {
    const { onLost } = this.#options;
    const { signal } = this.#leaving;
    await this.#stores.partitions.enough;
    this.#election.start();
    await this.#election.elected;
    if (signal.aborted) return;
    void this.#election.lost.then(onLost);
    this.#polls.start();
    this.#pools.start();
    this.#channels.start();
    this.#firstPool?.start();
    this.#resync();
  }

  #resync(): void {
    this.#review();
    this.#callOffResync = systemClock.after(this.#options.resyncMs ?? defaultResyncMs, () => this.#resync());
  }

  #review(): void {
    this.#enqueueFirst();
    for (const { metadata } of this.#stores.pools.all()) this.#enqueue(`${metadata.namespace}/${metadata.name}`);
    for (const channel of this.#stores.channels.all()) this.#enqueue(poolKeyOf(channel));
  }

  #enqueueFirst(): void {
    this.#firstPool?.enqueue(this.#options.settings.operatorFirstPool);
  }

  /**
   * @param pool `namespace/name`. A pool waits until its namespace has been read whole: pods that are not known yet may
   * exist.
   */
  #enqueue(pool: string): void {
    if (!this.#stores.partitions.isWhole(pool.slice(0, pool.indexOf('/')))) return;
    this.#pools.enqueue(pool);
    this.#channels.enqueue(pool);
  }

  async #serve(): Promise<void> {
    const { settings } = this.#options;
    const sources = { registry: this.#registry, waitingFor: () => this.#stores.waitingFor() };
    const host = settings.operatorHost;
    const page = this.#operationsPage();
    this.#page = page;
    const keepAliveMs = settings.httpKeepAliveMs;
    this.#servers.push(await startAdminServer(sources, { host, port: settings.operatorProbePort, keepAliveMs }));
    this.#servers.push(await startAdminServer(sources, { host, port: settings.operatorMetricsPort, keepAliveMs }, { pages: page }));
    const [probes, metrics] = this.#servers;
    this.#journal.write('operator-listens', { host, port: probes?.port, metricsPort: metrics?.port, server: this.#connection.server });
  }
}

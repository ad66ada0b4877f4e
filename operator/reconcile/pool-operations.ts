import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import type { Registry } from 'prom-client';
import type { Clock } from '../../core/clock.ts';
import type { AdminStatus } from '../../core/pool/admin-status.ts';
import { Placement } from '../../core/pool/placement.ts';
import type { PoolDocument } from '../../core/pool/pool-document.ts';
import type { OperationsSource } from '../../ops/operations-page.ts';
import { RegistryReader } from '../../ops/registry-reader.ts';
import { History, type HistoryEvent } from '../../ops/view/history.ts';
import { figuresOf, type Readings } from '../../ops/view/readings.ts';
import type { Figures } from '../../ops/view/series.ts';
import { poolsMax, type PoolRow, type PoolView, type Snapshot } from '../../ops/view/snapshot.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import { storedConditions } from '../decide/conditions.ts';
import { isAvailable } from '../decide/observed.ts';
import { names } from '../desired/labels.ts';
import type { PoolDecision } from './pool-memories.ts';
import { gatewayRow, placedChannels, publisherRow, type AnsweringPod } from './pool-rows.ts';
import { observeGateway, observePoll, type PoolPod } from './pod-view.ts';
import { unixTimeOf, type Polls } from './polls.ts';
import type { Stores } from './stores.ts';

export interface PoolOperationsOptions {
  readonly stores: Pick<Stores, 'pools' | 'podsOf' | 'waitingFor'>;
  readonly polls: Pick<Polls, 'of' | 'unansweredSince'>;
  readonly decisionOf: (pool: string) => PoolDecision | undefined;
  readonly isLeader: () => boolean;
  /** Name of the operator that leads; empty where it is not known. */
  readonly leader: () => string;
  readonly registry: Registry;
  readonly clock: Pick<Clock, 'monotonic' | 'wall'>;
  /** Name of this operator. */
  readonly name: string;
}

/** The sums of a pool's gateways. */
interface PoolSums {
  readonly connections: number;
  readonly subscriptions: number;
  readonly rooms: number;
  readonly bytes: number;
  readonly ready: number;
  readonly desired: number;
  readonly draining: number;
}

/**
 * The operations page of an operator: its pools, and of one pool everything, by the answers that it polls anyway. The
 * page costs no request. Histories are kept for `poolsMax` pools.
 */
export class PoolOperations implements OperationsSource {
  readonly #options: PoolOperationsOptions;
  readonly #reader: RegistryReader;
  readonly #startedAt: number;
  readonly #histories = new Map<string, { readonly uid: string; readonly history: History }>();
  #own: Figures = {};
  #queued = 0;
  #sampledAt = 0;
  #before: { readonly at: number; readonly readings: Readings; readonly loop: EventLoopUtilization } | undefined;
  #placement:
    | { readonly document: PoolDocument; readonly placement: Placement; readonly homes: Map<string, string | undefined> }
    | undefined;

  constructor(options: PoolOperationsOptions) {
    this.#options = options;
    this.#reader = new RegistryReader(options.registry);
    this.#startedAt = options.clock.wall() - Math.round(performance.now());
  }

  async sample(): Promise<void> {
    const { clock } = this.#options;
    const [reconciles, reconcileErrors, queued] = await Promise.all([
      this.#reader.sum('controller_runtime_reconcile_total'),
      this.#reader.sum('controller_runtime_reconcile_errors_total'),
      this.#reader.sum('workqueue_depth'),
    ]);
    this.#queued = queued ?? 0;
    const readings = { now: {}, totals: { reconciles: reconciles ?? 0, reconcileErrors: reconcileErrors ?? 0 }, distributions: {} };
    const [at, loop, before] = [clock.monotonic(), performance.eventLoopUtilization(), this.#before];
    this.#own = {
      ...figuresOf(before?.readings, readings, before === undefined ? 0 : (at - before.at) / 1000),
      busy: before === undefined ? null : performance.eventLoopUtilization(loop, before.loop).utilization,
      memory: process.memoryUsage.rss(),
    };
    this.#before = { at, readings, loop };
    this.#sampledAt = clock.wall();
    const pools = this.#shownPools();
    for (const [key, pool] of pools) this.#historyOf(key, pool).add(this.#sampledAt, { ...this.#own, ...this.#figuresOf(key) });
    for (const key of this.#histories.keys()) if (!pools.has(key)) this.#histories.delete(key);
    // Without a pool the operator's own figures are still worth a look.
    if (pools.size === 0) this.#historyOf('', undefined).add(this.#sampledAt, this.#own);
  }

  history(topic: string): HistoryEvent {
    const key = this.#chosen(topic) ?? '';
    return (this.#histories.get(key)?.history ?? new History()).toEvent();
  }

  snapshot(topic: string): Snapshot {
    const { clock, stores, name } = this.#options;
    const isLeader = this.#options.isLeader();
    const key = this.#chosen(topic);
    // A replica that stands by asks no gateway.
    const pool = key === undefined || !isLeader ? undefined : stores.pools.get(key);
    return {
      at: clock.wall(),
      process: { role: 'operator', name, startedAt: this.#startedAt, waitingFor: stores.waitingFor() },
      sampledAt: this.#sampledAt,
      figures: { ...this.#own, ...(key === undefined ? {} : this.#figuresOf(key)) },
      operator: {
        isLeader,
        leader: this.#options.leader(),
        queued: this.#queued,
        pools: isLeader ? Array.from(this.#shownPools(), ([each, object]) => this.#poolRow(each, object)) : [],
        poolCount: stores.pools.all().length,
        ...(pool === undefined || key === undefined ? {} : { pool: this.#poolView(key, pool) }),
      },
    };
  }

  /** The pool that a page asks for, or the only one. */
  #chosen(topic: string): string | undefined {
    if (this.#options.stores.pools.get(topic) !== undefined) return topic;
    const [only, ...others] = this.#shownPools().keys();
    return others.length === 0 ? only : undefined;
  }

  #shownPools(): ReadonlyMap<string, GatewayPool> {
    const all = this.#options.stores.pools.all().map((pool) => [`${pool.metadata.namespace}/${pool.metadata.name}`, pool] as const);
    return new Map(all.toSorted(([one], [other]) => (one < other ? -1 : 1)).slice(0, poolsMax));
  }

  #historyOf(key: string, pool: GatewayPool | undefined): History {
    const uid = pool?.metadata.uid ?? '';
    const known = this.#histories.get(key);
    if (known?.uid === uid) return known.history;
    const history = new History();
    this.#histories.set(key, { uid, history });
    return history;
  }

  #statusesOf(key: string): readonly AdminStatus[] {
    return this.#options.stores.podsOf(key).flatMap(({ metadata }) => this.#options.polls.of(metadata.uid)?.status ?? []);
  }

  #figuresOf(key: string): Figures {
    return this.#options.isLeader() ? this.#sumsOf(key) : {};
  }

  #sumsOf(key: string): PoolSums {
    const sums = { connections: 0, subscriptions: 0, rooms: 0, bytes: 0, ready: 0, draining: 0 };
    for (const pod of this.#options.stores.podsOf(key)) {
      if (!isGateway(pod)) continue;
      const status = this.#options.polls.of(pod.metadata.uid)?.status;
      const standing = standingOf(pod);
      if (standing !== 'other') sums[standing]++;
      if (status === undefined) continue;
      sums.connections += status.connections;
      sums.subscriptions += status.subscriptions;
      sums.rooms += status.rooms;
      sums.bytes += status.bytesSentPerSecond;
    }
    return { ...sums, desired: this.#desiredOf(key) };
  }

  #desiredOf(key: string): number {
    return this.#options.decisionOf(key)?.scaling.desired ?? this.#options.stores.pools.get(key)?.status?.desiredReplicas ?? 0;
  }

  #poolRow(key: string, pool: GatewayPool): PoolRow {
    const { connections, ready, desired, draining } = this.#sumsOf(key);
    const condition = storedConditions(pool.status ?? {}).find(({ type }) => type === 'Ready');
    const message = condition?.message ?? 'The operator has not written its status yet.';
    return { key, connections, ready, desired, draining, isReady: condition?.status === 'True', message };
  }

  #poolView(key: string, pool: GatewayPool): PoolView {
    const { clock, stores } = this.#options;
    const decision = this.#options.decisionOf(key);
    const pods = stores.podsOf(key).toSorted((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
    const weights = new Map(decision?.document?.gateways.map(({ uid, weight }) => [uid, weight]));
    const about = { weights, updateRevision: decision?.updateRevision, now: clock.wall() };
    const nodeOf = (pod: PoolPod): string | undefined => (pod.spec as { readonly nodeName?: string } | undefined)?.nodeName;
    return {
      key,
      conditions: storedConditions(pool.status ?? {}).map(({ type, status, reason, message, lastTransitionTime: since }) => ({
        type,
        status,
        reason,
        message,
        since,
      })),
      ...(decision === undefined
        ? {}
        : {
            scaling: {
              at: decision.at,
              desired: decision.scaling.desired,
              reason: decision.scaling.reason,
              type: pool.spec.scaling.type,
              ...(decision.scaling.limited === undefined ? {} : { limited: decision.scaling.limited }),
            },
          }),
      documentEpoch: decision?.document?.epoch ?? 0,
      gateways: pods.filter(isGateway).map((pod) => gatewayRow(this.#answering(pod), { ...about, node: nodeOf(pod) })),
      publishers: pods.filter((pod) => !isGateway(pod)).map((pod) => publisherRow(this.#answering(pod))),
      channels: placedChannels(this.#statusesOf(key), this.#homesOf(decision?.document)),
    };
  }

  #answering(pod: PoolPod): AnsweringPod {
    const { polls, clock } = this.#options;
    const { uid } = pod.metadata;
    const poll = polls.of(uid);
    const silentSince = polls.unansweredSince(uid);
    const polled = poll === undefined ? undefined : observePoll(poll.status, unixTimeOf(clock, poll.at));
    const unansweredSince = silentSince === undefined ? undefined : unixTimeOf(clock, silentSince);
    return {
      observed: observeGateway(pod, polled, { unansweredSince }),
      status: poll?.status,
      ageMs: poll === undefined ? undefined : Math.round(clock.monotonic() - poll.at),
    };
  }

  /** Placement is computed once for each document, and each channel once. */
  #homesOf(document: PoolDocument | undefined): (channel: string) => string | undefined {
    if (document === undefined) return () => undefined;
    if (this.#placement?.document !== document) this.#placement = { document, placement: new Placement(document), homes: new Map() };
    const { placement, homes } = this.#placement;
    if (homes.size > homesMax) homes.clear();
    return (channel) => {
      if (!homes.has(channel)) homes.set(channel, placement.of(channel)[0]?.name);
      return homes.get(channel);
    };
  }
}

/** What pods in the stores are doing: such a pod never changes. */
const standings = new WeakMap<PoolPod, 'draining' | 'ready' | 'other'>();

function standingOf(pod: PoolPod): 'draining' | 'ready' | 'other' {
  const known = standings.get(pod);
  if (known !== undefined) return known;
  const observed = observeGateway(pod, undefined);
  const standing = observed.drain !== undefined ? 'draining' : isAvailable(observed) ? 'ready' : 'other';
  standings.set(pod, standing);
  return standing;
}

/** Most channels whose gateway is remembered. */
const homesMax = 1_000;

function isGateway({ metadata }: PoolPod): boolean {
  return metadata.labels?.[names.label.component] !== 'publisher';
}

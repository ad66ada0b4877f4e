import { ReplyError } from 'ioredis';
import { withDeadline } from '../bus/deadline.ts';
import type { RedisNode, RedisPlaces } from './access.ts';
import { Redis } from './client.ts';
import { noClusterNode } from './server-answers.ts';
import type { SingleMaster } from './single-master.ts';
import { mergeViews, nodeAt, readClusterNodes, sameOwners, type ClusterView } from './slots.ts';
import type { RedisSurroundings } from './surroundings.ts';
import { reasonOf } from '../process/sparse-log.ts';

const pollIntervalMs = 1000;
/** Longest wait for one node's view, in milliseconds. A hung node must not delay the views of others. */
const viewTimeoutMs = 500;
/** Longest wait for the first round, in milliseconds. */
const firstRoundMs = 1000;
/** Least time between two rounds, in milliseconds: while slots move, every message can ask for a round. */
const roundPauseMs = 200;

/**
 * Maps slots to masters. Each second one master is asked. All are asked when its answer has changed, or when a command
 * met a move. When no master can be asked, the addresses of the settings are.
 */
export class ClusterTopology {
  readonly #places: RedisPlaces;
  readonly #surroundings: RedisSurroundings;
  readonly #connected: () => ReadonlyMap<string, SingleMaster>;
  readonly #onChange: (owners: readonly (string | undefined)[]) => void;
  /** Settles when the first round has ended, with any result, or takes too long. */
  readonly known: Promise<void>;
  #stopTimer: () => void = () => undefined;
  #owners: readonly (string | undefined)[] = [];
  #fault = 'connecting to the Redis Cluster';
  /** The round under way, and the next one for calls during it. */
  #round: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #closed = false;

  constructor(options: {
    readonly places: RedisPlaces;
    readonly surroundings: RedisSurroundings;
    /** The connected masters, by address. */
    readonly connected: () => ReadonlyMap<string, SingleMaster>;
    readonly onChange: (owners: readonly (string | undefined)[]) => void;
  }) {
    this.#places = options.places;
    this.#surroundings = options.surroundings;
    this.#connected = options.connected;
    this.#onChange = options.onChange;
    this.known = withDeadline(this.refresh(), firstRoundMs, this.#surroundings.clock).then(() => undefined);
    this.#schedule();
  }

  /** The reason that no master is known, in words. */
  get fault(): string {
    return this.#fault;
  }

  /** Asks all masters. The views are taken after the call. Never fails. */
  refresh(): Promise<void> {
    if (this.#round === undefined) return this.#begin();
    this.#next ??= this.#round.then(async () => {
      await new Promise<void>((resolve) => this.#surroundings.clock.after(roundPauseMs, resolve));
      this.#next = undefined;
      await this.refresh();
    });
    return this.#next;
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
  }

  #schedule(): void {
    // The jitter keeps gateways from asking in step.
    const { clock, random } = this.#surroundings;
    this.#stopTimer = clock.after(pollIntervalMs * (0.75 + random() / 4), () => void this.#poll());
  }

  async #poll(): Promise<void> {
    const connected = [...this.#connected()].filter(([, master]) => master.state.up);
    const chosen = connected[Math.floor(this.#surroundings.random() * connected.length)];
    const view = chosen === undefined ? undefined : await this.#viewOf(...chosen);
    if (view === undefined || !sameOwners(mergeViews([view]), this.#owners)) await this.refresh();
    if (!this.#closed) this.#schedule();
  }

  #begin(): Promise<void> {
    const round = this.#ask().finally(() => {
      if (this.#round === round) this.#round = undefined;
    });
    this.#round = round;
    return round;
  }

  async #ask(): Promise<void> {
    if (this.#closed) return;
    const answers = await Promise.all(Array.from(this.#connected(), ([address, master]) => this.#viewOf(address, master)));
    let views = answers.filter((view) => view !== undefined);
    if (views.length === 0) views = await this.#seedViews();
    if (this.#closed || views.length === 0) return;
    const owners = mergeViews(views);
    if (owners.every((owner) => owner === undefined)) this.#fault = 'no master of the Redis Cluster has slots';
    if (sameOwners(owners, this.#owners)) return;
    this.#owners = owners;
    this.#onChange(owners);
  }

  async #viewOf(address: string, master: SingleMaster): Promise<ClusterView | undefined> {
    if (!master.state.up) return undefined;
    const asked = master.run(address, async ({ client }) => clusterNodes(client));
    const outcome = await withDeadline(
      asked.catch(() => undefined),
      viewTimeoutMs,
      this.#surroundings.clock,
    );
    return outcome.kind === 'late' || outcome.value === undefined ? undefined : this.#read(outcome.value, nodeAt(address));
  }

  /** The view of the first of the settings' addresses to answer. */
  async #seedViews(): Promise<ClusterView[]> {
    try {
      return [await Promise.any(this.#places.nodes.map((node) => this.#seedView(node)))];
    } catch (error) {
      const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
      const reason = reasonOf(first);
      const words = viewFault(first, reason);
      this.#fault = `Redis: ${words}`;
      this.#surroundings.errors.warn(words);
      return [];
    }
  }

  async #seedView(node: RedisNode): Promise<ClusterView> {
    const client = new Redis({
      ...this.#places.login,
      ...node,
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      maxRetriesPerRequest: 0,
      connectTimeout: viewTimeoutMs,
      commandTimeout: viewTimeoutMs,
      retryStrategy: null,
    });
    let fault: unknown;
    client.on('error', (error: Error) => (fault = error));
    try {
      await client.connect();
      return this.#read(await clusterNodes(client), node);
    } catch (error) {
      throw fault ?? error;
    } finally {
      client.disconnect();
    }
  }

  #read(answer: string, asked: RedisNode): ClusterView {
    return readClusterNodes(answer, asked, this.#places.login.tls !== undefined);
  }
}

/** The reason that a node gave no view, in words. */
function viewFault(error: unknown, reason: string): string {
  if (reason.includes('cluster support disabled')) return noClusterNode;
  const isRefusal = error instanceof ReplyError && /^(?:ERR|NOPERM)\b/.test(reason);
  return isRefusal ? `the server does not answer CLUSTER NODES, which BARRAGE_REDIS_MODE=Cluster needs: ${reason}` : reason;
}

async function clusterNodes(client: Redis): Promise<string> {
  return (await client.call('CLUSTER', 'NODES')) as string;
}

import { ApiError } from '../runtime/api-error.ts';
import type { Clock } from '../../core/clock.ts';
import {
  defaultElectionTimes,
  leads,
  nextStep,
  nothingObserved,
  observed,
  type Candidate,
  type ElectionState,
  type ElectionTimes,
  type LeaseRecord,
} from '../runtime/election.ts';
import type { KubeObject, ObjectRef } from '../runtime/kube-api.ts';
import { microTime } from '../runtime/micro-time.ts';
import type { Reachability } from '../runtime/reachability.ts';
import type { OperatorJournal } from './log-lines.ts';
import { KubeClient } from './client.ts';
import type { ClientMetrics } from './client-metrics.ts';
import type { KubeConnection } from './connection.ts';
import { collectionPath, objectPath, resources } from './resources.ts';

interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export interface LeaderElectionOptions {
  /** A connection for this alone: a renewal must not wait for other requests. `stop` closes it. */
  readonly connection: KubeConnection;
  readonly lease: ObjectRef;
  readonly candidate: Candidate;
  readonly clock: Clock;
  readonly random: () => number;
  readonly journal: OperatorJournal;
  readonly metrics: ClientMetrics;
  readonly times?: ElectionTimes;
  /** Shared by all clients of a process. Absent: the election has its own. */
  readonly reachability?: Reachability;
}

/**
 * Stands for election until it leads, then leads until it is stopped or loses. An instance has one life: after a loss
 * the process must end.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #times: ElectionTimes;
  readonly #client: KubeClient;
  readonly #leaving = new AbortController();
  readonly #elected = Promise.withResolvers<void>();
  readonly #lost = Promise.withResolvers<string>();
  #state: ElectionState = nothingObserved;
  #lease: Lease | undefined;
  #hasLost = false;
  /**
   * Whether the Lease must be read before the next write. A leader that knows the Lease renews it without a read; after
   * a refusal it reads.
   */
  #mustRead = true;
  #callOffDeadline = (): void => {};
  #run: Promise<void> | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#times = options.times ?? defaultElectionTimes;
    const { connection, clock, random, metrics, reachability } = options;
    const timeoutMs = Math.max(1000, this.#times.renewDeadlineMs / 2);
    const rate = { ratePerSecond: 20, burst: 20 };
    const shared = reachability === undefined ? {} : { reachability };
    this.#client = new KubeClient({ connection, clock, random, metrics, timeoutMs, rate, ...shared });
    metrics.leading(options.lease.name, false);
  }

  /** Resolves when this process leads. */
  get elected(): Promise<void> {
    return this.#elected.promise;
  }

  /** Resolves with the reason when this process has lost the lead. The process must end then, and release nothing. */
  get lost(): Promise<string> {
    return this.#lost.promise;
  }

  /** Whether this process may act as the leader now. */
  get isLeader(): boolean {
    return !this.#hasLost && leads(this.#state, this.#times, this.#options.clock.monotonic());
  }

  /** Name of the process that holds the Lease, as it was last read; empty: nobody, or it was not read yet. */
  get leader(): string {
    // An identity begins with the name, and a name has no `_`.
    return this.#state.record?.holder.split('_', 1)[0] ?? '';
  }

  start(): void {
    this.#run = this.#stand();
  }

  /**
   * Stops standing for election. A leader releases the Lease, so that another can lead at once; all that it led must
   * have ended before.
   */
  async stop(): Promise<void> {
    this.#leaving.abort();
    await this.#run;
    this.#callOffDeadline();
    if (this.isLeader && this.#lease !== undefined) {
      try {
        await this.#write({
          ...this.#lease.spec,
          holderIdentity: '',
          leaseDurationSeconds: 1,
          renewTime: microTime(this.#options.clock.wall()),
        });
      } catch (error) {
        this.#options.journal.writeTrouble('lease-kept', '', error, { lease: this.#options.lease.name });
      }
    }
    this.#state = nothingObserved;
    this.#options.metrics.leading(this.#options.lease.name, false);
    this.#options.connection.close();
  }

  async #stand(): Promise<void> {
    const { clock, candidate, random, journal, lease } = this.#options;
    const { signal } = this.#leaving;
    while (!signal.aborted && !this.#hasLost) {
      let pauseMs = this.#times.retryMs * (this.#state.renewedAt === undefined ? 1 + 0.2 * random() : 1);
      try {
        if (this.#mustRead || this.#state.renewedAt === undefined) await this.#read();
        const step = nextStep(this.#state, candidate, this.#times, clock.monotonic());
        if (signal.aborted) return;
        if (step.kind === 'lost') return this.#lose(step.reason);
        if (step.kind === 'wait') pauseMs = Math.min(pauseMs, Math.max(1, step.forMs));
        else await this.#take(step.kind);
      } catch (error) {
        if (signal.aborted) return;
        this.#mustRead = true;
        journal.writeTrouble('lease-unreached', '', error, { lease: lease.name, isLeader: this.isLeader });
      }
      await this.#client.reachability.pause(pauseMs, signal);
    }
  }

  async #read(): Promise<void> {
    try {
      this.#lease = (await this.#client.request({
        verb: 'get',
        path: objectPath(resources.lease, this.#options.lease),
        signal: this.#leaving.signal,
      })) as Lease;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      this.#lease = undefined;
    }
    this.#mustRead = false;
    this.#state = observed(this.#state, recordOf(this.#lease), this.#options.clock.monotonic());
  }

  async #take(step: 'create' | 'acquire' | 'renew'): Promise<void> {
    const { clock, candidate, lease, journal, metrics } = this.#options;
    const { identity } = candidate;
    const sentAt = clock.monotonic();
    const written = microTime(clock.wall());
    const spec = this.#lease?.spec;
    const terms = { holderIdentity: identity, leaseDurationSeconds: Math.ceil(this.#times.leaseDurationMs / 1000), renewTime: written };
    const transitions = (spec?.leaseTransitions ?? -1) + 1;
    await this.#write(step === 'renew' ? { ...spec, ...terms } : { ...terms, acquireTime: written, leaseTransitions: transitions });
    // A late answer does not count: the other candidates may have stopped waiting.
    if (this.#hasLost) return;
    const isNew = this.#state.renewedAt === undefined;
    this.#state = observed(this.#state, recordOf(this.#lease), clock.monotonic(), sentAt);
    this.#callOffDeadline();
    const leftMs = sentAt + this.#times.renewDeadlineMs - clock.monotonic();
    this.#callOffDeadline = clock.after(Math.max(0, leftMs), () => this.#lose('the Lease could not be renewed in time'));
    if (!isNew) return;
    journal.write('lead-taken', { lease: lease.name, identity });
    metrics.leading(lease.name, true);
    this.#elected.resolve();
  }

  /**
   * Creates or replaces the Lease. The version that was read guards against the writes of others.
   * @throws ApiError
   */
  async #write(spec: Lease['spec']): Promise<void> {
    const { namespace, name } = this.#options.lease;
    const known = this.#lease;
    const metadata = known === undefined ? { namespace, name } : { namespace, name, resourceVersion: known.metadata.resourceVersion };
    const body = { apiVersion: resources.lease.apiVersion, kind: resources.lease.kind, metadata, spec };
    const path = known === undefined ? collectionPath(resources.lease, namespace) : objectPath(resources.lease, { namespace, name });
    this.#lease = (await this.#client.request({ verb: known === undefined ? 'create' : 'update', path, body })) as Lease;
  }

  #lose(reason: string): void {
    if (this.#hasLost) return;
    this.#hasLost = true;
    this.#callOffDeadline();
    const { metrics, lease } = this.#options;
    metrics.leading(lease.name, false);
    this.#lost.resolve(reason);
  }
}

function recordOf(lease: Lease | undefined): LeaseRecord | undefined {
  if (lease === undefined) return undefined;
  const { holderIdentity = '', leaseDurationSeconds = 1 } = lease.spec ?? {};
  return { holder: holderIdentity, durationMs: leaseDurationSeconds * 1000, version: lease.metadata.resourceVersion ?? '' };
}

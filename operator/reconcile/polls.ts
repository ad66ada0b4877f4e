import type { AdminStatus } from '../../core/admin-status.ts';
import { names } from '../desired/labels.ts';
import type { Clock } from '../runtime/clock.ts';
import { addressOf, type PoolPod } from './pod-view.ts';

/** The newest answer of one pod's admin port. */
export interface Poll {
  /** Milliseconds since 1970, by the operator's clock. */
  readonly at: number;
  readonly status: AdminStatus;
}

export interface PollsOptions {
  /** Every pod of every pool. */
  readonly pods: () => readonly PoolPod[];
  readonly ask: (address: string) => Promise<AdminStatus | undefined>;
  /** Something that the decisions look at has changed for this pool (`namespace/name`). */
  readonly changed: (pool: string) => void;
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Questions under way at once. */
  readonly concurrency: number;
}

/** Asks every running pod for its status again and again. What a pod said last stays, with its age, until the pod is gone. */
export class Polls {
  readonly #options: PollsOptions;
  readonly #polls = new Map<string, Poll>();
  #isClosed = false;
  #callOff: (() => void) | undefined;

  constructor(options: PollsOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#round();
  }

  stop(): void {
    this.#isClosed = true;
    this.#callOff?.();
  }

  /** By pod uid. */
  of(uid: string): Poll | undefined {
    return this.#polls.get(uid);
  }

  /** Pods whose answer is remembered. */
  get size(): number {
    return this.#polls.size;
  }

  async #round(): Promise<void> {
    const { pods, clock, intervalMs, concurrency } = this.#options;
    const all = pods();
    const present = new Set(all.map(({ metadata }) => metadata.uid));
    for (const uid of this.#polls.keys()) if (!present.has(uid)) this.#polls.delete(uid);
    const waiting = all.values();
    const askNext = async (): Promise<void> => {
      for (const pod of waiting) if (!this.#isClosed) await this.#ask(pod);
    };
    await Promise.all(Array.from({ length: concurrency }, askNext));
    if (!this.#isClosed) this.#callOff = clock.after(intervalMs, () => void this.#round());
  }

  async #ask(pod: PoolPod): Promise<void> {
    const { ask, changed, clock } = this.#options;
    const { uid, labels, namespace = '' } = pod.metadata;
    const address = addressOf(pod);
    const pool = labels?.[names.label.pool];
    if (address === undefined || pool === undefined) return;
    const status = await ask(address);
    // An address may have gone to another pod meanwhile: what that one says is not about this one.
    if (status === undefined || status.uid !== uid) return;
    const before = this.#polls.get(uid)?.status;
    this.#polls.set(uid, { at: clock.wallTime(), status });
    if (before === undefined || isNews(before, status)) changed(`${namespace}/${pool}`);
  }
}

/** Whether a decision could come out differently. */
function isNews(before: AdminStatus, now: AdminStatus): boolean {
  return (
    before.ready !== now.ready ||
    before.poolEpoch !== now.poolEpoch ||
    before.policiesHash !== now.policiesHash ||
    before.connections !== now.connections ||
    before.drain.state !== now.drain.state ||
    before.waitingFor.join() !== now.waitingFor.join()
  );
}

import type { AdminStatus } from '../../core/pool/admin-status.ts';
import { silentMs } from '../decide/blocker.ts';
import { names } from '../desired/labels.ts';
import type { Clock } from '../../core/clock.ts';
import { DueHeap } from '../runtime/due-heap.ts';
import { addressOf, hasStarted, type PoolPod } from './pod-view.ts';

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
  /**
   * From one question to a pod to the next, in milliseconds, where it answers in less and there are not too many pods
   * for it.
   */
  readonly intervalMs: number;
  /**
   * Questions a second to all pods together: of more pods than it allows each is asked less often. Absent: no limit.
   */
  readonly perSecondMax?: number;
  /** Questions under way at once. */
  readonly concurrency: number;
}

/**
 * Asks every running pod for its status again and again, each at its own pace. What a pod said last stays, with its
 * age, until the pod is gone.
 *
 * A pod whose node has died takes each question to its time limit. Those that took longer than an interval last time
 * have no more than half of the places, so that however many they are the others are asked as often as ever.
 */
export class Polls {
  readonly #options: PollsOptions;
  readonly #polls = new Map<string, Poll>();
  /** By uid: since when those who have not answered since were asked in vain, in milliseconds since 1970. */
  readonly #silences = new Map<string, { readonly since: number; readonly isTold: boolean }>();
  /** Who is there, by uid: as of the last look. */
  #pods: ReadonlyMap<string, PoolPod> = new Map();
  readonly #due = new DueHeap();
  /** Due, but there was no place for one more slow pod; in order. */
  readonly #heldBack = new Set<string>();
  /** Whose last question took longer than an interval. */
  readonly #slow = new Set<string>();
  /** Questions under way, by uid. */
  readonly #asking = new Set<string>();
  #isClosed = false;
  #callOffLook: (() => void) | undefined;
  #callOffWake: (() => void) | undefined;

  constructor(options: PollsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#look();
  }

  stop(): void {
    this.#isClosed = true;
    this.#callOffLook?.();
    this.#callOffWake?.();
  }

  /** By pod uid. */
  of(uid: string): Poll | undefined {
    return this.#polls.get(uid);
  }

  /**
   * When a pod that has started was first asked in vain, in milliseconds since 1970; `undefined` if it has answered
   * since.
   */
  unansweredSince(uid: string): number | undefined {
    return this.#silences.get(uid)?.since;
  }

  /** Pods of which something is remembered. */
  get size(): number {
    return new Set([...this.#polls.keys(), ...this.#silences.keys(), ...this.#slow, ...this.#heldBack, ...this.#pods.keys()]).size;
  }

  /** Who is new is asked at once; who is gone is forgotten. */
  #look(): void {
    const { pods, clock, intervalMs } = this.#options;
    const now = clock.monotonic();
    const before = this.#pods;
    this.#pods = new Map(pods().map((pod) => [pod.metadata.uid, pod]));
    for (const uid of this.#pods.keys()) if (!before.has(uid)) this.#due.set(uid, now);
    for (const known of [this.#polls, this.#silences, this.#slow, this.#heldBack])
      for (const uid of known.keys()) if (!this.#pods.has(uid)) known.delete(uid);
    this.#callOffLook = clock.after(intervalMs, () => this.#look());
    this.#askDue();
  }

  /** Gives places to who is due, and sets the alarm for the next. */
  #askDue(): void {
    if (this.#isClosed) return;
    const { clock, concurrency } = this.#options;
    const slowMax = Math.max(1, Math.floor(concurrency / 2));
    const slowAsked = (): number => [...this.#asking].filter((uid) => this.#slow.has(uid)).length;
    for (const uid of this.#heldBack) {
      if (this.#asking.size >= concurrency || slowAsked() >= slowMax) break;
      this.#heldBack.delete(uid);
      this.#ask(uid);
    }
    while (this.#asking.size < concurrency) {
      const uid = this.#due.take(clock.monotonic());
      if (uid === undefined) break;
      if (this.#slow.has(uid) && slowAsked() >= slowMax) this.#heldBack.add(uid);
      else this.#ask(uid);
    }
    this.#callOffWake?.();
    const nextAt = this.#due.earliest();
    const hasPlace = this.#asking.size < concurrency;
    this.#callOffWake =
      nextAt === undefined || !hasPlace ? undefined : clock.after(Math.max(0, nextAt - clock.monotonic()), () => this.#askDue());
  }

  #ask(uid: string): void {
    const { clock, intervalMs, perSecondMax = Infinity } = this.#options;
    const askedAt = clock.monotonic();
    const pod = this.#pods.get(uid);
    if (pod === undefined) return;
    const nextAt = askedAt + Math.max(intervalMs, (this.#pods.size * 1000) / perSecondMax);
    const address = addressOf(pod);
    if (address === undefined) {
      this.#due.set(uid, nextAt);
      return;
    }
    this.#asking.add(uid);
    void this.#put(pod, address).finally(() => {
      this.#asking.delete(uid);
      if (clock.monotonic() > askedAt + intervalMs) this.#slow.add(uid);
      else this.#slow.delete(uid);
      if (this.#pods.has(uid)) this.#due.set(uid, Math.max(nextAt, clock.monotonic()));
      else this.#slow.delete(uid);
      this.#askDue();
    });
  }

  async #put(pod: PoolPod, address: string): Promise<void> {
    const { ask, changed, clock } = this.#options;
    const { uid, labels, namespace = '' } = pod.metadata;
    const pool = labels?.[names.label.pool];
    if (pool === undefined) return;
    const askedAt = clock.wall();
    const status = await ask(address);
    if (!this.#pods.has(uid)) return;
    // An address may have gone to another pod meanwhile: what that one says is not about this one.
    const isAnswer = status?.uid === uid;
    const before = this.#polls.get(uid)?.status;
    if (isAnswer) this.#polls.set(uid, { at: clock.wall(), status });
    const hasTurned = this.#keepAccount(pod, askedAt, isAnswer);
    if (hasTurned || (isAnswer && (before === undefined || isNews(before, status)))) changed(`${namespace}/${pool}`);
  }

  /**
   * Remembers since when a pod is silent.
   * @returns whether its silence has become a matter for the decisions, or was one and is over
   */
  #keepAccount(pod: PoolPod, askedAt: number, isAnswer: boolean): boolean {
    const { uid } = pod.metadata;
    const silence = this.#silences.get(uid) ?? { since: askedAt, isTold: false };
    // One that is still starting owes no answer.
    if (isAnswer || !hasStarted(pod)) {
      this.#silences.delete(uid);
      return silence.isTold;
    }
    const tells = !silence.isTold && this.#options.clock.wall() - silence.since >= silentMs;
    this.#silences.set(uid, { since: silence.since, isTold: silence.isTold || tells });
    return tells;
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

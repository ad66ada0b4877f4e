import type { AdminStatus } from '../../core/pool/admin-status.ts';
import { commandTime } from '../decide/command-time.ts';
import { silentMs } from '../decide/observed.ts';
import { names } from '../desired/labels.ts';
import type { Clock } from '../../core/clock.ts';
import { DueHeap } from '../runtime/due-heap.ts';
import { addressOf, hasStarted, type PoolPod } from './pod-view.ts';

/** The newest answer of one pod's admin port. */
export interface Poll {
  /** When the answer came, in milliseconds of the monotonic clock. */
  readonly at: number;
  readonly status: AdminStatus;
}

/** A time of the monotonic clock as Unix milliseconds: its age is right even if the wall clock was set meanwhile. */
export function unixTimeOf(clock: Pick<Clock, 'monotonic' | 'wall'>, at: number): number {
  return clock.wall() - (clock.monotonic() - at);
}

/** When a command to the pod of a poll counts as issued, in Unix milliseconds. */
export function commandTimeOf(poll: Poll | undefined, clock: Pick<Clock, 'monotonic' | 'wall'>): number {
  const { time, drain } = poll?.status ?? {};
  const since = clock.monotonic() - (poll?.at ?? 0);
  return commandTime(clock.wall(), { clock: time === undefined ? undefined : time + since, lastIssuedAt: drain?.commandIssuedAt });
}

export interface PollsOptions {
  /** Every pod of every pool, and no others. */
  readonly pods: () => readonly PoolPod[];
  readonly ask: (address: string) => Promise<AdminStatus | undefined>;
  /** Called with `namespace/name` of a pool when an answer changes something that decisions depend on. */
  readonly changed: (pool: string) => void;
  readonly clock: Clock;
  /**
   * Milliseconds between two questions to one pod. A slow pod, or more pods than `perSecondMax` allows, makes it
   * longer.
   */
  readonly intervalMs: number;
  /**
   * Questions a second to all pods together: more pods are asked less often each. Pods that start or drain share as
   * many again, since others wait for them. Absent: no limit.
   */
  readonly perSecondMax?: number;
  /** Slots: questions under way at once. */
  readonly concurrency: number;
}

/**
 * Asks every running pod for its status again and again, each pod at its own pace. A pod's last answer stays, with its
 * age, until the pod is gone.
 *
 * A question to a pod on a dead node takes until its time limit. Pods that were slow last time share half of the slots,
 * so slow pods never delay the fast ones.
 */
export class Polls {
  readonly #options: PollsOptions;
  readonly #polls = new Map<string, Poll>();
  /**
   * For each silent pod (by uid): when the first question that it did not answer was asked, in milliseconds of the
   * monotonic clock.
   * `isTold`: the decisions have been called because of it.
   */
  readonly #silences = new Map<string, { readonly since: number; readonly isTold: boolean }>();
  /** All pods of the last look, by uid. */
  #pods: ReadonlyMap<string, PoolPod> = new Map();
  readonly #due = new DueHeap();
  /** Due pods (by uid) that wait for a slot of the slow ones, in order. */
  readonly #heldBack = new Set<string>();
  /** Pods (by uid) whose last question took longer than an interval. */
  readonly #slow = new Set<string>();
  /** Pods (by uid) whose last answer is not that of a gateway or publisher that just serves. */
  readonly #unsettled = new Set<string>();
  /** Pods (by uid) whose question is under way. */
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

  /** The newest answer of the pod with this uid. */
  of(uid: string): Poll | undefined {
    return this.#polls.get(uid);
  }

  /**
   * Notes that a pod took a document. Its next answer comes up to seconds later; until then nobody pushes it again.
   */
  tookDocument(uid: string, document: { readonly epoch: number; readonly policiesHash: string }): void {
    const poll = this.#polls.get(uid);
    if (poll === undefined) return;
    const { epoch: poolEpoch, policiesHash } = document;
    this.#polls.set(uid, { at: poll.at, status: { ...poll.status, poolEpoch, policiesHash } });
    const { labels, namespace = '' } = this.#pods.get(uid)?.metadata ?? {};
    const pool = labels?.[names.label.pool];
    // Conditions tell of documents and policies.
    if (pool !== undefined) this.#options.changed(`${namespace}/${pool}`);
  }

  /**
   * For a silent pod that has started: when the first question that it did not answer was asked, in milliseconds of the
   * monotonic clock.
   * `undefined` for any other pod.
   */
  unansweredSince(uid: string): number | undefined {
    return this.#silences.get(uid)?.since;
  }

  /** Number of pods that the memory holds. */
  get size(): number {
    return new Set([...this.#polls.keys(), ...this.#silences.keys(), ...this.#slow, ...this.#heldBack, ...this.#pods.keys()]).size;
  }

  /** Asks new pods at once and forgets pods that are gone. */
  #look(): void {
    const { pods, clock, intervalMs } = this.#options;
    const now = clock.monotonic();
    const before = this.#pods;
    this.#pods = new Map(pods().map((pod) => [pod.metadata.uid, pod]));
    for (const uid of this.#pods.keys()) {
      if (before.has(uid)) continue;
      this.#due.set(uid, now);
      this.#unsettled.add(uid);
    }
    for (const known of [this.#polls, this.#silences, this.#slow, this.#heldBack, this.#unsettled])
      for (const uid of known.keys()) if (!this.#pods.has(uid)) known.delete(uid);
    this.#callOffLook = clock.after(intervalMs, () => this.#look());
    this.#askDue();
  }

  /** Gives slots to due pods, and sets the alarm for the next pod. */
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
    const { clock, intervalMs } = this.#options;
    const askedAt = clock.monotonic();
    const pod = this.#pods.get(uid);
    if (pod === undefined) return;
    const address = addressOf(pod);
    if (address === undefined) {
      this.#due.set(uid, askedAt + this.#pauseMs(uid));
      return;
    }
    this.#asking.add(uid);
    void this.#put(pod, address).finally(() => {
      this.#asking.delete(uid);
      if (clock.monotonic() > askedAt + intervalMs) this.#slow.add(uid);
      else this.#slow.delete(uid);
      if (this.#pods.has(uid)) this.#due.set(uid, Math.max(askedAt + this.#pauseMs(uid), clock.monotonic()));
      else this.#slow.delete(uid);
      this.#askDue();
    });
  }

  /** Milliseconds between two questions to this pod. */
  #pauseMs(uid: string): number {
    const { intervalMs, perSecondMax = Infinity } = this.#options;
    const sharers = this.#unsettled.has(uid) ? this.#unsettled : this.#pods;
    return Math.max(intervalMs, (sharers.size * 1000) / perSecondMax);
  }

  async #put(pod: PoolPod, address: string): Promise<void> {
    const { ask, changed, clock } = this.#options;
    const { uid, labels, namespace = '' } = pod.metadata;
    const pool = labels?.[names.label.pool];
    if (pool === undefined) return;
    const askedAt = clock.monotonic();
    const status = await ask(address);
    if (!this.#pods.has(uid)) return;
    // Another pod may have the address now; its answer is not about this pod.
    const isAnswer = status?.uid === uid;
    const before = this.#polls.get(uid)?.status;
    if (isAnswer) {
      this.#polls.set(uid, { at: clock.monotonic(), status });
      if (isSettled(status)) this.#unsettled.delete(uid);
      else this.#unsettled.add(uid);
    }
    const hasTurned = this.#keepAccount(pod, askedAt, isAnswer);
    if (hasTurned || (isAnswer && (before === undefined || isNews(before, status)))) changed(`${namespace}/${pool}`);
  }

  /**
   * Records an answer or a silence.
   * @returns whether a silence has just become long enough for the decisions, or a silence of that length has ended
   */
  #keepAccount(pod: PoolPod, askedAt: number, isAnswer: boolean): boolean {
    const { uid } = pod.metadata;
    const silence = this.#silences.get(uid) ?? { since: askedAt, isTold: false };
    // A starting pod owes no answer.
    if (isAnswer || !hasStarted(pod)) {
      this.#silences.delete(uid);
      return silence.isTold || this.#options.clock.monotonic() - silence.since >= silentMs;
    }
    const tells = !silence.isTold && this.#options.clock.monotonic() - silence.since >= silentMs;
    this.#silences.set(uid, { since: silence.since, isTold: silence.isTold || tells });
    return tells;
  }
}

function isSettled({ ready, poolEpoch, drain }: AdminStatus): boolean {
  return ready && poolEpoch > 0 && drain.state === 'serving';
}

/** Whether the new answer could change a decision. */
function isNews(before: AdminStatus, now: AdminStatus): boolean {
  return (
    before.ready !== now.ready ||
    before.poolEpoch !== now.poolEpoch ||
    before.policiesHash !== now.policiesHash ||
    before.connections !== now.connections ||
    (before.refusedPerSecond ?? 0) > 0 !== (now.refusedPerSecond ?? 0) > 0 ||
    before.drain.state !== now.drain.state ||
    JSON.stringify(before.bus) !== JSON.stringify(now.bus) ||
    before.waitingFor.join() !== now.waitingFor.join()
  );
}

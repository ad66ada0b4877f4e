import { conflate } from './conflation.ts';
import { sample } from './sampling.ts';
import { limits } from '../core/limits.ts';
import type { ChannelPolicy } from '../core/policy.ts';
import type { LogBatch, Position } from '../core/publication.ts';
import type { PlacedPublication } from '../core/protocol/batch.ts';
import { TokenBucket } from '../core/token-bucket.ts';

/**
 * What members of a room can be given alike: the plain protocol, or barrage.v1 at one density. Bytes are shared within a class.
 * `full` is bounded by the policy's budget only; the others also by their number of publications a second.
 */
export const memberClasses = ['plain', 'full', 'dense50', 'dense20', 'dense5'] as const;
export type MemberClass = (typeof memberClasses)[number];
const classRates: Readonly<Record<MemberClass, number>> = { plain: Infinity, full: Infinity, dense50: 50, dense20: 20, dense5: 5 };

/** The least density that a client may ask for, in publications a second. */
export const densityMin = classRates.dense5;

/** The class that gives a barrage.v1 client the most without exceeding the density it asks for (`undefined` = all that the policy gives). */
export function classFor(density: number | undefined, policy: ChannelPolicy): MemberClass {
  if (density === undefined || density >= (policy.budget.publicationsPerSecond ?? Infinity)) return 'full';
  if (density >= classRates.dense50) return 'dense50';
  return density >= classRates.dense20 ? 'dense20' : 'dense5';
}

/** Publications a second that a class is given at most under a policy; `undefined` = no bound. */
export function classDensity(memberClass: MemberClass, policy: ChannelPolicy): number | undefined {
  const rate = Math.min(classRates[memberClass], policy.budget.publicationsPerSecond ?? Infinity);
  return rate === Infinity ? undefined : rate;
}

/** What the members of one class get of one cut. Offsets `(after, upto]` = `items` + `leftOut` others. */
export interface ClassCut {
  readonly memberClass: MemberClass;
  readonly after: number;
  readonly upto: number;
  /** Publications of the span that are not in `items`, also those of earlier cuts that were wholly left out. */
  readonly leftOut: number;
  readonly items: readonly PlacedPublication[];
  /** Publications of this cut alone that are left out for this class, for the accounts. */
  readonly dropped: readonly DroppedPublication[];
  /** `false`: nothing is sent; the span is accounted for by the class's next batch. */
  readonly send: boolean;
}

export interface DroppedPublication {
  readonly placed: PlacedPublication;
  readonly reason: 'budget' | 'conflated' | 'expired';
}

/** The publications `(after, upto]` of a room, flushed together. */
export interface Cut {
  readonly kind: 'cut';
  readonly channel: string;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly publications: readonly PlacedPublication[];
  readonly classes: readonly ClassCut[];
}

/** Offsets up to `position` are missing for everybody in the room: the bus was interrupted, or began another epoch. */
export interface Missing {
  readonly kind: 'missing';
  readonly channel: string;
  readonly after: number;
  readonly position: Position;
}

interface ClassState {
  readonly bucket: TokenBucket;
  /** What the members of this class have been told of. */
  upto: number;
  leftOut: number;
}

/**
 * The rules of one channel on one gateway: what is cut when, and what of it each class gets. Pure: the caller brings batches and the time
 * (milliseconds), sends what is returned, in that order, and calls `tick` at `dueAt`.
 *
 * Invariants: cuts follow each other without overlap; a cut whose `after` is not the previous cut's `upto` (or whose epoch differs) follows
 * a hole that is nobody's choice; a class that exists has been told of everything up to its `upto`, which is at most the last cut.
 */
export class Room {
  readonly channel: string;
  #policy: ChannelPolicy;
  #epoch: string;
  /** Last offset received from the log. */
  #received: number;
  /** Last offset cut. */
  #cut: number;
  #window: PlacedPublication[] = [];
  #windowBytes = 0;
  #windowEndsAt: number | undefined;
  /** Without a window: when classes that were left everything out are told so. */
  #tellAt: number | undefined;
  #windowMs: number;
  /** Factor ≤ 1 on every budget while the process is overloaded. */
  #budgetFactor = 1;
  readonly #classes = new Map<MemberClass, ClassState>();

  constructor(options: { readonly channel: string; readonly policy: ChannelPolicy; readonly position: Position }) {
    this.channel = options.channel;
    this.#policy = options.policy;
    this.#windowMs = options.policy.merge.windowMilliseconds;
    this.#epoch = options.position.epoch;
    this.#received = options.position.offset;
    this.#cut = options.position.offset;
  }

  get policy(): ChannelPolicy {
    return this.#policy;
  }

  /** A new policy is in force from the next publication on. */
  setPolicy(policy: ChannelPolicy): void {
    this.#policy = policy;
    this.#windowMs = policy.merge.windowMilliseconds;
  }

  /** The cadence decides how far an overloaded process stretches this room's window and shrinks its budgets. */
  setCadence(cadence: { readonly windowMs: number; readonly budgetFactor: number }): void {
    this.#windowMs = Math.min(limits.mergeWindowMsMax, cadence.windowMs);
    this.#budgetFactor = cadence.budgetFactor;
  }

  get windowMs(): number {
    return this.#windowMs;
  }

  /** The position of one who joins now: the last cut. The whole open window is still to come. */
  get position(): Position {
    return { epoch: this.#epoch, offset: this.#cut };
  }

  /** When `tick` wants to be called, in milliseconds; `undefined` while the room is quiet. */
  get dueAt(): number | undefined {
    return this.#windowEndsAt ?? this.#tellAt;
  }

  /** Begins a class with its first member. Idempotent. */
  openClass(memberClass: MemberClass, now: number): void {
    if (this.#classes.has(memberClass)) return;
    const rate = this.#rate(memberClass);
    this.#classes.set(memberClass, { bucket: new TokenBucket(burstOf(rate), now), upto: this.#cut, leftOut: 0 });
  }

  /** Ends a class with its last member. */
  closeClass(memberClass: MemberClass): void {
    this.#classes.delete(memberClass);
  }

  /**
   * The span that one member of a class has not been told of: everything in it was left out for the class. Sent to a member that
   * changes its class, so that the other class's batches join on without a seeming gap.
   */
  untold(memberClass: MemberClass): { readonly after: number; readonly upto: number; readonly leftOut: number } | undefined {
    const state = this.#classes.get(memberClass);
    if (state === undefined || state.upto === this.#cut) return undefined;
    return { after: state.upto, upto: this.#cut, leftOut: state.leftOut };
  }

  receive(batch: LogBatch, now: number): readonly Cut[] {
    const cuts: Cut[] = [];
    const continues = batch.epoch === this.#epoch && batch.firstOffset <= this.#received + 1;
    if (!continues) {
      // What was collected belongs before the hole; the next cut starts after it, so that members see the hole.
      cuts.push(...this.#settle(now));
      this.#restart({ epoch: batch.epoch, offset: batch.firstOffset - 1 });
    }
    let offset = batch.firstOffset;
    for (const publication of batch.publications) {
      if (offset > this.#received) {
        this.#window.push({ offset, publication, count: undefined });
        this.#windowBytes += publication.payload.length;
        this.#received = offset;
        if (this.#window.length >= this.#policy.merge.publicationsMax || this.#windowBytes >= this.#policy.merge.bytesMax) {
          cuts.push(this.#makeCut(now));
          // The window begins anew, else its end would cut a short batch right behind this one.
          if (this.#windowEndsAt !== undefined) this.#openWindow(now);
        }
      }
      offset++;
    }
    // The leading edge: a quiet room sends at once, then its window opens.
    if (this.#window.length > 0 && this.#windowEndsAt === undefined) cuts.push(this.#makeCut(now));
    if (cuts.length > 0 && this.#windowEndsAt === undefined) this.#openWindow(now);
    return cuts;
  }

  /** The subscription was interrupted and is in force again at `position`. */
  resubscribed(position: Position, now: number): readonly (Cut | Missing)[] {
    if (position.epoch === this.#epoch && position.offset <= this.#received) return [];
    const events: (Cut | Missing)[] = [...this.#settle(now)];
    const after = position.epoch === this.#epoch ? this.#cut : position.offset;
    this.#restart(position);
    events.push({ kind: 'missing', channel: this.channel, after, position });
    return events;
  }

  /** The window's end: cuts what was collected and goes on, or goes quiet. */
  tick(now: number): readonly Cut[] {
    const dueAt = this.dueAt;
    if (dueAt === undefined || now < dueAt) return [];
    this.#windowEndsAt = undefined;
    this.#tellAt = undefined;
    if (this.#window.length === 0) {
      // Quiet: those whose last publications were all left out are told so now, since no later batch may come to say it.
      return this.#isSomeoneUntold() ? [this.#makeCut(now)] : [];
    }
    const cut = this.#makeCut(now);
    this.#openWindow(now);
    return [cut];
  }

  #openWindow(now: number): void {
    this.#windowEndsAt = this.#windowMs > 0 ? now + this.#windowMs : undefined;
    this.#tellAt = this.#windowMs === 0 && this.#isSomeoneUntold() ? now + limits.mergeWindowMsMax : undefined;
  }

  #isSomeoneUntold(): boolean {
    for (const { upto } of this.#classes.values()) if (upto < this.#cut) return true;
    return false;
  }

  /** Before a hole: cuts what was collected, and tells those who were left everything out, so that the hole is told at its true size. */
  #settle(now: number): readonly Cut[] {
    const cuts: Cut[] = [];
    if (this.#window.length > 0) cuts.push(this.#makeCut(now));
    if (this.#isSomeoneUntold()) cuts.push(this.#makeCut(now));
    return cuts;
  }

  #restart(position: Position): void {
    this.#epoch = position.epoch;
    this.#received = position.offset;
    this.#cut = position.offset;
    for (const state of this.#classes.values()) {
      state.upto = position.offset;
      state.leftOut = 0;
    }
  }

  #makeCut(now: number): Cut {
    const publications = this.#window;
    const after = this.#cut;
    this.#window = [];
    this.#windowBytes = 0;
    this.#cut = this.#received;
    const quiet = publications.length === 0;
    const expired = new Set(publications.filter((placed) => isExpired(placed, now)));
    const live = expired.size === 0 ? publications : publications.filter((placed) => !expired.has(placed));
    const together = conflate(live, 'together');
    const classes: ClassCut[] = [];
    for (const [memberClass, state] of this.#classes) {
      const conflated = memberClass === 'plain' ? conflate(live, 'separate') : together;
      const rate = this.#rate(memberClass);
      const share = this.#budgetFactor < 1 ? Math.ceil(live.length * this.#budgetFactor) : Infinity;
      const budget = rate === Infinity ? share : Math.min(share, state.bucket.available(now, rate, burstOf(rate)));
      const sampled = sample(conflated.kept, budget);
      if (rate !== Infinity) state.bucket.take(sampled.kept.length);
      state.leftOut += publications.length - sampled.kept.length;
      // A cut that is wholly left out is told with the class's next batch, or when the room goes quiet.
      const send = sampled.kept.length > 0 || (quiet && state.upto < this.#cut);
      classes.push({
        memberClass,
        after: state.upto,
        upto: this.#cut,
        leftOut: state.leftOut,
        items: sampled.kept,
        dropped: [
          ...[...expired].map((placed) => ({ placed, reason: 'expired' as const })),
          ...conflated.leftOut.map((placed) => ({ placed, reason: 'conflated' as const })),
          ...sampled.leftOut.map((placed) => ({ placed, reason: 'budget' as const })),
        ],
        send,
      });
      if (send) {
        state.upto = this.#cut;
        state.leftOut = 0;
      }
    }
    return { kind: 'cut', channel: this.channel, epoch: this.#epoch, after, upto: this.#cut, publications, classes };
  }

  #rate(memberClass: MemberClass): number {
    return (classDensity(memberClass, this.#policy) ?? Infinity) * this.#budgetFactor;
  }
}

/** A second's worth may come at once: a budget is about reading, and a reader who was idle can read. */
function burstOf(ratePerSecond: number): number {
  return ratePerSecond === Infinity ? 0 : Math.max(1, ratePerSecond);
}

function isExpired({ publication }: PlacedPublication, now: number): boolean {
  return publication.ttlMs > 0 && publication.acceptedAt + publication.ttlMs <= now;
}

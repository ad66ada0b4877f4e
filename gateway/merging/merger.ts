import { conflate } from './conflation.ts';
import { capsTimes, MergeWindow, windowCaps, type WindowCaps } from './merge-window.ts';
import { sample } from './sampling.ts';
import { limits } from '../../core/limits.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import type { LogBatch, Position } from '../../core/publication.ts';
import type { PlacedPublication } from '../encoding/batch.ts';
import { TokenBucket } from '../../core/token-bucket.ts';

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
  /** How many more were given up while the window was full, by priority (in the order of `priorities`): left out for every class, for want of budget. */
  readonly thinned: readonly number[];
  readonly classes: readonly ClassCut[];
}

/** Offsets up to `position` are missing for everybody in the room: the bus was interrupted, or began another epoch. */
export interface Missing {
  readonly kind: 'missing';
  readonly channel: string;
  readonly after: number;
  readonly position: Position;
}

/** One moment by two clocks, both in milliseconds. */
export interface Moment {
  /** For windows and budgets. */
  readonly monotonic: number;
  /** Since the Unix epoch: for the age of publications. */
  readonly wall: number;
}

interface ClassState {
  readonly bucket: TokenBucket;
  /** What the members of this class have been told of. */
  upto: number;
  leftOut: number;
}

/**
 * The rules of one channel on one gateway: what is cut when, and what of it each class gets. Pure: the caller brings batches and the moment,
 * sends what is returned, in that order, calls `tick` at `dueAt`, and `written` for each cut whose frames have all been seen to.
 *
 * A room with `underWayMax` cuts under way is held: it collects until one is written, and gives up by priority what its window can't hold. So the fan-out's
 * backlog is bounded, and a process that can't keep up slows its cadence by itself; `setCadence` leaves it time for other work.
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
  readonly #window = new MergeWindow();
  #windowEndsAt: number | undefined;
  /** Without a window: when classes that were left everything out are told so. */
  #tellAt: number | undefined;
  #windowMs: number;
  /** Factor ≤ 1 on every budget while the process is overloaded. */
  #budgetFactor = 1;
  /** Where so much came, a window is cut before its end. */
  #caps: WindowCaps;
  /** What one batch may hold at most. */
  #capsMax: WindowCaps;
  /** What a window may keep at most. */
  #keptMax: WindowCaps;
  #underWay = 0;
  #underWayMax = Infinity;
  readonly #classes = new Map<MemberClass, ClassState>();

  constructor(options: { readonly channel: string; readonly policy: ChannelPolicy; readonly position: Position }) {
    this.channel = options.channel;
    this.#policy = options.policy;
    this.#windowMs = options.policy.merge.windowMilliseconds;
    this.#caps = windowCaps(options.policy, this.#windowMs);
    this.#capsMax = windowCaps(options.policy, limits.mergeWindowMsMax);
    this.#keptMax = capsTimes(this.#capsMax, 2);
    this.#epoch = options.position.epoch;
    this.#received = options.position.offset;
    this.#cut = options.position.offset;
  }

  get policy(): ChannelPolicy {
    return this.#policy;
  }

  /** A new policy is in force from the next publication on. A window that is stretched stays so until the cadence has measured the new policy. */
  setPolicy(policy: ChannelPolicy): void {
    const isStretched = this.#windowMs > this.#policy.merge.windowMilliseconds;
    const policyMs = policy.merge.windowMilliseconds;
    this.#policy = policy;
    this.#capsMax = windowCaps(policy, limits.mergeWindowMsMax);
    this.#keptMax = capsTimes(this.#capsMax, 2);
    this.#setWindow(isStretched ? Math.max(policyMs, this.#windowMs) : policyMs);
  }

  /** The cadence decides how far an overloaded process stretches this room's window and shrinks its budgets. */
  setCadence(cadence: { readonly windowMs: number; readonly budgetFactor: number }): void {
    this.#budgetFactor = cadence.budgetFactor;
    this.#setWindow(Math.min(limits.mergeWindowMsMax, cadence.windowMs));
  }

  /** How many of its cuts may be under way before it is held; Infinity unless it is set. */
  setUnderWayMax(underWayMax: number): void {
    this.#underWayMax = underWayMax;
  }

  /** Whether a cut is due that waits for an earlier one to be written. */
  get isWaiting(): boolean {
    return this.#isHeld && this.#isDue;
  }

  get windowMs(): number {
    return this.#windowMs;
  }

  /** The position of one who joins now: the last cut. The whole open window is still to come. */
  get position(): Position {
    return { epoch: this.#epoch, offset: this.#cut };
  }

  /** When `tick` wants to be called, by the monotonic clock; `undefined` while the room is quiet. */
  get dueAt(): number | undefined {
    return this.#windowEndsAt ?? this.#tellAt;
  }

  /** Begins a class with its first member. Idempotent. */
  openClass(memberClass: MemberClass, monotonic: number): void {
    if (this.#classes.has(memberClass)) return;
    const rate = this.#rate(memberClass);
    this.#classes.set(memberClass, { bucket: new TokenBucket(burstOf(rate), monotonic), upto: this.#cut, leftOut: 0 });
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

  receive(batch: LogBatch, at: Moment): readonly Cut[] {
    const cuts: Cut[] = [];
    const continues = batch.epoch === this.#epoch && batch.firstOffset <= this.#received + 1;
    if (!continues) {
      // What was collected belongs before the hole; the next cut starts after it, so that members see the hole.
      cuts.push(...this.#settle(at));
      this.#restart({ epoch: batch.epoch, offset: batch.firstOffset - 1 });
    }
    let offset = batch.firstOffset;
    for (const publication of batch.publications) {
      if (offset > this.#received) {
        this.#window.add({ offset, publication, count: undefined });
        this.#received = offset;
        if (this.#isHeld || !this.#window.isFull(this.#caps)) {
          // Where budgets are shrunk more is kept than is sent, for the sample at the cut to choose from.
          if (this.#window.isCrowded(this.#isHeld ? this.#capsMax : this.#keptMax)) this.#window.thin();
        } else {
          cuts.push(this.#makeCut(at));
          // The window begins anew, else its end would cut a short batch right behind this one.
          if (this.#windowEndsAt !== undefined) this.#openWindow(at.monotonic);
        }
      }
      offset++;
    }
    // The leading edge: a quiet room sends at once, then its window opens.
    if (!this.#window.isEmpty && this.#windowEndsAt === undefined && !this.#isHeld) cuts.push(this.#makeCut(at));
    if (cuts.length > 0 && this.#windowEndsAt === undefined) this.#openWindow(at.monotonic);
    return cuts;
  }

  /** The subscription was interrupted and is in force again at `position`. */
  resubscribed(position: Position, at: Moment): readonly (Cut | Missing)[] {
    if (position.epoch === this.#epoch && position.offset <= this.#received) return [];
    const events: (Cut | Missing)[] = [...this.#settle(at)];
    const after = position.epoch === this.#epoch ? this.#cut : position.offset;
    this.#restart(position);
    events.push({ kind: 'missing', channel: this.channel, after, position });
    return events;
  }

  /** The window's end: cuts what was collected and goes on, or goes quiet. */
  tick(at: Moment): readonly Cut[] {
    const dueAt = this.dueAt;
    if (dueAt === undefined || at.monotonic < dueAt) return [];
    this.#windowEndsAt = undefined;
    this.#tellAt = undefined;
    if (this.#window.isEmpty) {
      // Quiet: those whose last publications were all left out are told so now, since no later batch may come to say it.
      return this.#isSomeoneUntold() ? [this.#makeCut(at)] : [];
    }
    // `written` cuts it then.
    if (this.#isHeld) return [];
    const cut = this.#makeCut(at);
    this.#openWindow(at.monotonic);
    return [cut];
  }

  /** All members were given a cut, or passed over. Cuts what had to wait for it. */
  written(at: Moment): readonly Cut[] {
    this.#underWay--;
    if (this.#isHeld || !this.#isDue) return [];
    const cut = this.#makeCut(at);
    this.#openWindow(at.monotonic);
    return [cut];
  }

  get #isHeld(): boolean {
    return this.#underWay >= this.#underWayMax;
  }

  /** Whether what was collected would have been cut, were the room not held. */
  get #isDue(): boolean {
    return !this.#window.isEmpty && (this.#windowEndsAt === undefined || this.#window.isFull(this.#caps));
  }

  #setWindow(windowMs: number): void {
    this.#windowMs = windowMs;
    // So much more may come as less of it is sent.
    this.#caps = capsTimes(windowCaps(this.#policy, windowMs), 1 / this.#budgetFactor);
  }

  #openWindow(monotonic: number): void {
    this.#windowEndsAt = this.#windowMs > 0 ? monotonic + this.#windowMs : undefined;
    this.#tellAt = this.#windowMs === 0 && this.#isSomeoneUntold() ? monotonic + limits.mergeWindowMsMax : undefined;
  }

  #isSomeoneUntold(): boolean {
    for (const { upto } of this.#classes.values()) if (upto < this.#cut) return true;
    return false;
  }

  /** Before a hole: cuts what was collected, and tells those who were left everything out, so that the hole is told at its true size. */
  #settle(at: Moment): readonly Cut[] {
    const cuts: Cut[] = [];
    if (!this.#window.isEmpty) cuts.push(this.#makeCut(at));
    if (this.#isSomeoneUntold()) cuts.push(this.#makeCut(at));
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

  #makeCut({ monotonic, wall }: Moment): Cut {
    const quiet = this.#window.isEmpty;
    const { publications, thinned, thinnedCount } = this.#window.take();
    const after = this.#cut;
    this.#cut = this.#received;
    this.#underWay++;
    const expired = new Set(publications.filter((placed) => isExpired(placed, wall)));
    const live = expired.size === 0 ? publications : publications.filter((placed) => !expired.has(placed));
    const together = conflate(live, 'together');
    const classes: ClassCut[] = [];
    for (const [memberClass, state] of this.#classes) {
      const conflated = memberClass === 'plain' ? conflate(live, 'separate') : together;
      const rate = this.#rate(memberClass);
      const share = this.#budgetFactor < 1 ? Math.ceil((live.length + thinnedCount) * this.#budgetFactor) : Infinity;
      const budget = rate === Infinity ? share : Math.min(share, state.bucket.available(monotonic, rate, burstOf(rate)));
      const sampled = sample(conflated.kept, budget);
      if (rate !== Infinity) state.bucket.take(sampled.kept.length);
      state.leftOut += publications.length + thinnedCount - sampled.kept.length;
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
    return { kind: 'cut', channel: this.channel, epoch: this.#epoch, after, upto: this.#cut, publications, thinned, classes };
  }

  #rate(memberClass: MemberClass): number {
    return (classDensity(memberClass, this.#policy) ?? Infinity) * this.#budgetFactor;
  }
}

/** A second's worth may come at once: a budget is about reading, and a reader who was idle can read. */
function burstOf(ratePerSecond: number): number {
  return ratePerSecond === Infinity ? 0 : Math.max(1, ratePerSecond);
}

function isExpired({ publication }: PlacedPublication, wall: number): boolean {
  return publication.ttlMs > 0 && publication.acceptedAt + publication.ttlMs <= wall;
}

import { limits } from '../../core/limits.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import { isOrderOf, priorities, type LogBatch, type PlacedPublication, type Position } from '../../core/publication.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import type { MemberClass } from '../encoding/encoding.ts';
import type { ClassCut, Cut, Missing, Moment } from './cut.ts';
import { rateOf } from './density.ts';
import { LeftOut } from './left-out.ts';
import { capsTimes, MergeWindow, windowCaps, type WindowCaps, type WindowContents } from './merge-window.ts';
import { sample } from './sampling.ts';

interface ClassState {
  readonly bucket: TokenBucket;
  /** What the members of this class have been told of. */
  upto: number;
  leftOut: number;
}

/**
 * The rules of one channel on one gateway: what is cut when, and what of it each class gets. Pure: the caller brings
 * batches and the moment, sends what is returned, in that order, calls `tick` at `dueAt`, and `written` for each cut
 * whose frames have all been seen to.
 *
 * A room with `underWayMax` cuts under way is held: it collects until one is written, and gives up by priority what its
 * window can't hold. So the fan-out's backlog is bounded, and a process that can't keep up slows its cadence by itself;
 * `setCadence` leaves it time for other work.
 *
 * Invariants: cuts follow each other without overlap; a cut whose `after` is not the previous cut's `upto` (or whose
 * epoch differs) follows a hole that is nobody's choice; a class that exists has been told of everything up to its
 * `upto`, which is at most the last cut.
 */
export class Merger {
  #policy: ChannelPolicy;
  #epoch: string;
  /** Last offset received from the log. */
  #received: number;
  /** Last offset cut. */
  #cut: number;
  /** What came since the last cut: one window where all members can be told sums or none can, else one for each. */
  #windows: readonly MergeWindow[];
  /** How many came since the last cut, by priority and in all, and the bytes of their payloads. */
  readonly #offered = priorities.map(() => 0);
  #offeredCount = 0;
  #offeredBytes = 0;
  /** `Infinity`: none is open. A number always, so that setting it allocates nothing. */
  #windowEndsAt = Infinity;
  /** Without a window: when classes that were left everything out are told so. */
  #tellAt = Infinity;
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

  constructor(options: { readonly policy: ChannelPolicy; readonly position: Position }) {
    this.#policy = options.policy;
    this.#windowMs = options.policy.merge.windowMilliseconds;
    this.#caps = windowCaps(options.policy, this.#windowMs);
    this.#capsMax = windowCaps(options.policy, limits.mergeWindowMsMax);
    this.#keptMax = capsTimes(this.#capsMax, 2);
    this.#epoch = options.position.epoch;
    this.#received = options.position.offset;
    this.#cut = options.position.offset;
    this.#windows = [new MergeWindow(true, this.#cut)];
  }

  get policy(): ChannelPolicy {
    return this.#policy;
  }

  /**
   * A new policy is in force from the next publication on. A window that is stretched stays so until the cadence has
   * measured the new policy.
   */
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
    const dueAt = Math.min(this.#windowEndsAt, this.#tellAt);
    return dueAt === Infinity ? undefined : dueAt;
  }

  /** Begins a class with its first member. Idempotent. */
  openClass(memberClass: MemberClass, monotonic: number): void {
    if (this.#classes.has(memberClass)) return;
    this.#openWindowFor(memberClass.encoding.canSum);
    const rate = this.#rate(memberClass);
    this.#classes.set(memberClass, { bucket: new TokenBucket(burstOf(rate), monotonic), upto: this.#cut, leftOut: 0 });
  }

  /** Ends a class with its last member. */
  closeClass(memberClass: MemberClass): void {
    this.#classes.delete(memberClass);
    const isNeeded = ({ canSum }: MergeWindow): boolean => [...this.#classes.keys()].some(({ encoding }) => encoding.canSum === canSum);
    const needed = this.#windows.filter(isNeeded);
    if (needed.length > 0) this.#windows = needed;
  }

  /**
   * The span that one member of a class has not been told of: everything in it was left out for the class. Sent to a
   * member that changes its class, so that the other class's batches join on without a seeming gap.
   */
  untold(memberClass: MemberClass): { readonly after: number; readonly upto: number; readonly leftOut: number } | undefined {
    const state = this.#classes.get(memberClass);
    if (state === undefined || state.upto === this.#cut) return undefined;
    return { after: state.upto, upto: this.#cut, leftOut: state.leftOut };
  }

  receive(batch: LogBatch, at: Moment): readonly Cut[] {
    const isSameOrder = batch.epoch === this.#epoch || isOrderOf(this.position, batch.epoch);
    const continues = isSameOrder && batch.firstOffset <= this.#received + 1;
    let cuts = noCuts;
    if (continues) {
      this.#epoch = batch.epoch;
    } else {
      // What was collected belongs before the hole; the next cut starts after it, so that members see the hole.
      cuts = this.#settle(at);
      this.#restart({ epoch: batch.epoch, offset: batch.firstOffset - 1 });
    }
    let offset = batch.firstOffset;
    for (const publication of batch.publications) {
      if (offset > this.#received) {
        this.#add({ offset, publication, count: undefined });
        if (this.#isHeld || !this.#isFull) {
          // Where budgets are shrunk more is kept than is sent, for the sample at the cut to choose from.
          this.#compact(this.#isHeld ? this.#capsMax : this.#keptMax, at.wall);
        } else {
          cuts = [...cuts, this.#makeCut(at)];
          // The window begins anew, else its end would cut a short batch right behind this one.
          if (this.#isWindowOpen) this.#openWindow(at.monotonic);
        }
      }
      offset++;
    }
    // The leading edge: a quiet room sends at once, then its window opens.
    if (!this.#isEmpty && !this.#isWindowOpen && !this.#isHeld) cuts = [...cuts, this.#makeCut(at)];
    if (cuts.length > 0 && !this.#isWindowOpen) this.#openWindow(at.monotonic);
    return cuts;
  }

  /** The subscription was interrupted and is in force again at `position`. */
  resubscribed(position: Position, at: Moment): readonly (Cut | Missing)[] {
    const isSame = isOrderOf(this.position, position.epoch);
    if (isSame && position.offset <= this.#received) {
      this.#epoch = position.epoch;
      return [];
    }
    const events: (Cut | Missing)[] = [...this.#settle(at)];
    const after = isSame ? this.#cut : position.offset;
    this.#restart(position);
    events.push({ kind: 'missing', after, position });
    return events;
  }

  /** The window's end: cuts what was collected and goes on, or goes quiet. */
  tick(at: Moment): readonly Cut[] {
    const dueAt = this.dueAt;
    if (dueAt === undefined || at.monotonic < dueAt) return noCuts;
    this.#windowEndsAt = Infinity;
    this.#tellAt = Infinity;
    if (this.#isEmpty) {
      // Quiet: those whose last publications were all left out are told so now, since no later batch may come to say
      // it.
      return this.#isSomeoneUntold() ? [this.#makeCut(at)] : noCuts;
    }
    // `written` cuts it then.
    if (this.#isHeld) return noCuts;
    const cut = this.#makeCut(at);
    this.#openWindow(at.monotonic);
    return [cut];
  }

  /** All members were given a cut, or passed over. Cuts what had to wait for it. */
  written(at: Moment): readonly Cut[] {
    this.#underWay--;
    if (this.#isHeld || !this.#isDue) return noCuts;
    const cut = this.#makeCut(at);
    this.#openWindow(at.monotonic);
    return [cut];
  }

  get #isHeld(): boolean {
    return this.#underWay >= this.#underWayMax;
  }

  /** Whether what was collected would have been cut, were the room not held. */
  get #isDue(): boolean {
    return !this.#isEmpty && (!this.#isWindowOpen || this.#isFull);
  }

  get #isWindowOpen(): boolean {
    return this.#windowEndsAt !== Infinity;
  }

  #setWindow(windowMs: number): void {
    this.#windowMs = windowMs;
    // So much more may come as less of it is sent.
    this.#caps = capsTimes(windowCaps(this.#policy, windowMs), 1 / this.#budgetFactor);
  }

  #openWindow(monotonic: number): void {
    this.#windowEndsAt = this.#windowMs > 0 ? monotonic + this.#windowMs : Infinity;
    this.#tellAt = this.#windowMs === 0 && this.#isSomeoneUntold() ? monotonic + limits.mergeWindowMsMax : Infinity;
  }

  #isSomeoneUntold(): boolean {
    for (const { upto } of this.#classes.values()) if (upto < this.#cut) return true;
    return false;
  }

  /**
   * Before a hole: cuts what was collected, and tells those who were left everything out, so that the hole is told at
   * its true size.
   */
  #settle(at: Moment): readonly Cut[] {
    const cuts: Cut[] = [];
    if (!this.#isEmpty) cuts.push(this.#makeCut(at));
    if (this.#isSomeoneUntold()) cuts.push(this.#makeCut(at));
    return cuts;
  }

  #restart(position: Position): void {
    this.#epoch = position.epoch;
    this.#received = position.offset;
    this.#cut = position.offset;
    for (const window of this.#windows) window.restart(position.offset);
    for (const state of this.#classes.values()) {
      state.upto = position.offset;
      state.leftOut = 0;
    }
  }

  get #isEmpty(): boolean {
    return this.#offeredCount === 0;
  }

  get #isFull(): boolean {
    return this.#offeredCount >= this.#caps.publications || this.#offeredBytes >= this.#caps.bytes;
  }

  #add(placed: PlacedPublication): void {
    const { priority, payload } = placed.publication;
    const index = priorities.indexOf(priority);
    this.#offered[index] = (this.#offered[index] ?? 0) + 1;
    this.#offeredCount++;
    this.#offeredBytes += payload.length;
    this.#received = placed.offset;
    for (const window of this.#windows) window.add(placed);
  }

  #compact(caps: WindowCaps, wall: number): void {
    for (const window of this.#windows) if (window.isCrowded(caps)) window.compact(caps, wall);
  }

  /** Members of one kind who join while a window is open get all of it, as it is kept for the others. */
  #openWindowFor(canSum: boolean): void {
    const [present] = this.#windows;
    if (present === undefined || this.#windows.some((window) => window.canSum === canSum)) return;
    const window = present.forOthers(canSum);
    this.#windows = this.#classes.size === 0 ? [window] : [...this.#windows, window];
  }

  #makeCut({ monotonic, wall }: Moment): Cut {
    const isQuiet = this.#isEmpty;
    const after = this.#cut;
    const offered = this.#offered.slice();
    const offeredCount = this.#offeredCount;
    this.#cut = this.#received;
    this.#offered.fill(0);
    this.#offeredCount = 0;
    this.#offeredBytes = 0;
    this.#underWay++;
    const taken = this.#windows.length === 1 ? undefined : this.#windows.map((window) => window.take(wall, this.#cut));
    const all = taken?.[0] ?? this.#windows[0]?.take(wall, this.#cut) ?? nothing;
    const classes: ClassCut[] = [];
    for (const [memberClass, state] of this.#classes) {
      const contents = taken?.find(({ canSum }) => canSum === memberClass.encoding.canSum) ?? all;
      const rate = this.#rate(memberClass);
      const share = this.#budgetFactor < 1 ? Math.ceil(offeredCount * this.#budgetFactor) : Infinity;
      const budget = rate === Infinity ? share : Math.min(share, state.bucket.available(monotonic, rate, burstOf(rate)));
      const { items, dropped } = within(budget, contents, after);
      if (rate !== Infinity) state.bucket.take(items.length);
      state.leftOut += offeredCount - items.length;
      // A cut that is wholly left out is told with the class's next batch, or when the room goes quiet.
      const send = items.length > 0 || (isQuiet && state.upto < this.#cut);
      classes.push({ memberClass, after: state.upto, upto: this.#cut, leftOut: state.leftOut, items, dropped, send });
      if (send) {
        state.upto = this.#cut;
        state.leftOut = 0;
      }
    }
    return {
      kind: 'cut',
      epoch: this.#epoch,
      after,
      upto: this.#cut,
      offered,
      publications: all.publications,
      classes,
    };
  }

  #rate(memberClass: MemberClass): number {
    return (rateOf(memberClass.density, this.#policy) ?? Infinity) * this.#budgetFactor;
  }
}

/** A second's worth may come at once: a budget is about reading, and a reader who was idle can read. */
function burstOf(ratePerSecond: number): number {
  return ratePerSecond === Infinity ? 0 : Math.max(1, ratePerSecond);
}

const noCuts: readonly Cut[] = [];
const nothing: WindowContents = { canSum: true, publications: [], leftOut: undefined };

/** What a class is sent within its budget, and all that it is not sent of this cut. */
function within(
  budget: number,
  { publications, leftOut }: WindowContents,
  after: number,
): { readonly items: readonly PlacedPublication[]; readonly dropped: LeftOut | undefined } {
  const sampled = sample(publications, budget);
  if (sampled.leftOut.length === 0) return { items: publications, dropped: leftOut };
  const dropped = leftOut?.copy() ?? new LeftOut(after);
  for (const placed of sampled.leftOut) dropped.note(placed, 'budget');
  return { items: sampled.kept, dropped };
}

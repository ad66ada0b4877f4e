import { limits } from '../../core/limits.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import { isOrderOf, priorities, type LogBatch, type PlacedPublication, type Position } from '../../core/publication.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import type { MemberClass } from '../encoding/encoding.ts';
import type { ClassCut, Continued, Cut, Missing, Moment } from './cut.ts';
import { burstOf, rateOf } from './density.ts';
import { capsTimes, MergeWindow, windowCaps, withoutTombstones, within, type WindowCaps, type WindowContents } from './merge-window.ts';

interface ClassState {
  readonly memberClass: MemberClass;
  readonly bucket: TokenBucket;
  /** Last offset that the members of this class have been told of. */
  upto: number;
  leftOut: number;
}

/**
 * The rules of one channel on one gateway: the time of each cut, and the part of it for each class. Pure: the caller
 * provides batches and the moment. The caller sends the returned cuts in order, calls `tick` at `dueAt`, and calls
 * `written` for each cut whose frames have been served.
 *
 * A room with `underWayMax` cuts under way is held. It collects until a cut is written, and leaves out by priority the
 * publications beyond its window's caps. So the fan-out's backlog is bounded, and a process that can't keep up slows
 * its cadence. `setCadence` leaves it time for other work.
 *
 * Invariants:
 * - Cuts follow each other without overlap.
 * - A cut whose `after` is not the previous cut's `upto`, or whose epoch differs, follows a hole that nobody chose.
 * - A class that exists has been told of everything up to its `upto`, which is at most the last cut.
 */
export class Merger {
  #policy: ChannelPolicy;
  #epoch: string;
  /** Last offset received from the log. */
  #received: number;
  /** Last offset cut. */
  #cut: number;
  /**
   * Publications since the last cut: one window when all members can be told sums or none can, else one for each kind.
   */
  #windows: readonly MergeWindow[];
  /** Publications since the last cut by priority, their total, and their payload bytes. */
  readonly #offered = priorities.map(() => 0);
  #offeredCount = 0;
  #offeredBytes = 0;
  /**
   * End of the open window; `Infinity` when none is open. It is always a number, so that setting it allocates nothing.
   */
  #windowEndsAt = Infinity;
  /** For a policy without a window: time to tell classes whose publications were all left out. */
  #tellAt = Infinity;
  #windowMs: number;
  /** Factor ≤ 1 on every budget while the process is overloaded. */
  #budgetFactor = 1;
  /** Caps at which a window is cut before its end. */
  #caps: WindowCaps;
  /** Bounds of one batch. */
  #capsMax: WindowCaps;
  /** Bounds of a window's contents. */
  #keptMax: WindowCaps;
  #underWay = 0;
  #underWayMax = Infinity;
  /** A short list: each cut walks it, and walking an array allocates nothing. */
  readonly #classes: ClassState[] = [];

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
   * Puts a policy in force from the next publication on. A stretched window stays until the cadence has measured the
   * new policy.
   */
  setPolicy(policy: ChannelPolicy): void {
    const isStretched = this.#windowMs > this.#policy.merge.windowMilliseconds;
    const policyMs = policy.merge.windowMilliseconds;
    this.#policy = policy;
    this.#capsMax = windowCaps(policy, limits.mergeWindowMsMax);
    this.#keptMax = capsTimes(this.#capsMax, 2);
    this.#setWindow(isStretched ? Math.max(policyMs, this.#windowMs) : policyMs);
  }

  /** Sets the room's window and the factor on its budgets, as the cadence decides for an overloaded process. */
  setCadence(cadence: { readonly windowMs: number; readonly budgetFactor: number }): void {
    this.#budgetFactor = cadence.budgetFactor;
    this.#setWindow(Math.min(limits.mergeWindowMsMax, cadence.windowMs));
  }

  /** Sets the number of cuts under way at which the room is held; the default is Infinity. */
  setUnderWayMax(underWayMax: number): void {
    this.#underWayMax = underWayMax;
  }

  /** Whether a due cut waits for an earlier one to be written. */
  get isWaiting(): boolean {
    return this.#isHeld && this.#isDue;
  }

  get windowMs(): number {
    return this.#windowMs;
  }

  /** Position of a member that joins now: the last cut. The whole open window is still to come. */
  get position(): Position {
    return { epoch: this.#epoch, offset: this.#cut };
  }

  /** End of what was received: the room's place in the log. */
  get received(): Position {
    return { epoch: this.#epoch, offset: this.#received };
  }

  /** Whether a batch joins on to what was received, without a hole. */
  continues({ epoch, firstOffset }: Pick<LogBatch, 'epoch' | 'firstOffset'>): boolean {
    return epoch.startsWith(this.#epoch) && firstOffset <= this.#received + 1;
  }

  /**
   * Time of the next `tick` by the monotonic clock; `undefined` while no cut can become due by time alone. So a room
   * with one publication a window needs no timer: its window ends unseen, and the next publication looks at the clock.
   */
  get dueAt(): number | undefined {
    const dueAt = Math.min(this.#windowEndsAt, this.#tellAt);
    return dueAt === Infinity || (this.#isEmpty && !this.#isSomeoneUntold()) ? undefined : dueAt;
  }

  /** Begins a class with its first member. Idempotent. */
  openClass(memberClass: MemberClass, monotonic: number): void {
    if (this.#stateOf(memberClass) !== undefined) return;
    this.#openWindowFor(memberClass.encoding.canSum);
    const rate = this.#rate(memberClass);
    this.#classes.push({ memberClass, bucket: new TokenBucket(burstOf(rate), monotonic), upto: this.#cut, leftOut: 0 });
  }

  /** Ends a class with its last member. */
  closeClass(memberClass: MemberClass): void {
    const place = this.#classes.findIndex((state) => state.memberClass === memberClass);
    if (place >= 0) this.#classes.splice(place, 1);
    const isNeeded = ({ canSum }: MergeWindow): boolean => this.#classes.some((state) => state.memberClass.encoding.canSum === canSum);
    const needed = this.#windows.filter(isNeeded);
    if (needed.length > 0) this.#windows = needed;
  }

  /**
   * The span that a class's members have not been told of: all of it was left out for the class. It is sent to a member
   * that changes its class, so that the new class's batches follow without a gap.
   */
  untold(memberClass: MemberClass): { readonly after: number; readonly upto: number; readonly leftOut: number } | undefined {
    const state = this.#stateOf(memberClass);
    if (state === undefined || state.upto === this.#cut) return undefined;
    return { after: state.upto, upto: this.#cut, leftOut: state.leftOut };
  }

  receive(batch: LogBatch, at: Moment): readonly Cut[] {
    if (this.#isEmpty && at.monotonic >= this.#windowEndsAt) this.#windowEndsAt = Infinity;
    let cuts = noCuts;
    if (this.continues(batch)) {
      this.#epoch = batch.epoch;
    } else {
      // Collected publications belong before the hole. The next cut starts after it, so that members see the hole.
      cuts = this.#settle(at);
      this.#restart({ epoch: batch.epoch, offset: batch.firstOffset - 1 });
    }
    let offset = batch.firstOffset;
    for (const publication of batch.publications) {
      if (offset > this.#received) {
        this.#add({ offset, publication, count: undefined });
        if (this.#isHeld || !this.#isFull) {
          // With shrunk budgets more is kept than sent, so that the sample at the cut can choose.
          this.#compact(this.#isHeld ? this.#capsMax : this.#keptMax, at.wall);
        } else {
          cuts = [...cuts, this.#makeCut(at)];
          // The window begins anew: its end would otherwise cut a short batch right after this one.
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
    // Publications of the epoch of which this is the beginning came first: they were read from the history.
    if (isOrderOf(position, this.#epoch) && position.offset <= this.#received) return [];
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

  /** The channel goes on in another epoch without a loss; offsets up to that of `before` mean the same in both. */
  continued(epoch: string, before: Position, at: Moment): readonly (Cut | Continued)[] {
    const cuts = this.#settle(at);
    this.#epoch = epoch;
    return [...cuts, { kind: 'continued', epoch, before, offset: this.#cut }];
  }

  /** Ends the window: cuts the collected publications and opens the next window, or goes quiet. */
  tick(at: Moment): readonly Cut[] {
    const dueAt = this.dueAt;
    if (dueAt === undefined || at.monotonic < dueAt) return noCuts;
    this.#windowEndsAt = Infinity;
    this.#tellAt = Infinity;
    if (this.#isEmpty) {
      // Quiet: classes whose last publications were all left out are told now, since no later batch may come.
      return this.#isSomeoneUntold() ? [this.#makeCut(at)] : noCuts;
    }
    // `written` makes this cut later.
    if (this.#isHeld) return noCuts;
    const cut = this.#makeCut(at);
    this.#openWindow(at.monotonic);
    return [cut];
  }

  /** Must be called when all members were sent a cut, or passed over. Makes the cut that waited for it. */
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

  /** Whether a cut would be made now if the room were not held. */
  get #isDue(): boolean {
    return !this.#isEmpty && (!this.#isWindowOpen || this.#isFull);
  }

  #stateOf(memberClass: MemberClass): ClassState | undefined {
    return this.#classes.find((state) => state.memberClass === memberClass);
  }

  get #isWindowOpen(): boolean {
    return this.#windowEndsAt !== Infinity;
  }

  #setWindow(windowMs: number): void {
    this.#windowMs = windowMs;
    // A smaller budget factor sends less, so the caps on the input grow.
    this.#caps = capsTimes(windowCaps(this.#policy, windowMs), 1 / this.#budgetFactor);
  }

  #openWindow(monotonic: number): void {
    this.#windowEndsAt = this.#windowMs > 0 ? monotonic + this.#windowMs : Infinity;
    this.#tellAt = this.#windowMs === 0 && this.#isSomeoneUntold() ? monotonic + limits.mergeWindowMsMax : Infinity;
  }

  #isSomeoneUntold(): boolean {
    for (const { upto } of this.#classes) if (upto < this.#cut) return true;
    return false;
  }

  /**
   * Before a hole: cuts the collected publications. Classes that were sent none of them are told, so that the hole has
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
    for (const state of this.#classes) {
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
    const { recall, isRecalled } = placed.publication;
    for (const window of this.#windows) {
      if (recall !== undefined) window.recall(recall);
      if (isRecalled === true) window.leaveOut(placed);
      else window.add(placed);
    }
  }

  #compact(caps: WindowCaps, wall: number): void {
    for (const window of this.#windows) if (window.isCrowded(caps)) window.compact(caps, wall);
  }

  /**
   * Opens a window for a kind of member that joins while a window is open: it gets all contents kept for the other
   * kind.
   */
  #openWindowFor(canSum: boolean): void {
    const [present] = this.#windows;
    if (present === undefined || this.#windows.some((window) => window.canSum === canSum)) return;
    const window = present.forOthers(canSum);
    this.#windows = this.#classes.length === 0 ? [window] : [...this.#windows, window];
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
    for (const state of this.#classes) {
      const { memberClass } = state;
      const contents = taken?.find(({ canSum }) => canSum === memberClass.encoding.canSum) ?? all;
      const rate = this.#rate(memberClass);
      const share = this.#budgetFactor < 1 ? Math.ceil(offeredCount * this.#budgetFactor) : Infinity;
      const budget = rate === Infinity ? share : Math.min(share, state.bucket.available(monotonic, rate, burstOf(rate)));
      const { canTell } = memberClass.encoding;
      const { items, dropped } = within(budget, canTell ? contents : withoutTombstones(contents, after), after);
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

const noCuts: readonly Cut[] = [];
const nothing: WindowContents = { canSum: true, hasTombstones: false, publications: [], leftOut: undefined };

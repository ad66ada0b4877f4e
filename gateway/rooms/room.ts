import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/clock.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import type { LogBatch, Position } from '../../core/publication.ts';
import type { Tracer } from '../../core/trace.ts';
import type { EncodedItems, Encoding, MemberClass } from '../encoding/encoding.ts';
import { flushesUnderWayMax, type RoomLoad } from '../merging/cadence.ts';
import type { ClassCut, Continued, Cut, Missing, Moment } from '../merging/cut.ts';
import { densityFor } from '../merging/density.ts';
import { Merger } from '../merging/merger.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';
import type { Tally } from '../accounts/tally.ts';
import type { Intake } from '../recovery/hole.ts';
import type { CatchUpTurns } from './catch-up-turns.ts';
import type { Delivery } from './delivery.ts';
import type { DoneFlushes } from './done-flushes.ts';
import type { FanOut } from './fan-out.ts';
import { FlushRecords, type ClassRecord } from './flush-records.ts';
import { Handovers } from './handovers.ts';
import type { HistoryReads } from './history-reads.ts';
import type { HoleFiller } from './hole-filler.ts';
import { RoomDeliveries } from './room-deliveries.ts';
import { RoomIntake, type IntakeRoom } from './room-intake.ts';
import { RoomResumes } from './room-resumes.ts';
import { RoomMeter } from './room-meter.ts';
import { RoomTraces } from './room-traces.ts';
import { MemberList, type Member, type MemberRoom } from './members.ts';

export interface RoomSurroundings {
  readonly fanOut: FanOut;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  /** Finished flushes of all rooms. */
  readonly done: DoneFlushes<readonly ClassRecord[]>;
  /** Absent: no traces. */
  readonly tracer?: Tracer;
  /** For rooms whose policy has a history. Absent: holes stay, and nobody resumes. */
  readonly history?: { readonly holes: HoleFiller; readonly reads: HistoryReads; readonly catchUps: CatchUpTurns };
}

/**
 * One channel on one gateway. It joins the members and the rules (`Merger`) with the timer, the encodings and the
 * fan-out. It lives from its first member's joining to its last member's leaving.
 */
export class Room implements MemberRoom, IntakeRoom {
  readonly channel: string;
  readonly #surroundings: RoomSurroundings;
  readonly #merger: Merger;
  readonly #members = new Map<MemberClass, MemberList>();
  readonly #handovers = new Handovers();
  readonly records: FlushRecords;
  /** What joining members are given of earlier publications. */
  readonly resumes: RoomResumes;
  readonly #deliveries: RoomDeliveries;
  #cancelTimer: (() => void) | undefined;
  #timerAt = 0;
  /** Members whose queue is at its bound; kept by their connections. */
  fullMembers = 0;
  #wasWaiting = false;
  readonly #onDue = (): void => {
    this.#cancelTimer = undefined;
    this.#emit(this.#merger.tick(this.#moment()));
  };
  #isClosed = false;
  readonly #intake: RoomIntake;
  readonly #meter: RoomMeter;
  #size = 0;
  readonly #traces: RoomTraces;

  constructor(options: {
    readonly channel: string;
    readonly policy: ChannelPolicy;
    readonly position: Position;
    readonly surroundings: RoomSurroundings;
    /** Called at the first input or write after the load was last taken. */
    readonly onActive: (room: Room) => void;
  }) {
    this.#meter = new RoomMeter(() => options.onActive(this));
    this.channel = options.channel;
    this.#surroundings = options.surroundings;
    this.records = new FlushRecords(options.surroundings.clock, options.surroundings.done);
    const { fanOut, metrics } = options.surroundings;
    this.#deliveries = new RoomDeliveries({ room: this.#meter, fanOut, metrics, pattern: options.policy.channel });
    this.#merger = new Merger(options);
    this.#traces = new RoomTraces(options.surroundings);
    this.resumes = new RoomResumes({ ...options.surroundings, room: this, deliveries: this.#deliveries });
    this.#intake = new RoomIntake(this, options.surroundings.history?.holes);
  }

  get tally(): Tally {
    return this.#deliveries.tally;
  }

  get policy(): ChannelPolicy {
    return this.#merger.policy;
  }

  get position(): Position {
    return this.#merger.position;
  }

  get size(): number {
    return this.#size;
  }

  /** Merge window in force, in milliseconds. */
  get windowMs(): number {
    return this.#merger.windowMs;
  }

  /** A copy of the list of members, which stays the same while members come and go. */
  everyone(): readonly Member[] {
    return [...this.#members.values()].flatMap((list) => [...list]);
  }

  /**
   * @returns whether members must be settled: the new policy may give them more or less of the density that they asked
   * for
   */
  setPolicy(policy: ChannelPolicy): boolean {
    const { budget } = this.#merger.policy;
    this.#merger.setPolicy(policy);
    this.#deliveries.setPolicy(policy.channel);
    // Classes depend only on this budget, so most changes of policies need no look at the members.
    return policy.budget.publicationsPerSecond !== budget.publicationsPerSecond;
  }

  /**
   * Moves members to the classes that the policy gives them. Callers settle a large room in parts: each call costs one
   * frame a class.
   */
  settle(members: Iterable<Member>): void {
    const moves = new Map<MemberClass, Map<MemberClass, Member[]>>();
    for (const member of members) {
      if (!member.active || member.asked === undefined) continue;
      const from = member.memberClass;
      const to = from.encoding.classAt(densityFor(member.asked, this.policy));
      if (to === from) continue;
      const byTarget = moves.get(from) ?? new Map<MemberClass, Member[]>();
      moves.set(from, byTarget);
      const moved = byTarget.get(to);
      if (moved === undefined) byTarget.set(to, [member]);
      else moved.push(member);
    }
    for (const [from, byTarget] of moves) for (const [to, moved] of byTarget) this.#move(moved, from, to);
  }

  setCadence(cadence: { readonly windowMs: number; readonly budgetFactor: number }): void {
    this.#merger.setCadence(cadence);
  }

  join(member: Member): void {
    this.#endHandovers();
    this.#list(member.memberClass).add(member);
    if (member.memberClass.encoding !== member.connection.encodingOf(this.channel))
      this.#handovers.add(member, this.#surroundings.clock.monotonic());
    this.#size++;
    this.#boundBacklog();
    if (member.connection.isFull) this.fullMembers++;
    member.connection.members.push(member);
  }

  leave(member: Member): void {
    if (!member.active) return;
    member.active = false;
    this.#remove(member);
    this.#size--;
    this.#boundBacklog();
    if (member.connection.isFull) this.fullMembers--;
    member.connection.forget(member);
    const index = member.connection.members.indexOf(member);
    if (index >= 0) member.connection.members.splice(index, 1);
  }

  /** Gives a member another density. Before that, it is told of everything its old class has not been told of. */
  changeDensity(member: Member, asked: number | undefined): void {
    member.asked = asked;
    const { memberClass } = member;
    const to = memberClass.encoding.classAt(densityFor(asked, this.policy));
    if (to !== memberClass) this.#move([member], memberClass, to);
  }

  /** Publications came from the bus. */
  receive(batch: LogBatch): void {
    this.#intake.batch(batch);
  }

  /** The subscription was interrupted, and is in force again at a position. */
  resubscribed(position: Position): void {
    this.#intake.resubscribed(position);
  }

  /** Takes what joins on to what was received, or what lies behind a hole that stays. */
  accept(next: Intake): void {
    this.resumes.received(next);
    if (next.kind === 'batch') this.#accept(next.batch);
    else if (next.kind === 'continued') this.#emit(this.#merger.continued(next.epoch, next.earlier, this.#moment()));
    else this.#emit(this.#merger.resubscribed(next.position, this.#moment()));
  }

  continues(batch: LogBatch): boolean {
    return this.#merger.continues(batch);
  }

  get received(): Position {
    return this.#merger.received;
  }

  get hasHistory(): boolean {
    return this.policy.history !== undefined;
  }

  #accept(batch: LogBatch): void {
    this.#endHandovers();
    this.#meter.received(batch.publications);
    this.#surroundings.metrics.received(batch.publications.length);
    this.#traces.received(batch);
    this.#emit(this.#merger.receive(batch, this.#moment()));
  }

  /** Sums of its meter, for the busiest channels. */
  get totals(): RoomMeter['totals'] {
    return this.#meter.totals;
  }

  /** Whether a flush is under way: its cost is measured at its end. */
  get isFlushing(): boolean {
    return this.#meter.isFlushing;
  }

  /**
   * The load for the cadence, measured anew from now on; `undefined` without any input or write.
   * @param intervalMs milliseconds since the load was last taken
   */
  takeLoad(intervalMs: number): RoomLoad | undefined {
    const load = this.#meter.takeLoad(intervalMs, this.#size);
    if (load === undefined) return undefined;
    this.#boundBacklog();
    return { ...load, policy: this.policy };
  }

  close(): void {
    this.#isClosed = true;
    this.#intake.close();
    this.resumes.close();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #moment(): Moment {
    const { clock } = this.#surroundings;
    return { monotonic: clock.monotonic(), wall: clock.wall() };
  }

  #list(memberClass: MemberClass): MemberList {
    let list = this.#members.get(memberClass);
    if (list === undefined) {
      list = new MemberList();
      this.#members.set(memberClass, list);
      this.#merger.openClass(memberClass, this.#surroundings.clock.monotonic());
    }
    return list;
  }

  #remove(member: Member): void {
    const list = this.#members.get(member.memberClass);
    list?.remove(member);
    if (list?.size === 0) {
      this.#members.delete(member.memberClass);
      this.#merger.closeClass(member.memberClass);
    }
  }

  /** Moves members whose handover has ended to the encoding of all others. */
  #endHandovers(): void {
    const over = this.#handovers.over(this.#surroundings.clock.monotonic());
    if (over.length === 0) return;
    for (const [from, members] of Map.groupBy(over, ({ memberClass }) => memberClass)) {
      const to = members[0]?.connection.encodingOf(this.channel).classAt(from.density);
      if (to !== undefined) this.#move(members, from, to);
    }
  }

  /** Moves members from one class to another. They share one frame, so that their number costs little. */
  #move(members: readonly Member[], from: MemberClass, to: MemberClass): void {
    const untold = this.#merger.untold(from);
    for (const member of members) {
      this.#remove(member);
      member.memberClass = to;
      this.#list(to).add(member);
    }
    if (untold === undefined) return;
    const span = { channel: this.channel, epoch: this.position.epoch, ...untold };
    this.#deliveries.notify(span, [{ bytes: to.encoding.batch(span, []), members }]);
  }

  #emit(events: readonly (Cut | Missing | Continued)[]): void {
    for (const event of events) {
      if (event.kind === 'cut') this.#flush(event);
      else if (event.kind === 'continued') this.#tellContinued(event);
      else this.#tellMissing(event);
    }
    const { isWaiting } = this.#merger;
    if (isWaiting && !this.#wasWaiting) this.#surroundings.metrics.heldFlushes.inc();
    this.#wasWaiting = isWaiting;
    this.#arm();
  }

  #boundBacklog(): void {
    this.#merger.setUnderWayMax(flushesUnderWayMax(this.#size * this.#meter.writeCostMs));
  }

  #written(cut: Cut): void {
    this.#meter.written();
    this.#surroundings.metrics.observeLatency(cut.publications, this.#surroundings.clock.wall());
    // A waiting cut is encoded in a turn of its own: this turn is a slice of the fan-out.
    if (this.#merger.isWaiting) this.#surroundings.clock.soon(() => this.#goOn());
    else this.#goOn();
  }

  /** Tells the merger that a cut was written. */
  #goOn(): void {
    if (!this.#isClosed) this.#emit(this.#merger.written(this.#moment()));
  }

  #arm(): void {
    const dueAt = this.#merger.dueAt;
    if (dueAt === undefined || (this.#cancelTimer !== undefined && this.#timerAt === dueAt)) return;
    const { clock } = this.#surroundings;
    this.#cancelTimer?.();
    this.#timerAt = dueAt;
    // Timers take whole milliseconds: a delay that is rounded down would fire too early and be set again.
    this.#cancelTimer = clock.after(Math.max(1, Math.ceil(dueAt - clock.monotonic())), this.#onDue);
  }

  #flush(cut: Cut): void {
    const { fanOut, metrics, clock } = this.#surroundings;
    const startedAt = clock.monotonic();
    const encoded = encodedFor(cut.classes);
    const deliveries: Delivery<Member>[] = [];
    const classes: ClassRecord[] = [];
    for (const classCut of cut.classes) {
      const list = this.#members.get(classCut.memberClass);
      if (list === undefined || list.size === 0) continue;
      const { dropped } = classCut;
      this.#deliveries.offer(cut, classCut, list.size);
      const frame = classCut.send ? this.#encode(cut.epoch, classCut, encoded?.get(classCut.memberClass.encoding)) : undefined;
      const delivery = frame === undefined ? undefined : this.#deliveries.ofCut({ cut, classCut, frame, list });
      if (delivery !== undefined) deliveries.push(delivery);
      classes.push({ members: list.size, dropped, delivery });
    }
    this.records.begin(cut, classes);
    this.#meter.begun();
    this.#meter.spentMs += Math.min(clock.monotonic() - startedAt, limits.flushStepMsMax);
    metrics.flushed(cut, this.#merger.windowMs);
    const trace = this.#traces.begin({ cut, classes, deliveries, cutAt: startedAt }, this.policy, this.#merger.windowMs);
    fanOut.add({
      room: this.#meter,
      deliveries,
      marks: trace?.marks,
      onDone: () => {
        this.records.done();
        if (trace !== undefined) this.#traces.end(trace);
        this.#written(cut);
      },
    });
  }

  #encode(epoch: string, { memberClass, after, upto, leftOut, items }: ClassCut, encoded: EncodedItems | undefined): Buffer | undefined {
    return memberClass.encoding.batch({ channel: this.channel, epoch, after, upto, leftOut }, items, encoded);
  }

  /** Tells members that their positions are in another epoch from now on. */
  #tellContinued({ epoch, before, offset }: Continued): void {
    const notices = [...this.#members].map(([{ encoding }, list]) => ({
      bytes: encoding.message({ type: 'epoch', channel: this.channel, epoch, before }),
      members: list.lend(),
    }));
    this.#deliveries.notify({ epoch, after: offset, upto: offset }, notices);
  }

  /**
   * Tells members of missing publications at once, if their encoding can: the next publication may be long in coming.
   */
  #tellMissing({ after, position }: Missing): void {
    const { epoch, offset: upto } = position;
    this.#surroundings.metrics.busGaps.inc();
    const notices = [...this.#members].map(([{ encoding }, list]) => ({
      bytes: encoding.message({ type: 'gap', channel: this.channel, epoch, after, upto, reason: 'bus' }),
      members: list.lend(),
    }));
    this.#deliveries.notify({ epoch, after, upto }, notices);
  }
}

/** Encodes items once for several densities of the same encoding. */
function encodedFor(classes: readonly ClassCut[]): ReadonlyMap<Encoding, EncodedItems> | undefined {
  if (classes.length < 2) return undefined;
  return new Map(classes.map(({ memberClass }) => [memberClass.encoding, new Map()]));
}

import type { ChannelPolicy } from '../../core/policy/policy.ts';
import { priorities, type LogBatch, type Position, type Publication } from '../../core/publication.ts';
import { encodeBinaryBatch, encodePlainBatch, encodeTextBatch, encodeTextItem, type PlacedPublication } from '../encoding/batch.ts';
import { encodeMessage } from '../encoding/message.ts';
import { flushesUnderWayMax } from '../merging/cadence.ts';
import { Delivery } from './delivery.ts';
import type { FanOut } from './fan-out.ts';
import { FlushRecords } from './flush-records.ts';
import { MemberList, type Member } from './members.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { Clock } from '../../core/clock.ts';
import { classFor, Room, type ClassCut, type Cut, type MemberClass, type Missing, type Moment } from '../merging/merger.ts';
import { Tally } from '../tally.ts';

export interface RoomSurroundings {
  readonly fanOut: FanOut;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
}

/** CPU of a flush for each member until it is measured, in milliseconds: cautious, some two or three times what it takes. */
const writeCostMsAssumed = 0.02;

/** What was measured of a room since it was last asked. */
export interface MeasuredLoad {
  /** Bus batches that arrived, the publications in them, and the bytes of their payloads. */
  readonly arrivals: number;
  readonly publications: number;
  readonly bytes: number;
  /** CPU of one flush, in milliseconds; `undefined` = none has ended. */
  readonly flushCostMs: number | undefined;
}

/**
 * A room with its members, on a gateway: brings the rules (`Room`) together with the timer, the encoders and the fan-out.
 * Lives from its first member's coming to its last member's leaving.
 */
export class HostedRoom {
  readonly channel: string;
  readonly #surroundings: RoomSurroundings;
  readonly #room: Room;
  readonly #members = new Map<MemberClass, MemberList>();
  readonly records: FlushRecords;
  readonly tally = new Tally();
  #cancelTimer: (() => void) | undefined;
  #timerAt = 0;
  /** Members whose queue is at its bound; kept by their connections. */
  fullMembers = 0;
  /** CPU for encoding and fan-out since the load was last taken, in milliseconds. */
  spentMs = 0;
  #flushesWritten = 0;
  #writeCostMs = writeCostMsAssumed;
  #arrivals = 0;
  #publications = 0;
  #bytes = 0;
  #wasWaiting = false;
  #isClosed = false;

  constructor(options: {
    readonly channel: string;
    readonly policy: ChannelPolicy;
    readonly position: Position;
    readonly surroundings: RoomSurroundings;
  }) {
    this.channel = options.channel;
    this.#surroundings = options.surroundings;
    this.records = new FlushRecords(options.surroundings.clock);
    this.#room = new Room(options);
  }

  get policy(): ChannelPolicy {
    return this.#room.policy;
  }

  get position(): Position {
    return this.#room.position;
  }

  get size(): number {
    let size = 0;
    for (const list of this.#members.values()) size += list.size;
    return size;
  }

  /** All members as they are now: the list stays as it is while they come and go. */
  everyone(): readonly Member[] {
    return [...this.#members.values()].flatMap((list) => [...list]);
  }

  /** What a member asked for holds under the new policy too: the class that gave it no more may give more now. */
  setPolicy(policy: ChannelPolicy): void {
    const { budget } = this.#room.policy;
    this.#room.setPolicy(policy);
    // Classes depend on nothing else: most changes of policies need no look at the members.
    if (policy.budget.publicationsPerSecond === budget.publicationsPerSecond) return;
    const moves: { readonly from: MemberClass; readonly to: MemberClass; readonly members: Member[] }[] = [];
    for (const [from, list] of this.#members) {
      const byClass = new Map<MemberClass, Member[]>();
      for (const member of list) {
        const to = member.density === undefined ? from : classFor(member.density, policy);
        if (to === from) continue;
        const members = byClass.get(to);
        if (members === undefined) byClass.set(to, [member]);
        else members.push(member);
      }
      for (const [to, members] of byClass) moves.push({ from, to, members });
    }
    for (const { from, to, members } of moves) this.#move(members, from, to);
  }

  setCadence(cadence: { readonly windowMs: number; readonly budgetFactor: number }): void {
    this.#room.setCadence(cadence);
  }

  join(member: Member): void {
    this.#list(member.memberClass).add(member);
    this.#boundBacklog();
    if (member.connection.isFull) this.fullMembers++;
    member.connection.members.push(member);
  }

  leave(member: Member): void {
    if (!member.active) return;
    member.active = false;
    this.#remove(member);
    this.#boundBacklog();
    if (member.connection.isFull) this.fullMembers--;
    member.connection.forget(member);
    const index = member.connection.members.indexOf(member);
    if (index >= 0) member.connection.members.splice(index, 1);
  }

  /** Moves a member to another class, after telling it of what its old class has not been told of. */
  changeClass(member: Member, memberClass: MemberClass): void {
    if (member.memberClass !== memberClass) this.#move([member], member.memberClass, memberClass);
  }

  receive(batch: LogBatch): void {
    this.#arrivals++;
    this.#publications += batch.publications.length;
    for (const { payload } of batch.publications) this.#bytes += payload.length;
    this.#surroundings.metrics.received.inc(batch.publications.length);
    this.#emit(this.#room.receive(batch, this.#moment()));
  }

  /** What the cadence is planned from; measured anew from then on. `undefined` where nothing came and nothing was written. */
  takeLoad(): MeasuredLoad | undefined {
    if (this.#arrivals === 0 && this.spentMs === 0 && this.#flushesWritten === 0) return undefined;
    const flushCostMs = this.#flushesWritten > 0 ? this.spentMs / this.#flushesWritten : undefined;
    const load = { arrivals: this.#arrivals, publications: this.#publications, bytes: this.#bytes, flushCostMs };
    this.#arrivals = 0;
    this.#publications = 0;
    this.#bytes = 0;
    // A flush that takes longer than an interval is measured when it ends.
    if (flushCostMs !== undefined) {
      this.spentMs = 0;
      this.#writeCostMs = flushCostMs / Math.max(1, this.size);
      this.#boundBacklog();
    }
    this.#flushesWritten = 0;
    return load;
  }

  resubscribed(position: Position): void {
    this.#emit(this.#room.resubscribed(position, this.#moment()));
  }

  close(): void {
    this.#isClosed = true;
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
      this.#room.openClass(memberClass, this.#surroundings.clock.monotonic());
    }
    return list;
  }

  #remove(member: Member): void {
    const list = this.#members.get(member.memberClass);
    list?.remove(member);
    if (list?.size === 0) {
      this.#members.delete(member.memberClass);
      this.#room.closeClass(member.memberClass);
    }
  }

  /** One frame for all who are moved from one class to another: how many they are must not be felt. */
  #move(members: readonly Member[], from: MemberClass, to: MemberClass): void {
    const untold = this.#room.untold(from);
    for (const member of members) {
      this.#remove(member);
      member.memberClass = to;
      this.#list(to).add(member);
    }
    if (untold === undefined) return;
    const bytes = encodeTextBatch({ channel: this.channel, epoch: this.position.epoch, ...untold }, []);
    this.#notify(bytes, { memberClass: to, ...untold }, [members]);
  }

  #emit(events: readonly (Cut | Missing)[]): void {
    for (const event of events) {
      if (event.kind === 'cut') this.#flush(event);
      else this.#tellMissing(event);
    }
    const { isWaiting } = this.#room;
    if (isWaiting && !this.#wasWaiting) this.#surroundings.metrics.heldFlushes.inc();
    this.#wasWaiting = isWaiting;
    this.#arm();
  }

  #boundBacklog(): void {
    this.#room.setUnderWayMax(flushesUnderWayMax(this.size * this.#writeCostMs));
  }

  #written(cut: Cut): void {
    this.#flushesWritten++;
    this.#surroundings.metrics.observeLatency(cut.publications, this.#surroundings.clock.wall());
    const next = (): void => {
      if (!this.#isClosed) this.#emit(this.#room.written(this.#moment()));
    };
    // A cut that waits is encoded in a turn of its own: this one is a slice of the fan-out's.
    if (this.#room.isWaiting) this.#surroundings.clock.soon(next);
    else next();
  }

  #arm(): void {
    const dueAt = this.#room.dueAt;
    if (dueAt === undefined || (this.#cancelTimer !== undefined && this.#timerAt === dueAt)) return;
    const { clock } = this.#surroundings;
    this.#cancelTimer?.();
    this.#timerAt = dueAt;
    this.#cancelTimer = clock.after(Math.max(1, dueAt - clock.monotonic()), () => {
      this.#cancelTimer = undefined;
      this.#emit(this.#room.tick(this.#moment()));
    });
  }

  #flush(cut: Cut): void {
    const { fanOut, metrics, clock } = this.#surroundings;
    const startedAt = clock.monotonic();
    const sizeOf = (memberClass: string): number => this.#members.get(memberClass as MemberClass)?.size ?? 0;
    for (const tally of [this.tally, metrics.tally]) this.#offer(tally, cut, sizeOf);
    const items = new Map<PlacedPublication, Buffer>();
    const deliveries: Delivery[] = [];
    for (const classCut of cut.classes) {
      const list = this.#members.get(classCut.memberClass);
      const bytes = classCut.send ? this.#encode(cut, classCut, items) : undefined;
      if (list === undefined || list.size === 0 || bytes === undefined) continue;
      deliveries.push(
        new Delivery({
          cut: classCut,
          epoch: cut.epoch,
          frame: bytes,
          members: list.lend(),
          tallies: [this.tally, metrics.tally],
          meter: metrics,
        }),
      );
    }
    const record = this.records.begin(cut, deliveries, sizeOf);
    this.spentMs += clock.monotonic() - startedAt;
    metrics.flushed(cut, this.#room.windowMs);
    fanOut.add({
      room: this,
      deliveries,
      onDone: () => {
        this.records.done(record);
        this.#written(cut);
      },
    });
  }

  #offer(tally: Tally, cut: Cut, sizeOf: (memberClass: string) => number): void {
    const members = cut.classes.reduce((sum, { memberClass }) => sum + sizeOf(memberClass), 0);
    for (const { publication } of cut.publications) tally.add('offered', publication.priority, members);
    for (const { memberClass, dropped } of cut.classes) {
      const concerned = sizeOf(memberClass);
      for (const { placed, reason } of dropped) tally.add(reason, placed.publication.priority, concerned);
    }
    this.#offerThinned(tally, cut, sizeOf);
  }

  #offerThinned(tally: Tally, { thinned, classes }: Cut, sizeOf: (memberClass: string) => number): void {
    for (const [index, count] of thinned.entries()) {
      const priority = priorities[index];
      if (count === 0 || priority === undefined) continue;
      for (const { memberClass } of classes) {
        tally.add('offered', priority, count * sizeOf(memberClass));
        tally.add('budget', priority, count * sizeOf(memberClass));
      }
    }
  }

  #encode(cut: Cut, classCut: ClassCut, items: Map<PlacedPublication, Buffer>): Buffer | undefined {
    const publications: readonly Publication[] = classCut.items.map(({ publication }) => publication);
    if (classCut.memberClass === 'plain') return publications.length === 0 ? undefined : encodePlainBatch(publications);
    const span = { channel: this.channel, epoch: cut.epoch, after: classCut.after, upto: classCut.upto, leftOut: classCut.leftOut };
    if (publications.some(({ kind }) => kind === 'binary')) return encodeBinaryBatch(span, classCut.items);
    return encodeTextBatch(
      span,
      classCut.items.map((placed) => {
        let item = items.get(placed);
        if (item === undefined) items.set(placed, (item = encodeTextItem(placed)));
        return item;
      }),
    );
  }

  /** Nobody chose to leave these out: barrage.v1 members are told at once, since the next publication may be long in coming. */
  #tellMissing({ after, position }: Missing): void {
    const bytes = encodeMessage({ type: 'gap', channel: this.channel, epoch: position.epoch, after, upto: position.offset, reason: 'bus' });
    this.#surroundings.metrics.busGaps.inc();
    const lists = [...this.#members].filter(([memberClass]) => memberClass !== 'plain').map(([, list]) => list.lend());
    this.#notify(bytes, { memberClass: 'full', after, upto: position.offset }, lists);
  }

  /** Sends a frame without publications in its turn: behind the flushes of this room that are still being written. */
  #notify(
    bytes: Buffer,
    span: { readonly memberClass: MemberClass; readonly after: number; readonly upto: number },
    lists: readonly (readonly Member[])[],
  ): void {
    const { fanOut, metrics } = this.#surroundings;
    const cut: ClassCut = { ...span, leftOut: 0, items: [], dropped: [], send: true };
    const deliveries = lists.map(
      (members) => new Delivery({ cut, epoch: this.position.epoch, frame: bytes, members, tallies: [], meter: metrics }),
    );
    fanOut.add({ room: this, deliveries, onDone: () => {} });
  }
}

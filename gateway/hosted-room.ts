import type { ChannelPolicy } from '../core/policy.ts';
import type { LogBatch, Position, Publication } from '../core/publication.ts';
import { encodeBinaryBatch, encodePlainBatch, encodeTextBatch, encodeTextItem, type PlacedPublication } from '../core/protocol/batch.ts';
import { encodeMessage } from '../core/protocol/message.ts';
import { Delivery } from './delivery.ts';
import type { FanOut } from './fan-out.ts';
import { FlushRecords } from './flush-records.ts';
import { MemberList, type Member } from './members.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { Timers } from './timers.ts';
import { classFor, Room, type ClassCut, type Cut, type MemberClass, type Missing } from './room.ts';
import { Tally } from './tally.ts';

export interface RoomSurroundings {
  readonly fanOut: FanOut;
  readonly metrics: GatewayMetrics;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Milliseconds of a monotonic clock, for what a flush costs. */
  readonly clock: () => number;
  readonly timers: Timers;
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
  readonly records = new FlushRecords();
  readonly tally = new Tally();
  #cancelTimer: (() => void) | undefined;
  #timerAt = 0;
  /** Members whose queue is at its bound; kept by their connections. */
  fullMembers = 0;
  /** What the cadence is planned from; reset by it. */
  spentMs = 0;
  flushes = 0;
  arrivals = 0;

  constructor(options: {
    readonly channel: string;
    readonly policy: ChannelPolicy;
    readonly position: Position;
    readonly surroundings: RoomSurroundings;
  }) {
    this.channel = options.channel;
    this.#surroundings = options.surroundings;
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

  /** What a member asked for holds under the new policy too: the class that gave it no more may give more now. */
  setPolicy(policy: ChannelPolicy): void {
    this.#room.setPolicy(policy);
    const asking = [...this.#members.values()].flatMap((list) => [...list].filter(({ density }) => density !== undefined));
    for (const member of asking) this.changeClass(member, classFor(member.density, policy));
  }

  setCadence(cadence: { readonly windowMs: number; readonly budgetFactor: number }): void {
    this.#room.setCadence(cadence);
  }

  join(member: Member): void {
    this.#list(member.memberClass).add(member);
    if (member.connection.isFull) this.fullMembers++;
    member.connection.members.push(member);
  }

  leave(member: Member): void {
    if (!member.active) return;
    member.active = false;
    this.#remove(member);
    if (member.connection.isFull) this.fullMembers--;
    member.connection.forget(member);
    const index = member.connection.members.indexOf(member);
    if (index >= 0) member.connection.members.splice(index, 1);
  }

  /** Moves a member to another class, after telling it of what its old class has not been told of. */
  changeClass(member: Member, memberClass: MemberClass): void {
    if (member.memberClass === memberClass) return;
    const untold = this.#room.untold(member.memberClass);
    this.#remove(member);
    member.memberClass = memberClass;
    this.#list(memberClass).add(member);
    if (untold === undefined) return;
    const bytes = encodeTextBatch({ channel: this.channel, epoch: this.position.epoch, ...untold }, []);
    this.#notify(bytes, { memberClass, ...untold }, [[member]]);
  }

  receive(batch: LogBatch): void {
    this.arrivals++;
    this.#surroundings.metrics.received.inc(batch.publications.length);
    this.#emit(this.#room.receive(batch, this.#surroundings.now()));
  }

  resubscribed(position: Position): void {
    this.#emit(this.#room.resubscribed(position, this.#surroundings.now()));
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #list(memberClass: MemberClass): MemberList {
    let list = this.#members.get(memberClass);
    if (list === undefined) {
      list = new MemberList();
      this.#members.set(memberClass, list);
      this.#room.openClass(memberClass, this.#surroundings.now());
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

  #emit(events: readonly (Cut | Missing)[]): void {
    for (const event of events) {
      if (event.kind === 'cut') this.#flush(event);
      else this.#tellMissing(event);
    }
    this.#arm();
  }

  #arm(): void {
    const dueAt = this.#room.dueAt;
    if (dueAt === undefined || (this.#cancelTimer !== undefined && this.#timerAt === dueAt)) return;
    const { now, timers } = this.#surroundings;
    this.#cancelTimer?.();
    this.#timerAt = dueAt;
    this.#cancelTimer = timers.after(Math.max(1, dueAt - now()), () => {
      this.#cancelTimer = undefined;
      this.#emit(this.#room.tick(now()));
    });
  }

  #flush(cut: Cut): void {
    const { fanOut, metrics, now, clock } = this.#surroundings;
    const startedAt = clock();
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
    this.flushes++;
    this.spentMs += clock() - startedAt;
    metrics.flushed(cut, this.#room.windowMs);
    fanOut.add({
      room: this,
      deliveries,
      onDone: () => {
        this.records.done(record);
        metrics.observeLatency(cut.publications, now());
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

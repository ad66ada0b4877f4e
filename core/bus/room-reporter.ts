import type { GatewayRecord, RoomCounts } from './bus.ts';
import { ReportWriter, type ReportHeader } from './report-message.ts';

/** Longest part of a snapshot, in bytes, but for its last entry. */
const snapshotPartBytes = 262_144;

interface ToldRoom {
  readonly channel: string;
  /** −1 until the room is told of. */
  index: number;
  /** Whether all listeners know that the index stands for this channel. */
  isNamed: boolean;
  /** Members at the last look, told or not. */
  ready: number;
  full: number;
  /** The last report that told of it; 0 while none has. */
  toldIn: number;
  /** The look that found it last. */
  turn: number;
}

/**
 * A gateway's side of the member counts: finds what has changed since the last report, and tells as much of it as may
 * be told now. What changed first is told first, after what is closed.
 */
export class RoomReporter {
  readonly #identity: GatewayRecord & { readonly life: string };
  readonly #rooms = new Map<string, ToldRoom>();
  /** Rooms that are closed and were told of as open. */
  readonly #closed = new Set<ToldRoom>();
  readonly #changed = new Set<ToldRoom>();
  readonly #byIndex: (ToldRoom | undefined)[] = [];
  /** By index: the last report that told that its room is closed. */
  readonly #freedIn: number[] = [];
  readonly #free: number[] = [];
  #turn = 0;
  #sequence = 0;

  constructor(identity: GatewayRecord & { readonly life: string }) {
    this.#identity = identity;
  }

  /** Rooms with a change that no report has told. */
  get waiting(): number {
    return this.#closed.size + this.#changed.size;
  }

  /**
   * The report to send now. There always is one, so that the gateway is known to be alive.
   * @param bytesMax what it may have, in bytes, but for its header and its last entry; what does not fit waits for the
   * next one
   */
  next(rooms: Iterable<readonly [channel: string, counts: RoomCounts]>, bytesMax: number): Buffer {
    this.#look(rooms);
    const writer = new ReportWriter(this.#header('changes', ++this.#sequence));
    const end = writer.length + bytesMax;
    for (const room of this.#closed) {
      if (writer.length >= end) break;
      this.#closed.delete(room);
      this.#tellClosed(writer, room);
    }
    for (const room of this.#changed) {
      if (writer.length >= end) break;
      this.#changed.delete(room);
      this.#tellChanged(writer, room);
    }
    return writer.finish();
  }

  /** All that the reports after number `since` have told, as of the last one; 0: all rooms. */
  snapshot(since: number): readonly Buffer[] {
    const parts: ReportWriter[] = [];
    const begin = (): ReportWriter => {
      const part = new ReportWriter(this.#header('snapshot', this.#sequence, { since, part: parts.length }));
      parts.push(part);
      return part;
    };
    let writer = begin();
    for (const [index, room] of this.#byIndex.entries()) {
      if (writer.length >= snapshotPartBytes) writer = begin();
      const toldIn = room?.toldIn ?? this.#freedIn[index] ?? 0;
      if (toldIn <= since) continue;
      if (room !== undefined && room.ready + room.full > 0) writer.entry(index, room.channel, room.ready, room.full);
      else if (since > 0) writer.entry(index, undefined, 0, 0);
    }
    writer.mark('snapshot-end');
    return parts.map((part) => part.finish());
  }

  gone(): Buffer {
    return new ReportWriter(this.#header('gone', ++this.#sequence)).finish();
  }

  #header(kind: ReportHeader['kind'], sequence: number, snapshot = { since: 0, part: 0 }): ReportHeader {
    const { number, name, life } = this.#identity;
    return { kind, gateway: number, name, life, sequence, ...snapshot };
  }

  #look(rooms: Iterable<readonly [channel: string, counts: RoomCounts]>): void {
    const turn = ++this.#turn;
    let found = 0;
    for (const [channel, { ready, full }] of rooms) {
      if (ready + full === 0) continue;
      found++;
      const room = this.#rooms.get(channel);
      if (room === undefined) {
        const opened = { channel, index: -1, isNamed: false, ready, full, toldIn: 0, turn };
        this.#rooms.set(channel, opened);
        this.#changed.add(opened);
        continue;
      }
      room.turn = turn;
      if (room.ready === ready && room.full === full) continue;
      room.ready = ready;
      room.full = full;
      // A snapshot of meanwhile left it out.
      if (this.#closed.delete(room)) room.isNamed = false;
      this.#changed.add(room);
    }
    if (this.#rooms.size - this.#closed.size > found) this.#close(turn);
  }

  /** Rooms that the look of this turn did not find. */
  #close(turn: number): void {
    for (const room of this.#rooms.values()) {
      if (room.turn === turn || room.ready + room.full === 0) continue;
      this.#changed.delete(room);
      room.ready = 0;
      room.full = 0;
      if (room.toldIn > 0) this.#closed.add(room);
      else this.#rooms.delete(room.channel);
    }
  }

  #tellClosed(writer: ReportWriter, room: ToldRoom): void {
    writer.entry(room.index, undefined, 0, 0);
    this.#rooms.delete(room.channel);
    this.#byIndex[room.index] = undefined;
    this.#freedIn[room.index] = this.#sequence;
    this.#free.push(room.index);
  }

  #tellChanged(writer: ReportWriter, room: ToldRoom): void {
    if (room.index < 0) {
      room.index = this.#free.pop() ?? this.#byIndex.length;
      this.#byIndex[room.index] = room;
    }
    room.toldIn = this.#sequence;
    writer.entry(room.index, room.isNamed ? undefined : room.channel, room.ready, room.full);
    room.isNamed = true;
  }
}

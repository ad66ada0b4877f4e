import type { GatewayRecord, RoomCounts } from './bus.ts';
import { ReportWriter, type ReportHeader } from './report-message.ts';

/** Longest part of a snapshot, in bytes, not counting its last entry. */
const snapshotPartBytes = 262_144;

interface ToldRoom {
  readonly channel: string;
  /** Index in the reports; −1 until the room is first reported. */
  index: number;
  /** Whether all listeners know the channel of the index. */
  isNamed: boolean;
  /** Members at the last look, reported or not. */
  ready: number;
  full: number;
  /** The last report with this room; 0 before the first. */
  toldIn: number;
  /** The last look that found the room open. */
  turn: number;
}

/**
 * A gateway's side of the member counts. It finds the changes since the last report, and reports as many as the next
 * report may hold. Closed rooms come first, then the oldest changes.
 */
export class RoomReporter {
  readonly #identity: GatewayRecord & { readonly life: string };
  readonly #rooms = new Map<string, ToldRoom>();
  /** Closed rooms that were last reported as open. */
  readonly #closed = new Set<ToldRoom>();
  readonly #changed = new Set<ToldRoom>();
  readonly #byIndex: (ToldRoom | undefined)[] = [];
  /** By index: the last report that freed it. */
  readonly #freedIn: number[] = [];
  readonly #free: number[] = [];
  #turn = 0;
  #sequence = 0;

  constructor(identity: GatewayRecord & { readonly life: string }) {
    this.#identity = identity;
  }

  /** Number of rooms with an unreported change. */
  get waiting(): number {
    return this.#closed.size + this.#changed.size;
  }

  /**
   * The next report. An empty one is sent too: it shows that the gateway is alive.
   * @param bytesMax bound in bytes, not counting header and last entry; other changes wait for the next report
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

  /** The changes of all reports after number `since`, as of the last report; for 0, all rooms. */
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
      // A snapshot in between left the room out, so listeners may not know its name.
      if (this.#closed.delete(room)) room.isNamed = false;
      this.#changed.add(room);
    }
    if (this.#rooms.size - this.#closed.size > found) this.#close(turn);
  }

  /** Closes the rooms that the look of this turn did not find. */
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

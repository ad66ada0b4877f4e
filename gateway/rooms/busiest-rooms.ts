import type { Clock } from '../../core/clock.ts';
import { priorities } from '../../core/publication.ts';
import { inSlices } from '../../core/slices.ts';
import type { DropReason, Tally } from '../accounts/tally.ts';
import { demandOf, type RoomLoad } from '../merging/cadence.ts';

/** What a walk looks at of a room. */
interface LoadedRoom {
  /** Number of members. */
  readonly size: number;
  readonly tally: Pick<Tally, 'count'>;
}

/** One room with its load, by the last look. */
export interface BusyRoom<Room extends LoadedRoom> {
  readonly room: Room;
  /** Load of the last half second; `undefined`: nothing came in and nothing was written. */
  readonly load: RoomLoad | undefined;
  /** Share of the event loop that its flushes take at its policy's window. */
  readonly share: number;
  /** Publications × members a second that were left out on purpose, and that were lost. */
  readonly leftOutPerSecond: number;
  readonly lostPerSecond: number;
}

/** All open rooms, and the loads of those with traffic. */
interface RoomsWithLoads<Room> {
  openRooms(): Iterable<Room>;
  readonly loads: ReadonlyMap<Room, RoomLoad>;
}

interface Ranked<Room> {
  readonly room: Room;
  readonly load: RoomLoad | undefined;
  readonly deliveriesPerSecond: number;
}

interface Losses {
  readonly at: number;
  readonly leftOut: number;
  readonly lost: number;
}

/** Most rooms that a walk finds. */
const busiestMax = 20;
const onPurpose: readonly DropReason[] = ['budget', 'conflated', 'expired', 'recalled'];
const byChance: readonly DropReason[] = ['slow', 'disconnected'];

/**
 * Finds the rooms with the most load: publications a second × members, then members. A walk over all rooms goes in
 * slices, keeps no more than its answer, and begins only where it is asked for.
 */
export class BusiestRooms<Room extends LoadedRoom> {
  readonly #rooms: RoomsWithLoads<Room>;
  readonly #clock: Pick<Clock, 'monotonic' | 'soon'>;
  readonly #onSlice: (milliseconds: number) => void;
  #isWalking = false;
  #found: readonly BusyRoom<Room>[] = [];
  /** Losses of the rooms that were found last, since their beginning. */
  #losses = new Map<Room, Losses>();

  constructor(options: {
    readonly rooms: RoomsWithLoads<Room>;
    readonly clock: Pick<Clock, 'monotonic' | 'soon'>;
    /** Called after each slice with its duration in milliseconds. */
    readonly onSlice: (milliseconds: number) => void;
  }) {
    this.#rooms = options.rooms;
    this.#clock = options.clock;
    this.#onSlice = options.onSlice;
  }

  /** The answer of the last complete walk, the busiest first, without those that have closed since. */
  get found(): readonly BusyRoom<Room>[] {
    return this.#found.filter(({ room }) => room.size > 0);
  }

  /** Begins a walk, unless one is under way. */
  walk(): void {
    if (this.#isWalking) return;
    this.#isWalking = true;
    const top: Ranked<Room>[] = [];
    const { loads } = this.#rooms;
    inSlices(this.#rooms.openRooms(), {
      clock: this.#clock,
      onSlice: this.#onSlice,
      step: (room) => {
        const load = loads.get(room);
        const ranked = { room, load, deliveriesPerSecond: (load?.publicationsPerSecond ?? 0) * room.size };
        const last = top.at(-1);
        if (top.length === busiestMax && last !== undefined && !isBusier(ranked, last)) return;
        const place = top.findIndex((each) => isBusier(ranked, each));
        top.splice(place < 0 ? top.length : place, 0, ranked);
        if (top.length > busiestMax) top.pop();
      },
      onDone: () => {
        this.#isWalking = false;
        this.#finish(top);
      },
    });
  }

  #finish(top: readonly Ranked<Room>[]): void {
    const before = this.#losses;
    const at = this.#clock.monotonic();
    this.#losses = new Map();
    this.#found = top.map(({ room, load }) => {
      const losses = { at, leftOut: sumOf(room, onPurpose), lost: sumOf(room, byChance) };
      this.#losses.set(room, losses);
      const earlier = before.get(room);
      const rate = (now: number, then: number | undefined): number =>
        earlier === undefined || then === undefined || at <= earlier.at ? 0 : ((now - then) * 1000) / (at - earlier.at);
      return {
        room,
        load,
        share: load === undefined ? 0 : demandOf(load),
        leftOutPerSecond: rate(losses.leftOut, earlier?.leftOut),
        lostPerSecond: rate(losses.lost, earlier?.lost),
      };
    });
  }
}

function isBusier(one: Ranked<LoadedRoom>, other: Ranked<LoadedRoom>): boolean {
  return one.deliveriesPerSecond === other.deliveriesPerSecond
    ? one.room.size > other.room.size
    : one.deliveriesPerSecond > other.deliveriesPerSecond;
}

function sumOf({ tally }: LoadedRoom, reasons: readonly DropReason[]): number {
  return reasons.reduce((sum, reason) => sum + priorities.reduce((of, priority) => of + tally.count(reason, priority), 0), 0);
}

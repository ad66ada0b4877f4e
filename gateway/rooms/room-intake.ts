import type { LogBatch, Position } from '../../core/publication.ts';
import { joinsOn, type Arrival, type Intake } from '../recovery/hole.ts';
import type { HoleFiller, OpenHole } from './hole-filler.ts';

/** A room as its intake sees it. */
export interface IntakeRoom {
  readonly channel: string;
  /** Whether the channel keeps a history in which a hole can be looked up. */
  readonly hasHistory: boolean;
  /** End of what the room has received. */
  readonly received: Position;
  continues(batch: LogBatch): boolean;
  accept(next: Intake): void;
}

/**
 * What comes from the bus for one room, in order. Where the channel has a history, a hole is filled before what lies
 * behind it goes on; otherwise everything goes on as it comes.
 */
export class RoomIntake {
  readonly #room: IntakeRoom;
  /** Absent: holes stay. */
  readonly #holes: HoleFiller | undefined;
  /** The hole that is being filled; what comes waits behind it. */
  #hole: OpenHole | undefined;
  #isClosed = false;

  constructor(room: IntakeRoom, holes: HoleFiller | undefined) {
    this.#room = room;
    this.#holes = holes;
  }

  batch(batch: LogBatch): void {
    const arrival: Arrival = { kind: 'batch', batch };
    if (this.#hole === undefined && (!this.#room.hasHistory || this.#room.continues(batch))) this.#room.accept(arrival);
    else this.#hold(arrival);
  }

  /** The subscription was interrupted, and is in force again at a position. */
  resubscribed(position: Position): void {
    const arrival: Arrival = { kind: 'resubscribed', position };
    if (this.#hole === undefined && (!this.#room.hasHistory || joinsOn(this.#room.received, arrival))) this.#room.accept(arrival);
    else this.#hold(arrival);
  }

  close(): void {
    this.#isClosed = true;
    this.#hole?.abandon();
    this.#hole = undefined;
  }

  #hold(arrival: Arrival): void {
    if (this.#hole !== undefined) return this.#hole.hold(arrival);
    const room = this.#room;
    if (this.#holes === undefined) return room.accept(arrival);
    const { channel, received } = room;
    this.#hole = this.#holes.fill(
      {
        channel,
        received,
        handOn: (next) => {
          if (!this.#isClosed) room.accept(next);
        },
        onClosed: () => (this.#hole = undefined),
      },
      arrival,
    );
  }
}

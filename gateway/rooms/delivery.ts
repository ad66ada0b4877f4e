import { priorities } from '../../core/publication.ts';
import type { Member } from './members.ts';
import type { ClassCut } from '../merging/merger.ts';
import type { WaitingBatch } from '../connections/send-queue.ts';
import type { DropReason, Tally } from '../tally.ts';

/** What a member may still wait for: one frame of one delivery. */
export interface QueuedBatch extends WaitingBatch<Member> {
  readonly delivery: Delivery;
}

/** Counts what was handed to sockets. */
export interface FrameMeter {
  sent(frames: number, bytes: number): void;
}

const noFrame = Buffer.alloc(0);

/**
 * One frame on its way to the members that one class had at the cut. It knows at any time how many members it was handed to, how many it
 * was dropped for and how many still wait, and keeps the room's and the process's accounts in step.
 */
export class Delivery {
  readonly #tallies: readonly Tally[];
  readonly #meter: FrameMeter;
  readonly #frameBytes: number;
  /** Frames of the protocol in one write: the plain protocol has one for each publication. */
  readonly #frames: number;
  /** Publications in the frame, by priority. */
  readonly #publications: readonly number[];
  readonly #total: number;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly offsets: readonly number[];
  #frame: Buffer;
  #members: readonly Member[];
  /** The next member to be written to. */
  next = 0;
  #handed = 0;
  #slow = 0;
  #disconnected = 0;

  constructor(options: {
    readonly cut: ClassCut;
    readonly epoch: string;
    readonly frame: Buffer;
    readonly members: readonly Member[];
    readonly tallies: readonly Tally[];
    readonly meter: FrameMeter;
  }) {
    const { cut, members } = options;
    this.epoch = options.epoch;
    this.after = cut.after;
    this.upto = cut.upto;
    this.offsets = cut.items.map(({ offset }) => offset);
    this.#publications = priorities.map((priority) =>
      cut.items.reduce((sum, { publication }) => sum + (publication.priority === priority ? 1 : 0), 0),
    );
    this.#tallies = options.tallies;
    this.#meter = options.meter;
    this.#frameBytes = options.frame.length;
    this.#frames = cut.memberClass === 'plain' ? cut.items.length : 1;
    this.#frame = options.frame;
    this.#members = members;
    this.#total = members.length;
  }

  get frame(): Buffer {
    return this.#frame;
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /** Every member was served, queued or passed over; what waits in queues keeps only its own reference to the bytes. */
  finish(): void {
    this.#frame = noFrame;
    this.#members = [];
    this.next = this.#total;
  }

  handed(members: number): void {
    this.#handed += members;
    this.#meter.sent(this.#frames * members, this.#frameBytes * members);
    for (const [index, priority] of priorities.entries()) {
      const publications = this.#publications[index] ?? 0;
      if (publications > 0) for (const tally of this.#tallies) tally.add('delivered', priority, publications * members);
    }
  }

  dropped(reason: Extract<DropReason, 'slow' | 'disconnected'>, members: number): void {
    if (reason === 'slow') this.#slow += members;
    else this.#disconnected += members;
    for (const [index, priority] of priorities.entries()) {
      const publications = this.#publications[index] ?? 0;
      if (publications > 0) for (const tally of this.#tallies) tally.add(reason, priority, publications * members);
    }
  }

  /** How many members this frame reached, did not reach, and may still reach. */
  result(): { readonly delivered: number; readonly slow: number; readonly disconnected: number; readonly pending: number } {
    return {
      delivered: this.#handed,
      slow: this.#slow,
      disconnected: this.#disconnected,
      pending: this.#total - this.#handed - this.#slow - this.#disconnected,
    };
  }
}

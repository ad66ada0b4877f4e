import type { DropReason, Tally } from '../accounts/tally.ts';

/** Counts the frames handed to sockets. */
export interface FrameMeter {
  sent(frames: number, bytes: number): void;
}

/** Numbers of members that a frame reached, did not reach, and may still reach. */
export interface DeliveryResult {
  readonly delivered: number;
  readonly slow: number;
  readonly disconnected: number;
  readonly pending: number;
}

const noFrame = Buffer.alloc(0);
const nobody: readonly never[] = [];

/**
 * One frame on its way to the members of one class, as of the cut. It counts the members it was handed to, was dropped
 * for, and still waits for. It keeps the accounts of room and process in step.
 */
export class Delivery<Recipient> {
  readonly #tallies: readonly Tally[];
  readonly #meter: FrameMeter;
  readonly #frameBytes: number;
  readonly #frames: number;
  readonly #publications: readonly number[];
  readonly #total: number;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  #frame: Buffer;
  #members: readonly Recipient[];
  /** The next member to be written to. */
  next = 0;
  #handed = 0;
  #slow = 0;
  #disconnected = 0;

  constructor(options: {
    /** The span of offsets `(after, upto]` that the frame accounts for. */
    readonly span: { readonly epoch: string; readonly after: number; readonly upto: number };
    readonly frame: Buffer;
    /** Number of protocol frames in `frame`. */
    readonly frames: number;
    /** Number of publications of each priority, in the order of `priorities`. */
    readonly publications: readonly number[];
    readonly members: readonly Recipient[];
    readonly tallies: readonly Tally[];
    readonly meter: FrameMeter;
  }) {
    const { span } = options;
    this.epoch = span.epoch;
    this.after = span.after;
    this.upto = span.upto;
    this.#publications = options.publications;
    this.#tallies = options.tallies;
    this.#meter = options.meter;
    this.#frameBytes = options.frame.length;
    this.#frames = options.frames;
    this.#frame = options.frame;
    this.#members = options.members;
    this.#total = options.members.length;
  }

  get frame(): Buffer {
    return this.#frame;
  }

  get members(): readonly Recipient[] {
    return this.#members;
  }

  /**
   * Ends the fan-out: every member was served, queued or passed over. Queues keep only their own reference to the
   * bytes.
   */
  finish(): void {
    this.#frame = noFrame;
    this.#members = nobody;
    this.next = this.#total;
  }

  handed(members: number): void {
    this.#handed += members;
    this.#meter.sent(this.#frames * members, this.#frameBytes * members);
    for (const tally of this.#tallies) tally.add('delivered', this.#publications, members);
  }

  dropped(reason: Extract<DropReason, 'slow' | 'disconnected'>, members: number): void {
    if (reason === 'slow') this.#slow += members;
    else this.#disconnected += members;
    for (const tally of this.#tallies) tally.add(reason, this.#publications, members);
  }

  result(): DeliveryResult {
    const pending = this.#total - this.#handed - this.#slow - this.#disconnected;
    return { delivered: this.#handed, slow: this.#slow, disconnected: this.#disconnected, pending };
  }
}

import { reachOf, type EarlierEpoch, type HistoryPage } from '../../core/history.ts';
import { limits } from '../../core/limits.ts';
import { isOrderOf, type LogBatch, type Position } from '../../core/publication.ts';

/** What the bus tells a room: publications, or the log's end after an interruption. */
export type Arrival = { readonly kind: 'batch'; readonly batch: LogBatch } | { readonly kind: 'resubscribed'; readonly position: Position };

/**
 * What a room takes: what the bus tells, in order, and that the channel `continued` in another epoch without a loss.
 * The offsets up to that of `earlier` mean the same in both.
 */
export type Intake = Arrival | { readonly kind: 'continued'; readonly epoch: string; readonly earlier: EarlierEpoch };

/**
 * The end of a hole. `filled`: everything was had. Otherwise the rest of it is missing: it was `too_large`, the history
 * has it no more (`lost`), or the bus did not give it in time (`unavailable`).
 */
export const holeResults = ['filled', 'too_large', 'lost', 'unavailable'] as const;
export type HoleResult = (typeof holeResults)[number];

/** What to do next about a hole. `handOn` comes first, in order. */
export interface HoleStep {
  readonly handOn: readonly Intake[];
  readonly next:
    | { readonly kind: 'read'; readonly after: number }
    | { readonly kind: 'wait'; readonly ms: number }
    | { readonly kind: 'closed'; readonly result: HoleResult };
}

/** Bytes of held arrivals: of one hole, or of a process. */
export interface HeldBytes {
  bytes: number;
}

/** Memory of a held arrival besides its payloads, in bytes. */
const arrivalBytes = 100;
/** Wait before a failed read is tried again, in milliseconds. */
const retryMs = 200;
/** Reads in a row that may bring nothing: an arrival may be newer than the page that was under way. */
const emptyReadsMax = 2;

/** Whether an arrival joins on to a position without a hole. */
export function joinsOn(received: Position, arrival: Arrival): boolean {
  if (arrival.kind === 'resubscribed') {
    const { position } = arrival;
    // The position may have only the beginning of an epoch whose name has come meanwhile.
    return (isOrderOf(received, position.epoch) || isOrderOf(position, received.epoch)) && position.offset <= received.offset;
  }
  return isOrderOf(received, arrival.batch.epoch) && arrival.batch.firstOffset <= received.offset + 1;
}

/**
 * The rules of one hole in a room's order, from its discovery until it is closed. Pure: the caller reads pages, tells
 * the time, and hands on what each step says.
 *
 * Arrivals after the hole are held, in order and bounded in bytes. Beyond the bound they are dropped: the history has
 * them too, so that they are read with the hole. What can't be read is handed on as it came, so that the room sees the
 * hole.
 */
export class Hole {
  readonly #since: number;
  readonly #ofAll: HeldBytes;
  #received: Position;
  #held: Arrival[] = [];
  #heldBytes = 0;
  /** End of the newest dropped arrival; `undefined`: none was dropped. */
  #dropped: Position | undefined;
  /** The epoch before today's, as the last page tells it. */
  #earlier: EarlierEpoch | undefined;
  #publications = 0;
  #bytes = 0;
  #emptyReads = 0;

  /**
   * @param received the room's position before the hole
   * @param ofAll bytes held by all holes of the process
   * @param now milliseconds of the monotonic clock
   */
  constructor(received: Position, ofAll: HeldBytes, now: number) {
    this.#received = received;
    this.#ofAll = ofAll;
    this.#since = now;
  }

  /** Holds an arrival back. */
  hold(arrival: Arrival): void {
    const bytes = arrivalBytes + (arrival.kind === 'batch' ? payloadBytes(arrival.batch) : 0);
    if (
      this.#dropped !== undefined ||
      this.#heldBytes + bytes > limits.holeHeldBytesMax ||
      this.#ofAll.bytes + bytes > limits.holesHeldBytesMax
    ) {
      this.#dropped = endOf(arrival);
      return;
    }
    this.#held.push(arrival);
    this.#heldBytes += bytes;
    this.#ofAll.bytes += bytes;
  }

  /** The first step, after the first arrival was held. */
  begin(): HoleStep {
    return this.#goOn([]);
  }

  /** A page of publications after the hole's beginning was read. */
  read(page: HistoryPage, now: number): HoleStep {
    const from = this.#received;
    if (reachOf(page, from) === 'lost') return this.#close('lost', []);
    const publications = page.publications.map(({ publication }) => publication);
    const { epoch } = page.position;
    const isNews = publications.length > 0 || epoch !== from.epoch;
    this.#emptyReads = isNews ? 0 : this.#emptyReads + 1;
    this.#received = { epoch, offset: from.offset + publications.length };
    const batch: LogBatch = { channel: '', epoch, firstOffset: from.offset + 1, publications };
    this.#publications += publications.length;
    this.#bytes += payloadBytes(batch);
    if (this.#emptyReads >= emptyReadsMax) return this.#close('lost', []);
    const fill: Intake[] = [];
    const { earlier } = page;
    this.#earlier = earlier;
    if (earlier !== undefined && isOrderOf(from, earlier.epoch) && !isOrderOf(from, epoch))
      fill.push({ kind: 'continued', epoch, earlier });
    if (publications.length > 0) fill.push({ kind: 'batch', batch });
    else if (isNews && fill.length === 0) fill.push({ kind: 'resubscribed', position: this.#received });
    const step = this.#goOn(fill);
    return step.next.kind === 'read' && now - this.#since > limits.holeMsMax ? this.#close('unavailable', step.handOn) : step;
  }

  /** A read failed. */
  failed(now: number): HoleStep {
    return now - this.#since > limits.holeMsMax ? this.#close('unavailable', []) : { handOn: [], next: { kind: 'wait', ms: retryMs } };
  }

  /** The read after a wait. */
  again(): HoleStep {
    return { handOn: [], next: { kind: 'read', after: this.#received.offset } };
  }

  /** The room is closed. */
  abandon(): void {
    this.#release();
    this.#held = [];
  }

  /** Hands on the held arrivals that join on by now, and looks for the next hole. */
  #goOn(first: readonly Intake[]): HoleStep {
    // What was told of the epoch before is no news: the history has all of it that a failover has not lost.
    this.#held = this.#held.filter((arrival) => !this.#isFormer(endOf(arrival)));
    const next = this.#held.findIndex((arrival) => !this.#advance(arrival));
    const handOn = [...first, ...this.#held.splice(0, next < 0 ? this.#held.length : next)];
    const [blocked] = this.#held;
    if (blocked !== undefined) return this.#readUpTo(startOf(blocked), handOn);
    this.#release();
    const dropped = this.#dropped;
    if (dropped === undefined) return { handOn, next: { kind: 'closed', result: 'filled' } };
    if (this.#isFormer(dropped) || joinsOn(this.#received, { kind: 'resubscribed', position: dropped })) {
      this.#dropped = undefined;
      return { handOn, next: { kind: 'closed', result: 'filled' } };
    }
    return this.#readUpTo(dropped, handOn);
  }

  /** Whether a position is of the epoch that the one of what was read has followed. */
  #isFormer(position: Position): boolean {
    const earlier = this.#earlier;
    return earlier !== undefined && isOrderOf(position, earlier.epoch) && !isOrderOf(position, this.#received.epoch);
  }

  #readUpTo(position: Position, handOn: readonly Intake[]): HoleStep {
    const { epoch, offset } = this.#received;
    const missing = isOrderOf({ epoch, offset }, position.epoch) ? position.offset - offset : 0;
    const isTooLarge = this.#publications + missing > limits.holePublicationsMax || this.#bytes >= limits.holeBytesMax;
    return isTooLarge ? this.#close('too_large', handOn) : { handOn, next: { kind: 'read', after: offset } };
  }

  /** Whether an arrival joins on; the position is then its end. */
  #advance(arrival: Arrival): boolean {
    if (!joinsOn(this.#received, arrival)) return false;
    const end = endOf(arrival);
    const epoch = isOrderOf(end, this.#received.epoch) ? this.#received.epoch : end.epoch;
    this.#received = { epoch, offset: Math.max(end.offset, this.#received.offset) };
    return true;
  }

  #close(result: HoleResult, first: readonly Intake[]): HoleStep {
    const handOn: Intake[] = [...first, ...this.#held];
    // Without a held arrival behind them nobody would learn of the dropped ones.
    if (this.#dropped !== undefined) handOn.push({ kind: 'resubscribed', position: this.#dropped });
    this.abandon();
    return { handOn, next: { kind: 'closed', result } };
  }

  #release(): void {
    this.#ofAll.bytes -= this.#heldBytes;
    this.#heldBytes = 0;
  }
}

function payloadBytes({ publications }: LogBatch): number {
  let bytes = 0;
  for (const { payload } of publications) bytes += payload.length;
  return bytes;
}

/** The position before an arrival's publications. */
function startOf(arrival: Arrival): Position {
  return arrival.kind === 'batch' ? { epoch: arrival.batch.epoch, offset: arrival.batch.firstOffset - 1 } : arrival.position;
}

function endOf(arrival: Arrival): Position {
  if (arrival.kind === 'resubscribed') return arrival.position;
  const { epoch, firstOffset, publications } = arrival.batch;
  return { epoch, offset: firstOffset + publications.length - 1 };
}

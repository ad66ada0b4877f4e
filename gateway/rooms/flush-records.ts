import type { Clock } from '../../core/clock.ts';
import type { Position } from '../../core/publication.ts';
import type { LeftOut } from '../merging/left-out.ts';
import type { DeliveryResult } from './delivery.ts';
import type { DropReason } from '../accounts/tally.ts';

export interface PublicationResult {
  readonly delivered: number;
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  readonly pending: number;
}

/** What one class got of a cut. */
export interface ClassRecord {
  /** How many members the class had. */
  readonly members: number;
  /** What was left out for it; `undefined` = nothing. */
  readonly dropped: Pick<LeftOut, 'reasonOf'> | undefined;
  /** How its frame fared; `undefined` = nothing was sent. */
  readonly delivery: { result(): DeliveryResult } | undefined;
}

/** The span `(after, upto]` of a cut. */
interface Span {
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
}

interface FlushRecord extends Span {
  readonly classes: readonly ClassRecord[];
  /** When the last member was seen to, by the monotonic clock. */
  doneAt: number | undefined;
}

interface Waiter {
  readonly epoch: string;
  readonly offset: number;
  readonly resolve: (result: PublicationResult) => void;
}

/** What is asked about, as it is at that moment. */
interface AskedRoom {
  /** The last cut. */
  readonly position: Position;
  readonly size: number;
}

/** How long a flush that is over is remembered, in milliseconds: publishers ask right after their append. */
export const rememberedMs = 5_000;
/** Most flushes of a room that are over and remembered. */
export const rememberedMax = 1_000;
const waitersMax = 1_000;
const nobody: PublicationResult = { delivered: 0, dropped: {}, pending: 0 };

/**
 * What became of the last flushes of one room, so that a publisher can ask how its publication fared (`?wait=delivered`). The flushes of a room
 * end in the order in which they begin. One that is under way is always remembered: the fan-out's backlog bounds them. The owner calls
 * `forgetOld` now and then while `isEmpty` is false.
 */
export class FlushRecords {
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly #records: FlushRecord[] = [];
  readonly #waiters = new Set<Waiter>();
  /** The span of the epoch's records that are forgotten. */
  #forgotten: { readonly epoch: string; readonly after: number; upto: number } | undefined;

  constructor(clock: Pick<Clock, 'monotonic' | 'after'>) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  /** A cut was made and is on its way. */
  begin({ epoch, after, upto }: Span, classes: readonly ClassRecord[]): FlushRecord {
    const record: FlushRecord = { epoch, after, upto, classes, doneAt: undefined };
    this.#records.push(record);
    return record;
  }

  done(record: FlushRecord): void {
    record.doneAt = this.#clock.monotonic();
    for (const waiter of this.#waiters) {
      if (waiter.epoch !== record.epoch || waiter.offset > record.upto) continue;
      this.#waiters.delete(waiter);
      // What waited for an offset below this span waited for one that the bus lost.
      waiter.resolve(waiter.offset > record.after ? sum(record, waiter.offset) : nobody);
    }
    if (this.#records.length > rememberedMax) this.forgetOld();
  }

  /** Forgets what is too old, or too much. */
  forgetOld(): void {
    const before = this.#clock.monotonic() - rememberedMs;
    let count = 0;
    for (const { doneAt } of this.#records) {
      const isOld = doneAt !== undefined && (doneAt <= before || this.#records.length - count > rememberedMax);
      if (!isOld) break;
      count++;
    }
    const newest = this.#records[count - 1];
    if (newest === undefined) return;
    const { epoch, upto } = newest;
    const after = this.#records.find((record) => record.epoch === epoch)?.after ?? newest.after;
    if (this.#forgotten?.epoch === epoch) this.#forgotten.upto = upto;
    else this.#forgotten = { epoch, after, upto };
    this.#records.splice(0, count);
  }

  /**
   * Resolves when the flush with this offset has been seen to, or at the deadline with what is known then: a publication that is not cut yet is
   * pending for all members. One that was cut without a record here never reached this room. `forgotten`: its flush was too long ago.
   */
  async result(wanted: Position, deadlineMs: number, room: AskedRoom): Promise<PublicationResult | 'forgotten'> {
    const known = this.#resultOf(wanted, room.position);
    if (known !== undefined) return known;
    if (this.#waiters.size >= waitersMax) return this.#interim(wanted, room);
    return new Promise((resolve) => {
      const callOff = this.#clock.after(deadlineMs, () => {
        this.#waiters.delete(waiter);
        resolve(this.#interim(wanted, room));
      });
      const waiter: Waiter = {
        ...wanted,
        resolve: (result) => {
          callOff();
          resolve(result);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  #find({ epoch, offset }: Position): FlushRecord | undefined {
    return this.#records.findLast((record) => record.epoch === epoch && offset > record.after && offset <= record.upto);
  }

  /** `undefined`: its flush is not over. */
  #resultOf(wanted: Position, cut: Position): PublicationResult | 'forgotten' | undefined {
    const { epoch, offset } = wanted;
    const record = this.#find(wanted);
    if (record !== undefined) return record.doneAt === undefined ? undefined : sum(record, offset);
    const forgotten = this.#forgotten;
    if (forgotten?.epoch === epoch && offset > forgotten.after && offset <= forgotten.upto) return 'forgotten';
    return epoch === cut.epoch && offset <= cut.offset ? nobody : undefined;
  }

  #interim(wanted: Position, { position, size }: AskedRoom): PublicationResult | 'forgotten' {
    const record = this.#find(wanted);
    if (record !== undefined) return sum(record, wanted.offset);
    return this.#resultOf(wanted, position) ?? { delivered: 0, dropped: {}, pending: size };
  }
}

function sum({ classes }: FlushRecord, offset: number): PublicationResult {
  let delivered = 0;
  let pending = 0;
  const dropped: Partial<Record<DropReason, number>> = {};
  const drop = (reason: DropReason, members: number): void => {
    if (members > 0) dropped[reason] = (dropped[reason] ?? 0) + members;
  };
  for (const each of classes) {
    const reason = each.dropped?.reasonOf(offset);
    const result = reason === undefined ? each.delivery?.result() : undefined;
    if (reason !== undefined) drop(reason, each.members);
    if (result === undefined) continue;
    delivered += result.delivered;
    pending += result.pending;
    drop('slow', result.slow);
    drop('disconnected', result.disconnected);
  }
  return { delivered, dropped, pending };
}

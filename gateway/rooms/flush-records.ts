import type { Clock } from '../../core/clock.ts';
import type { Position } from '../../core/publication.ts';
import type { Delivery } from './delivery.ts';
import type { Cut } from '../merging/merger.ts';
import type { DropReason } from '../tally.ts';

export interface PublicationResult {
  readonly delivered: number;
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  readonly pending: number;
}

interface FlushRecord {
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly deliveries: readonly Delivery[];
  /** Offsets that a class was not sent, with the number of members that this concerned. */
  readonly leftOut: readonly { readonly offset: number; readonly reason: DropReason; readonly members: number }[];
  /** Where some of the span were only counted: the offsets that were not, and how many members the others were left out for. */
  readonly thinned: { readonly kept: ReadonlySet<number>; readonly members: number } | undefined;
  /** When the last member was seen to, in milliseconds of the given clock. */
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

/** Flushes that are over and still remembered: this many at any age … */
const doneAlwaysMax = 16;
/** … and younger ones up to this many, as publishers ask right after their append. */
const doneYoungMax = 1_000;
const youngMs = 1_000;
const waitersMax = 1_000;
const nobody: PublicationResult = { delivered: 0, dropped: {}, pending: 0 };

/**
 * What became of the last flushes of one room, so that a publisher can ask how its publication fared (`?wait=delivered`). The flushes of a room
 * end in the order in which they begin. One that is under way is always remembered: the fan-out's backlog bounds them.
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

  /** A cut was made and is on its way. */
  begin(cut: Cut, deliveries: readonly Delivery[], members: (memberClass: string) => number): FlushRecord {
    const leftOut = cut.classes.flatMap((classCut) =>
      classCut.dropped.map(({ placed, reason }) => ({ offset: placed.offset, reason, members: members(classCut.memberClass) })),
    );
    const { epoch, after, upto } = cut;
    const record: FlushRecord = { epoch, after, upto, deliveries, leftOut, thinned: thinnedOf(cut, members), doneAt: undefined };
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
    this.#forgetOld(record.doneAt);
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

  #forgetOld(now: number): void {
    while (this.#records.length > doneAlwaysMax) {
      const [oldest] = this.#records;
      if (oldest?.doneAt === undefined) return;
      if (this.#records.length <= doneYoungMax && now - oldest.doneAt < youngMs) return;
      this.#records.shift();
      const { epoch, after, upto } = oldest;
      if (this.#forgotten?.epoch === epoch) this.#forgotten.upto = upto;
      else this.#forgotten = { epoch, after, upto };
    }
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

function thinnedOf(cut: Cut, members: (memberClass: string) => number): FlushRecord['thinned'] {
  if (cut.thinned.every((count) => count === 0)) return undefined;
  return {
    kept: new Set(cut.publications.map(({ offset }) => offset)),
    members: cut.classes.reduce((total, { memberClass }) => total + members(memberClass), 0),
  };
}

function sum(record: FlushRecord, offset: number): PublicationResult {
  let delivered = 0;
  let pending = 0;
  const dropped: Partial<Record<DropReason, number>> = {};
  const drop = (reason: DropReason, members: number): void => {
    if (members > 0) dropped[reason] = (dropped[reason] ?? 0) + members;
  };
  for (const delivery of record.deliveries) {
    if (!delivery.offsets.includes(offset)) continue;
    const result = delivery.result();
    delivered += result.delivered;
    pending += result.pending;
    drop('slow', result.slow);
    drop('disconnected', result.disconnected);
  }
  for (const { offset: left, reason, members } of record.leftOut) if (left === offset) drop(reason, members);
  if (record.thinned?.kept.has(offset) === false) drop('budget', record.thinned.members);
  return { delivered, dropped, pending };
}

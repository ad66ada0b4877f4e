import type { Delivery } from './delivery.ts';
import type { Cut } from './room.ts';
import type { DropReason } from './tally.ts';

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
  isDone: boolean;
}

interface Waiter {
  readonly epoch: string;
  readonly offset: number;
  readonly resolve: (result: PublicationResult) => void;
}

const recordsMax = 16;
const waitersMax = 1_000;

/** What became of the last flushes of one room, so that a publisher can ask how its publication fared (`?wait=delivered`). */
export class FlushRecords {
  #records: FlushRecord[] = [];
  #waiters: Waiter[] = [];

  /** A cut was made and is on its way. */
  begin(cut: Cut, deliveries: readonly Delivery[], members: (memberClass: string) => number): FlushRecord {
    const leftOut = cut.classes.flatMap((classCut) =>
      classCut.dropped.map(({ placed, reason }) => ({ offset: placed.offset, reason, members: members(classCut.memberClass) })),
    );
    const record: FlushRecord = { epoch: cut.epoch, after: cut.after, upto: cut.upto, deliveries, leftOut, isDone: false };
    this.#records.push(record);
    if (this.#records.length > recordsMax) this.#records.shift();
    return record;
  }

  done(record: FlushRecord): void {
    record.isDone = true;
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => {
      const result = this.#resultOf(waiter);
      if (result === undefined) return true;
      waiter.resolve(result);
      return false;
    });
  }

  /**
   * Resolves when the flush with this offset has been seen to, or at the deadline with what is known then: a publication that is not cut yet is
   * pending for `members`.
   */
  async result(
    wanted: { readonly epoch: string; readonly offset: number },
    deadlineMs: number,
    members: () => number,
  ): Promise<PublicationResult> {
    const known = this.#resultOf(wanted);
    if (known !== undefined) return known;
    if (this.#waiters.length >= waitersMax) return this.#interim(wanted, members());
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        resolve(this.#interim(wanted, members()));
      }, deadlineMs);
      const waiter: Waiter = {
        ...wanted,
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result);
        },
      };
      this.#waiters.push(waiter);
    });
  }

  #find({ epoch, offset }: { readonly epoch: string; readonly offset: number }): FlushRecord | undefined {
    return this.#records.find((record) => record.epoch === epoch && offset > record.after && offset <= record.upto);
  }

  #resultOf(wanted: { readonly epoch: string; readonly offset: number }): PublicationResult | undefined {
    const record = this.#find(wanted);
    return record?.isDone === true ? sum(record, wanted.offset) : undefined;
  }

  #interim(wanted: { readonly epoch: string; readonly offset: number }, members: number): PublicationResult {
    const record = this.#find(wanted);
    return record === undefined ? { delivered: 0, dropped: {}, pending: members } : sum(record, wanted.offset);
  }
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
  return { delivered, dropped, pending };
}

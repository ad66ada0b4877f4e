import type { Clock } from '../../core/clock.ts';
import type { Position } from '../../core/publication.ts';
import type { DropReason } from '../accounts/tally.ts';
import type { LeftOut } from '../merging/left-out.ts';
import type { DeliveryResult } from './delivery.ts';
import type { DoneFlushes } from './done-flushes.ts';

export interface PublicationResult {
  readonly delivered: number;
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  readonly pending: number;
}

/** The part of a cut for one class. */
export interface ClassRecord {
  /** Number of members of the class. */
  readonly members: number;
  /** Publications left out for the class; `undefined` = none. */
  readonly dropped: Pick<LeftOut, 'reasonOf' | 'total'> | undefined;
  /** Delivery of the class's frame; `undefined` = nothing was sent. */
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
}

interface Waiter {
  readonly epoch: string;
  readonly offset: number;
  readonly resolve: (result: PublicationResult) => void;
}

/** The room at the moment of the question. */
interface AskedRoom {
  /** Position of the last cut. */
  readonly position: Position;
  readonly size: number;
}

/** The cuts of one epoch. Their offsets are `(first, upto]`, except those that the bus lost. */
interface Order {
  readonly epoch: string;
  readonly key: number;
  readonly first: number;
  upto: number;
  /** The last hole. */
  lost: { readonly after: number; readonly upto: number } | undefined;
}

/** Time for which a finished flush is remembered, in milliseconds. Publishers ask right after their append. */
export const rememberedMs = 5_000;
const waitersMax = 1_000;
const nobody: PublicationResult = { delivered: 0, dropped: {}, pending: 0 };

/**
 * Results of a room's last flushes, so that a publisher can ask about its publication (`?wait=delivered`). Flushes of a
 * room end in the order of their beginning. All flushes under way are kept: the fan-out's backlog bounds them. Finished
 * flushes are kept together with those of all other rooms.
 */
export class FlushRecords {
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly #done: DoneFlushes<readonly ClassRecord[]>;
  readonly #underWay: FlushRecord[] = [];
  #order: Order | undefined;
  #orderBefore: Order | undefined;
  #waiters: Set<Waiter> | undefined;

  constructor(clock: Pick<Clock, 'monotonic' | 'after'>, done: DoneFlushes<readonly ClassRecord[]>) {
    this.#clock = clock;
    this.#done = done;
  }

  /** Records a cut whose fan-out begins. */
  begin({ epoch, after, upto }: Span, classes: readonly ClassRecord[]): void {
    this.#underWay.push({ epoch, after, upto, classes });
  }

  /** Ends the oldest flush under way: all members were served, queued or passed over. */
  done(): void {
    const record = this.#underWay.shift();
    if (record === undefined) return;
    const order = this.#orderOf(record);
    let [delivered, slow, disconnected, isSettled] = [0, 0, 0, true];
    for (const { dropped, delivery } of record.classes) {
      const result = delivery?.result();
      if (dropped !== undefined || (result !== undefined && result.pending > 0)) isSettled = false;
      delivered += result?.delivered ?? 0;
      slow += result?.slow ?? 0;
      disconnected += result?.disconnected ?? 0;
    }
    const { after, upto } = record;
    const flush = { after, upto, doneAt: this.#clock.monotonic(), delivered, slow, disconnected };
    this.#done.add(order.key, flush, isSettled ? undefined : record.classes);
    if (this.#waiters !== undefined) this.#answerWaiters(record, this.#waiters);
  }

  /**
   * Resolves when the flush with this offset is over, or at the deadline with the result so far. A publication that is
   * not cut yet is pending for all members. A cut without a record never reached this room. `forgotten`: the flush was
   * too long ago.
   */
  async result(wanted: Position, deadlineMs: number, room: AskedRoom): Promise<PublicationResult | 'forgotten'> {
    const known = this.#resultOf(wanted, room.position);
    if (known !== undefined) return known;
    this.#waiters ??= new Set();
    const waiters = this.#waiters;
    if (waiters.size >= waitersMax) return this.#interim(wanted, room);
    return new Promise((resolve) => {
      const callOff = this.#clock.after(deadlineMs, () => {
        waiters.delete(waiter);
        resolve(this.#interim(wanted, room));
      });
      const waiter: Waiter = {
        ...wanted,
        resolve: (result) => {
          callOff();
          resolve(result);
        },
      };
      waiters.add(waiter);
    });
  }

  #orderOf({ epoch, after, upto }: Span): Order {
    if (this.#order?.epoch !== epoch) {
      this.#orderBefore = this.#order;
      this.#order = { epoch, key: this.#done.newKey(), first: after, upto: after, lost: undefined };
    }
    const order = this.#order;
    if (after > order.upto) order.lost = { after: order.upto, upto: after };
    order.upto = upto;
    return order;
  }

  #answerWaiters(record: FlushRecord, waiters: Set<Waiter>): void {
    for (const waiter of waiters) {
      if (waiter.epoch !== record.epoch || waiter.offset > record.upto) continue;
      waiters.delete(waiter);
      // A waiter for an offset below this span waits for a publication that the bus lost.
      waiter.resolve(waiter.offset > record.after ? sum(record.classes, waiter.offset) : nobody);
    }
  }

  #isUnderWay({ epoch, offset }: Position): FlushRecord | undefined {
    return this.#underWay.find((record) => record.epoch === epoch && offset > record.after && offset <= record.upto);
  }

  /** The result of a publication; `undefined` while its flush is under way. */
  #resultOf(wanted: Position, cut: Position): PublicationResult | 'forgotten' | undefined {
    const { epoch, offset } = wanted;
    if (this.#isUnderWay(wanted) !== undefined) return undefined;
    const order = [this.#order, this.#orderBefore].find((each) => each?.epoch === epoch);
    const isInOrder = order !== undefined && offset > order.first && offset <= order.upto;
    if (isInOrder) return this.#doneResult(order, offset);
    return epoch === cut.epoch && offset <= cut.offset ? nobody : undefined;
  }

  #doneResult({ key, lost }: Order, offset: number): PublicationResult | 'forgotten' {
    const found = this.#done.find(key, offset);
    if (found === undefined) return lost !== undefined && offset > lost.after && offset <= lost.upto ? nobody : 'forgotten';
    const { flush, details } = found;
    if (this.#clock.monotonic() - flush.doneAt >= rememberedMs) return 'forgotten';
    if (details !== undefined) return sum(details, offset);
    return { delivered: flush.delivered, dropped: losses(flush), pending: 0 };
  }

  #interim(wanted: Position, { position, size }: AskedRoom): PublicationResult | 'forgotten' {
    const record = this.#isUnderWay(wanted);
    if (record !== undefined) return sum(record.classes, wanted.offset);
    return this.#resultOf(wanted, position) ?? { delivered: 0, dropped: {}, pending: size };
  }
}

function losses({ slow, disconnected }: { readonly slow: number; readonly disconnected: number }): PublicationResult['dropped'] {
  return { ...(slow > 0 ? { slow } : {}), ...(disconnected > 0 ? { disconnected } : {}) };
}

function sum(classes: readonly ClassRecord[], offset: number): PublicationResult {
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

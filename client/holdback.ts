import type { Position } from '../core/publication.ts';
import type { NewBatch, Step } from './step.ts';
import type { Publication } from './wire.ts';

/** Bounds of what one subscription holds back. Beyond them the oldest is delivered before its time. */
export const heldPublicationsMax = 10_000;
export const heldBytesMax = 8_388_608;

interface HeldBatch {
  readonly kind: 'batch';
  batch: NewBatch;
  /** For each publication of `batch`, when it was accepted, by the client's monotonic clock in milliseconds. */
  bornAt: readonly number[];
}

type Held = HeldBatch | Exclude<Step, { kind: 'batch' }>;

/**
 * The steps of one channel that wait until their publications are old enough. Pure: the caller tells the time.
 *
 * - Steps come out in the order in which they went in, each once, and together account for the same offsets.
 * - A publication that was accepted at `bornAt` is not taken before `bornAt` + delay. One behind it waits for it.
 * - A batch is taken in parts. No part ends before a sum that may count some of its offsets: a position between the two
 *   would then be wrong.
 * - What is recalled is never taken.
 * - Gaps, snapshots and batches without publications wait only for what is before them.
 */
export class Holdback {
  /** A queue: the steps from `#first` on. */
  #steps: Held[] = [];
  #first = 0;
  #publications = 0;
  #bytes = 0;

  /** Number of publications that are held. */
  get publications(): number {
    return this.#publications;
  }

  /** Whether more is held than may be. */
  get isOver(): boolean {
    return this.#publications > heldPublicationsMax || this.#bytes > heldBytesMax;
  }

  get isEmpty(): boolean {
    return this.#first === this.#steps.length;
  }

  /** The position before the first held step; `undefined` where there was none, or when nothing is held. */
  get position(): Position | undefined {
    const held = this.#steps[this.#first];
    if (held === undefined) return undefined;
    switch (held.kind) {
      case 'batch':
        return { epoch: held.batch.epoch, offset: held.batch.after };
      case 'gap':
        return held.from;
      case 'snapshot':
        return held.position;
    }
  }

  /** `bornAt` has one time for each publication of a batch. */
  add(step: Step, bornAt: readonly number[]): void {
    if (step.kind === 'batch') this.#count(step.batch.publications, 1);
    this.#steps.push(step.kind === 'batch' ? { ...step, bornAt } : step);
  }

  /** Whether an application's state waits here: it may have what is recalled meanwhile. */
  get hasSnapshot(): boolean {
    return this.#steps.some(({ kind }, index) => index >= this.#first && kind === 'snapshot');
  }

  /** Takes out the publications that are recalled. */
  recall(isRecalled: (offset: number) => boolean): void {
    for (const held of this.#steps.slice(this.#first)) {
      if (held.kind !== 'batch') continue;
      const { batch, bornAt } = held;
      const recalled = batch.publications.filter(({ offset }) => isRecalled(offset));
      if (recalled.length === 0) continue;
      this.#count(recalled, -1);
      held.bornAt = bornAt.filter((_, index) => !isRecalled(batch.publications[index]?.offset ?? 0));
      held.batch = { ...batch, publications: batch.publications.filter(({ offset }) => !isRecalled(offset)) };
    }
  }

  /** The next step, if it is old enough at `now`; of a batch the part that is. */
  take(now: number, delayMs: number): Step | undefined {
    const held = this.#steps[this.#first];
    if (held?.kind !== 'batch') return this.takeFirst();
    const { batch, bornAt } = held;
    const { publications } = batch;
    const young = bornAt.findIndex((at) => at + delayMs > now);
    if (young < 0) return this.takeFirst();
    const end = young > lastSum(batch) ? young : Math.min(young, wholePrefix(batch));
    const upto = publications[end - 1]?.offset;
    if (upto === undefined) return undefined;
    const part = publications.slice(0, end);
    this.#count(part, -1);
    held.batch = { ...batch, after: upto, publications: publications.slice(end) };
    held.bornAt = bornAt.slice(end);
    return { kind: 'batch', batch: { ...batch, upto, publications: part } };
  }

  /** The next step, however young it is. */
  takeFirst(): Step | undefined {
    const held = this.#steps[this.#first];
    if (held === undefined) return undefined;
    this.#first++;
    // Half of the list at a time, so that a step costs the same however many are held.
    if (this.#first * 2 >= this.#steps.length) {
      this.#steps = this.#steps.slice(this.#first);
      this.#first = 0;
    }
    if (held.kind !== 'batch') return held;
    this.#count(held.batch.publications, -1);
    return { kind: 'batch', batch: held.batch };
  }

  /** Time at which `take` has a step again; `undefined` when nothing is held. */
  dueAt(delayMs: number): number | undefined {
    const held = this.#steps[this.#first];
    if (held === undefined) return undefined;
    if (held.kind !== 'batch' || held.bornAt.length === 0) return -Infinity;
    const shortest = wholePrefix(held.batch) > 0 ? 1 : Math.max(1, lastSum(held.batch) + 1);
    return Math.max(...held.bornAt.slice(0, shortest)) + delayMs;
  }

  #count(publications: readonly Publication[], sign: 1 | -1): void {
    this.#publications += sign * publications.length;
    for (const { data } of publications) this.#bytes += sign * (typeof data === 'string' ? data.length * 2 : data.length);
  }
}

/** Index of the last sum of a batch; -1 without any. */
function lastSum({ publications }: NewBatch): number {
  return publications.findLastIndex(({ count }) => count !== undefined);
}

/** Number of publications before the first offset that is not there. A later sum counts only offsets that are not. */
function wholePrefix({ after, publications }: NewBatch): number {
  const end = publications.findIndex(({ offset }, index) => offset !== after + 1 + index);
  return end < 0 ? publications.length : end;
}

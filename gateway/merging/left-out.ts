import { priorities, type PlacedPublication, type Priority } from '../../core/publication.ts';

/** Reasons to leave a publication of a cut out for a class. Each is on purpose, so it is no loss. */
export const leftOutReasons = ['budget', 'conflated', 'expired', 'recalled'] as const;
export type LeftOutReason = (typeof leftOutReasons)[number];

const reasonsAtFirst = 64;

/**
 * The publications of one span that are left out, with their reasons. Each offset takes one byte: an overloaded window
 * leaves out tens of thousands.
 */
export class LeftOut {
  readonly #after: number;
  /** Reasons by `offset - after - 1`: 0 = not left out, else 1 + the reason's place in `leftOutReasons`. */
  #reasons: Uint8Array;
  #counts: number[];
  #total = 0;

  /** @param after the offset before the span */
  constructor(after: number) {
    this.#after = after;
    this.#reasons = new Uint8Array(reasonsAtFirst);
    this.#counts = leftOutReasons.flatMap(() => priorities.map(() => 0));
  }

  /** Number of publications left out, for all reasons. */
  get total(): number {
    return this.#total;
  }

  note({ offset, publication }: PlacedPublication, reason: LeftOutReason): void {
    const index = offset - this.#after - 1;
    if (index >= this.#reasons.length) {
      const longer = new Uint8Array(2 ** Math.ceil(Math.log2(index + 1)));
      longer.set(this.#reasons);
      this.#reasons = longer;
    }
    this.#reasons[index] = 1 + leftOutReasons.indexOf(reason);
    const place = placeOf(reason, publication.priority);
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#total++;
  }

  copy(): LeftOut {
    const copy = new LeftOut(this.#after);
    copy.#reasons = this.#reasons.slice();
    copy.#counts = [...this.#counts];
    copy.#total = this.#total;
    return copy;
  }

  /** The reason that this offset is left out; `undefined` when it is not. */
  reasonOf(offset: number): LeftOutReason | undefined {
    return leftOutReasons[(this.#reasons[offset - this.#after - 1] ?? 0) - 1];
  }

  count(reason: LeftOutReason, priority: Priority): number {
    return this.#counts[placeOf(reason, priority)] ?? 0;
  }

  /** Number of publications of a priority that are left out. */
  ofPriority(priority: Priority): number {
    return leftOutReasons.reduce((sum, reason) => sum + this.count(reason, priority), 0);
  }
}

function placeOf(reason: LeftOutReason, priority: Priority): number {
  return leftOutReasons.indexOf(reason) * priorities.length + priorities.indexOf(priority);
}

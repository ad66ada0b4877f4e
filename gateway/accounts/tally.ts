import { priorities, type Priority } from '../../core/publication.ts';

/**
 * Reasons that a publication did not reach a member. `budget`, `conflated`, `expired` and `recalled` are left out on
 * purpose; `slow` and `disconnected` are losses. `recalled`: it was recalled before it was sent, or it is a tombstone
 * and the member's protocol has no form for one.
 */
export const dropReasons = ['budget', 'conflated', 'expired', 'recalled', 'slow', 'disconnected'] as const;
export type DropReason = (typeof dropReasons)[number];

export type TallyKind = 'offered' | 'delivered' | DropReason;
const kinds: readonly TallyKind[] = ['offered', 'delivered', ...dropReasons];

/**
 * Counts of publications × members. At every moment, for each priority: offered = delivered + dropped (all reasons) +
 * pending, where pending lies in the gateway's queues.
 */
export class Tally {
  readonly #counts = new Float64Array(kinds.length * priorities.length);

  /**
   * @param publications number of each priority, in the order of `priorities`
   * @param members number of members that each of them concerns
   */
  add(kind: TallyKind, publications: readonly number[], members: number): void {
    const start = kinds.indexOf(kind) * priorities.length;
    for (let index = 0; index < publications.length; index++) {
      const count = publications[index] ?? 0;
      if (count > 0) this.#counts[start + index] = (this.#counts[start + index] ?? 0) + count * members;
    }
  }

  count(kind: TallyKind, priority: Priority): number {
    return this.#counts[kinds.indexOf(kind) * priorities.length + priorities.indexOf(priority)] ?? 0;
  }

  /** Offered publications that are neither delivered nor dropped yet. */
  pending(priority: Priority): number {
    let settled = this.count('delivered', priority);
    for (const reason of dropReasons) settled += this.count(reason, priority);
    return this.count('offered', priority) - settled;
  }
}

import { priorities, type Priority } from '../core/publication.ts';

/** Why a publication did not reach a member. `budget`, `conflated` and `expired` are left out on purpose; `slow` and `disconnected` are losses. */
export const dropReasons = ['budget', 'conflated', 'expired', 'slow', 'disconnected'] as const;
export type DropReason = (typeof dropReasons)[number];

const kinds = ['offered', 'delivered', ...dropReasons] as const;
type Kind = (typeof kinds)[number];

/**
 * Counts of publications × members. At every moment, for each priority:
 * offered = delivered + dropped (all reasons) + pending, where pending is what lies in our queues.
 */
export class Tally {
  readonly #counts = new Float64Array(kinds.length * priorities.length);

  add(kind: Kind, priority: Priority, count: number): void {
    const index = indexOf(kind, priority);
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
  }

  count(kind: Kind, priority: Priority): number {
    return this.#counts[indexOf(kind, priority)] ?? 0;
  }

  /** What was offered and neither delivered nor dropped yet. */
  pending(priority: Priority): number {
    let settled = this.count('delivered', priority);
    for (const reason of dropReasons) settled += this.count(reason, priority);
    return this.count('offered', priority) - settled;
  }
}

function indexOf(kind: Kind, priority: Priority): number {
  return kinds.indexOf(kind) * priorities.length + priorities.indexOf(priority);
}

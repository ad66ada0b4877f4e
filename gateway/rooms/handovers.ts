import { limits } from '../../core/limits.ts';
import type { Member } from './members.ts';

/** Members that came with a position and are sent the parts of sums, in the order in which that ends. */
export class Handovers {
  readonly #waiting: { readonly member: Member; readonly endsAt: number }[] = [];

  /** @param now milliseconds of the monotonic clock */
  add(member: Member, now: number): void {
    this.#waiting.push({ member, endsAt: now + limits.handoverMs });
  }

  /** Removes and returns the members whose time is over. Former members are removed without being returned. */
  over(now: number): readonly Member[] {
    const first = this.#waiting[0];
    if (first === undefined || first.endsAt > now) return none;
    const next = this.#waiting.findIndex(({ endsAt }) => endsAt > now);
    const over = this.#waiting.splice(0, next < 0 ? this.#waiting.length : next);
    return over.flatMap(({ member }) => (member.active ? [member] : []));
  }
}

const none: readonly Member[] = [];

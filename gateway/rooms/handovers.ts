import { limits } from '../../core/limits.ts';
import type { Member } from './members.ts';

/** The members that came with a position and are told what sums are made of, in the order in which that ends. */
export class Handovers {
  readonly #waiting: { readonly member: Member; readonly endsAt: number }[] = [];

  /** @param now milliseconds of the monotonic clock */
  add(member: Member, now: number): void {
    this.#waiting.push({ member, endsAt: now + limits.handoverMs });
  }

  /** Takes out those whose time is over, and returns them, where they are still members. */
  over(now: number): readonly Member[] {
    const [first] = this.#waiting;
    if (first === undefined || first.endsAt > now) return none;
    const next = this.#waiting.findIndex(({ endsAt }) => endsAt > now);
    const over = this.#waiting.splice(0, next < 0 ? this.#waiting.length : next);
    return over.flatMap(({ member }) => (member.active ? [member] : []));
  }
}

const none: readonly Member[] = [];

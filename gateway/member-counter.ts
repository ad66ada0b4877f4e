import type { GatewayCalls } from '../core/bus/bus.ts';

const freshMs = 1_000;
const deadlineMs = 1_000;
const cachedMax = 10_000;

/**
 * Counts a channel's members in the whole pool by asking every gateway; an answer serves everybody who asks within a second (and
 * those who ask while it is under way), so a thousand pages showing a count cost one question a second.
 */
export class MemberCounter {
  readonly #calls: GatewayCalls;
  readonly #now: () => number;
  readonly #answers = new Map<string, { readonly at: number; readonly members: Promise<number | undefined> }>();

  constructor(calls: GatewayCalls, now: () => number) {
    this.#calls = calls;
    this.#now = now;
  }

  /** `undefined` where a gateway did not answer: a count that is wrong is not given out. */
  readonly count = (channel: string): Promise<number | undefined> => {
    const at = this.#now();
    const known = this.#answers.get(channel);
    if (known !== undefined && at - known.at < freshMs) return known.members;
    const members = this.#ask(channel);
    this.#answers.delete(channel);
    this.#answers.set(channel, { at, members });
    if (this.#answers.size > cachedMax) {
      const oldest = this.#answers.keys().next();
      if (oldest.done !== true) this.#answers.delete(oldest.value);
    }
    return members;
  };

  async #ask(channel: string): Promise<number | undefined> {
    const { replies, unanswered } = await this.#calls.callAll({ method: 'counts', channel }, deadlineMs);
    if (unanswered.length > 0) return undefined;
    return replies.reduce((sum, reply) => sum + (reply.kind === 'counts' ? reply.members : 0), 0);
  }
}

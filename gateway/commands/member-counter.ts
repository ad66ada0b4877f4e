import type { Clock } from '../../core/clock.ts';
import type { GatewayCalls } from '../../core/bus/bus.ts';
import { limits } from '../../core/limits.ts';
import { TokenBucket } from '../../core/token-bucket.ts';

/** `unanswered`: not every gateway answered, and a count that is wrong is not given out. `too_many`: it was not asked, since too much is. */
export type MemberCount =
  | { readonly kind: 'members'; readonly members: number }
  | { readonly kind: 'unanswered' }
  | { readonly kind: 'too_many' };

/** How a count was had: from an answer that is fresh, by a question to all gateways, or not at all. */
export type CountSource = 'cached' | 'asked' | 'refused';

const freshMs = 1_000;
const deadlineMs = 1_000;
const cachedMax = 10_000;
/** Questions that may come at once: a client may have all its channels counted, and a gateway two seconds' worth. */
const askerBurst = limits.subscriptionsPerConnectionMax;
const gatewayBurst = 2 * limits.countQuestionsPerSecondMax;

/**
 * Counts a channel's members in the whole pool by asking every gateway; an answer serves everybody who asks within a second (and
 * those who ask while it is under way), so a thousand pages showing a count cost one question a second. Questions about ever other channels, each of
 * which every gateway has to answer, are bounded for each asker and for this gateway.
 */
export class MemberCounter {
  readonly #calls: GatewayCalls;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #onCount: (source: CountSource) => void;
  readonly #answers = new Map<string, { readonly at: number; readonly count: Promise<MemberCount> }>();
  readonly #questions: TokenBucket;
  readonly #questionsOf = new WeakMap<object, TokenBucket>();

  constructor(options: {
    readonly calls: GatewayCalls;
    readonly clock: Pick<Clock, 'monotonic'>;
    readonly onCount: (source: CountSource) => void;
  }) {
    this.#calls = options.calls;
    this.#clock = options.clock;
    this.#onCount = options.onCount;
    this.#questions = new TokenBucket(gatewayBurst, options.clock.monotonic());
  }

  /** @param asker the connection that wants to know */
  readonly count = async (channel: string, asker: object): Promise<MemberCount> => {
    const at = this.#clock.monotonic();
    const known = this.#answers.get(channel);
    if (known !== undefined && at - known.at < freshMs) {
      this.#onCount('cached');
      return known.count;
    }
    if (!this.#mayAsk(asker, at)) {
      this.#onCount('refused');
      return { kind: 'too_many' };
    }
    this.#onCount('asked');
    const count = this.#ask(channel);
    this.#answers.delete(channel);
    this.#answers.set(channel, { at, count });
    if (this.#answers.size > cachedMax) {
      const oldest = this.#answers.keys().next();
      if (oldest.done !== true) this.#answers.delete(oldest.value);
    }
    return count;
  };

  #mayAsk(asker: object, now: number): boolean {
    let own = this.#questionsOf.get(asker);
    if (own === undefined) this.#questionsOf.set(asker, (own = new TokenBucket(askerBurst, now)));
    if (own.available(now, limits.countQuestionsOfClientPerSecondMax, askerBurst) < 1) return false;
    if (this.#questions.available(now, limits.countQuestionsPerSecondMax, gatewayBurst) < 1) return false;
    own.take(1);
    this.#questions.take(1);
    return true;
  }

  async #ask(channel: string): Promise<MemberCount> {
    const { replies, unanswered } = await this.#calls.callAll({ method: 'counts', channel }, deadlineMs);
    // This gateway is one of those that are asked: where nobody replies, the bus is away.
    if (unanswered.length > 0 || replies.length === 0) return { kind: 'unanswered' };
    return { kind: 'members', members: replies.reduce((sum, reply) => sum + (reply.kind === 'counts' ? reply.members : 0), 0) };
  }
}

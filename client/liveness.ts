/** The intervals of the gateway's hello, in milliseconds. */
export interface LivenessBounds {
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
}

/** The next step: nothing for `ms`, a ping, or to give the connection up. */
export type LivenessStep = { readonly kind: 'wait'; readonly ms: number } | { readonly kind: 'ping' } | { readonly kind: 'give-up' };

/** Longest wait for the answer to a ping once the connection is doubted, in milliseconds. */
const doubtMsMax = 3_000;

/**
 * Judges whether a connection still lives. A ping is due after `pingIntervalMs` without a message in one direction: the
 * gateway wants a sign of life too. Only an unanswered ping proves death. A timer that a sleeping page fires late
 * proves nothing.
 */
export class Liveness {
  readonly #bounds: LivenessBounds;
  #sentAt: number;
  #receivedAt: number;
  #isDoubted = false;
  /** The time at which the ping under way is given up. */
  #giveUpAt: number | undefined;

  constructor(bounds: LivenessBounds, now: number) {
    this.#bounds = bounds;
    this.#sentAt = now;
    this.#receivedAt = now;
  }

  sent(now: number): void {
    this.#sentAt = now;
  }

  received(now: number): void {
    this.#receivedAt = now;
    this.#giveUpAt = undefined;
  }

  /** The network may have changed: a ping is due at once, with a short wait for its answer. */
  doubt(now: number): void {
    if (this.#giveUpAt === undefined) this.#isDoubted = true;
    else this.#giveUpAt = Math.min(this.#giveUpAt, now + doubtMsMax);
  }

  /** Returns the next step; a `ping` counts as sent. */
  step(now: number): LivenessStep {
    const { pingIntervalMs, pongTimeoutMs } = this.#bounds;
    if (this.#giveUpAt !== undefined) {
      const left = this.#giveUpAt - now;
      return left <= 0 ? { kind: 'give-up' } : { kind: 'wait', ms: left };
    }
    const left = Math.min(this.#sentAt, this.#receivedAt) + pingIntervalMs - now;
    if (left > 0 && !this.#isDoubted) return { kind: 'wait', ms: left };
    this.#giveUpAt = now + (this.#isDoubted ? Math.min(pongTimeoutMs, doubtMsMax) : pongTimeoutMs);
    this.#isDoubted = false;
    this.#sentAt = now;
    return { kind: 'ping' };
  }
}

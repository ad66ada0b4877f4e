export interface IdleTimes {
  /**
   * Time in which every connection is checked once, in milliseconds. A connection is pinged when it has been silent for
   * half of it.
   */
  readonly pingIntervalMs: number;
  /** Silence after which a connection is closed, in milliseconds; at least twice the ping interval. */
  readonly idleTimeoutMs: number;
  /** Longest time between two turns, in milliseconds. Twice as much is a pause of this process. */
  readonly turnMs: number;
}

/**
 * Decides when a silent connection is pinged, and when it is closed. A pause of this process (a stopped, starved or
 * moved machine) is not held against its clients, which could be neither pinged nor heard. After a pause each client is
 * pinged once more before any is closed.
 */
export class IdleRule {
  readonly #times: IdleTimes;
  #turnAt: number;
  #closesFrom: number;

  /** @param now milliseconds of a monotonic clock, as everywhere here */
  constructor(times: IdleTimes, now: number) {
    this.#times = times;
    this.#turnAt = now;
    this.#closesFrom = now;
  }

  /** Begins a turn. Call it at least every `turnMs`. */
  turn(at: number): void {
    const { turnMs, pingIntervalMs } = this.#times;
    if (at - this.#turnAt > 2 * turnMs) this.#closesFrom = at + pingIntervalMs + turnMs;
    this.#turnAt = at;
  }

  judge(lastSeenAt: number, at: number): 'leave' | 'ping' | 'close' {
    const silentMs = at - lastSeenAt;
    if (silentMs >= this.#times.idleTimeoutMs && at >= this.#closesFrom) return 'close';
    return silentMs >= this.#times.pingIntervalMs / 2 ? 'ping' : 'leave';
  }
}

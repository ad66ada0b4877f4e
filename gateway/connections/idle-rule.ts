export interface IdleTimes {
  /** Every connection is looked at once in this time, and asked whether it is there where it has been silent for half of it. Milliseconds. */
  readonly pingIntervalMs: number;
  /** Silent for so long it is over: milliseconds, at least twice the ping interval. */
  readonly idleTimeoutMs: number;
  /** Most between two turns, in milliseconds; twice as much is a pause of this process. */
  readonly turnMs: number;
}

/**
 * When a silent connection is asked whether it is still there, and when it is closed. What this process did not wake for (a stopped, starved or moved machine)
 * is not held against its clients, who could neither be asked nor heard: after such a pause each is asked once more before anybody is closed.
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

  /** A turn begins: to be called at least every `turnMs`. */
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

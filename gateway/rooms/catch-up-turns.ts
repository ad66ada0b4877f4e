import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';

/**
 * The catch-ups of all rooms that are being written to joining members. A room's live batches go out behind its
 * catch-ups, so no more than `limits.catchUpsUnderWayMax` of these are under way. Further members wait before they
 * join, first in, first out.
 */
export class CatchUpTurns {
  readonly #clock: Pick<Clock, 'soon'>;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;
  #isScheduled = false;

  constructor(options: { readonly clock: Pick<Clock, 'soon'>; readonly metrics: Pick<GatewayMetrics, 'catchUpTurns'> }) {
    this.#clock = options.clock;
    options.metrics.catchUpTurns = this;
  }

  /** Whether a member that comes now must wait for its turn. */
  get isBusy(): boolean {
    return this.#underWay >= limits.catchUpsUnderWayMax || this.#waiting.length > 0;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves in a turn of the loop in which the member may be given a catch-up. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  /** A catch-up is on its way. */
  begun(): void {
    this.#underWay++;
  }

  /** It was written, or waits in the queue of its member. */
  written(): void {
    this.#underWay--;
    if (this.#waiting.length > 0) this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.soon(() => this.#turn());
  }

  #turn(): void {
    this.#isScheduled = false;
    const free = Math.max(0, limits.catchUpsUnderWayMax - this.#underWay);
    for (const go of this.#waiting.splice(0, free)) go();
    // Those that went may need nothing, so that nothing of theirs ends.
    if (this.#waiting.length > 0 && free > 0) this.#schedule();
  }
}

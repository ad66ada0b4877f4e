import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';

/** As of any loop (`core/slices.ts`): the same turn also holds a slice of the fan-out. */
const turnMs = limits.turnMsMax / 4;

/**
 * Bounds the time that commands take of one turn of the event loop. Clients that come back together all speak at once,
 * and the loop hands over all of that in one turn. Beyond the bound commands wait for a later turn, first in, first
 * out, so that live batches go out in between. Each session has one command here at most.
 */
export class CommandTurns {
  readonly #clock: Pick<Clock, 'monotonic' | 'soon'>;
  /** Those that wait, from `#first` on. */
  #waiting: (() => void)[] = [];
  #first = 0;
  /** The end of the time for commands in this turn of the loop; `undefined`: it has had none. */
  #endsAt: number | undefined;

  constructor(options: { readonly clock: Pick<Clock, 'monotonic' | 'soon'>; readonly metrics: Pick<GatewayMetrics, 'commandTurns'> }) {
    this.#clock = options.clock;
    options.metrics.commandTurns = this;
  }

  /** Commands that wait for a later turn of the loop. */
  get waiting(): number {
    return this.#waiting.length - this.#first;
  }

  /** Resolves when the next command may begin; `undefined`: at once. */
  next(): Promise<void> | undefined {
    if (this.waiting === 0 && this.#hasTime()) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #hasTime(): boolean {
    const now = this.#clock.monotonic();
    if (this.#endsAt !== undefined) return now < this.#endsAt;
    this.#endsAt = now + turnMs;
    this.#clock.soon(() => void this.#turn());
    return true;
  }

  async #turn(): Promise<void> {
    this.#endsAt = undefined;
    while (this.waiting > 0 && this.#hasTime()) {
      this.#waiting[this.#first++]?.();
      // What the command does at once counts as well.
      await Promise.resolve();
    }
    if (this.waiting > 0) return;
    this.#waiting = [];
    this.#first = 0;
  }
}

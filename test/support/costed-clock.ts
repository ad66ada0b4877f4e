import { FakeClock } from './fake-clock.ts';

/** A fake clock that notes what each turn takes. A turn is one callback; what takes time moves `time` on. */
export class CostedClock extends FakeClock {
  /** What each callback took, in milliseconds. */
  readonly turnsMs: number[] = [];

  override after(ms: number, callback: () => void): () => void {
    return super.after(ms, () => this.turn(callback));
  }

  override every(ms: number, callback: () => void): () => void {
    return super.every(ms, () => this.turn(callback));
  }

  override soon(callback: () => void): () => void {
    return super.soon(() => this.turn(callback));
  }

  /** Does something as a turn of its own. */
  turn(work: () => void): void {
    const startedAt = this.time;
    work();
    this.turnsMs.push(this.time - startedAt);
  }

  get longestTurnMs(): number {
    return this.turnsMs.reduce((longest, turn) => Math.max(longest, turn), 0);
  }
}

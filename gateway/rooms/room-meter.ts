import type { RoomLoad } from '../merging/cadence.ts';
import type { Publication } from '../../core/publication.ts';
import type { FannedOut } from './fan-out.ts';

/**
 * Assumed CPU time of a flush for each member until it is measured, in milliseconds. It is two or three times the usual
 * value, to be cautious.
 */
const writeCostMsAssumed = 0.02;
/** Weight of the newest interval in a room's flush cost. */
const costWeight = 0.3;

/** Measures one room's input and the cost of its flushes, from which the cadence is planned. */
export class RoomMeter implements FannedOut {
  /** CPU time of encoding and fan-out since the load was last taken, in milliseconds. */
  spentMs = 0;
  readonly #onActive: () => void;
  #isActive = false;
  #arrivals = 0;
  #publications = 0;
  #bytes = 0;
  #flushesBegun = 0;
  #flushesWritten = 0;
  #flushCostMs: number | undefined;
  #writeCostMs = writeCostMsAssumed;
  #totalSpentMs = 0;
  #totalPublications = 0;

  /** @param onActive called at the first input or write after the load was last taken */
  constructor(onActive: () => void) {
    this.#onActive = onActive;
  }

  /** CPU time of a flush for each member, in milliseconds. */
  get writeCostMs(): number {
    return this.#writeCostMs;
  }

  /** Sums since the room was opened, as of the last `takeLoad`. */
  get totals(): { readonly spentMs: number; readonly publications: number } {
    return { spentMs: this.#totalSpentMs, publications: this.#totalPublications };
  }

  /** Whether a flush is under way: its cost is measured at its end. */
  get isFlushing(): boolean {
    return this.#flushesBegun > 0;
  }

  received(publications: readonly Publication[]): void {
    this.#activate();
    this.#arrivals++;
    this.#publications += publications.length;
    for (const { payload } of publications) this.#bytes += payload.length;
  }

  begun(): void {
    this.#flushesBegun++;
  }

  written(): void {
    this.#activate();
    this.#flushesBegun--;
    this.#flushesWritten++;
  }

  /** The load since it was last taken, `intervalMs` ago; `undefined` without any input or write. */
  takeLoad(intervalMs: number, members: number): Omit<RoomLoad, 'policy'> | undefined {
    this.#isActive = false;
    if (this.#arrivals === 0 && this.spentMs === 0 && this.#flushesWritten === 0) return undefined;
    this.#measureFlush(members);
    const perSecond = 1000 / intervalMs;
    const load = {
      flushCostMs: this.#flushCostMs ?? 0,
      arrivalsPerSecond: this.#arrivals * perSecond,
      publicationsPerSecond: this.#publications * perSecond,
      bytesPerSecond: this.#bytes * perSecond,
    };
    this.#totalPublications += this.#publications;
    this.#arrivals = 0;
    this.#publications = 0;
    this.#bytes = 0;
    return load;
  }

  /** A flush that takes longer than an interval is measured when it ends. */
  #measureFlush(members: number): void {
    if (this.#flushesWritten === 0) return;
    const measuredMs = this.spentMs / this.#flushesWritten;
    const before = this.#flushCostMs ?? measuredMs;
    this.#flushCostMs = before + costWeight * (measuredMs - before);
    this.#writeCostMs = measuredMs / Math.max(1, members);
    this.#totalSpentMs += this.spentMs;
    this.spentMs = 0;
    this.#flushesWritten = 0;
  }

  #activate(): void {
    if (this.#isActive) return;
    this.#isActive = true;
    this.#onActive();
  }
}

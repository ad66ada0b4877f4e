import type { Told } from './cursor.ts';
import type { Span } from './position.ts';

/** Most publications, and most batches, that wait for one snapshot. */
export const heldForSnapshotMax = 5_000;
/** Most payload bytes that wait for one snapshot; text counts by its UTF-16 units. */
export const heldForSnapshotBytesMax = 8_388_608;

/** A batch that may wait for a snapshot. */
export interface AwaitingBatch extends Span {
  readonly publications: readonly { readonly data: string | Uint8Array }[];
}

/**
 * The joint of an application's snapshot and a channel's stream. A snapshot is asked for after its position is known,
 * so it has everything up to there. What follows the position is held until the snapshot is there, and told after it.
 *
 *   waiting ──▶ asking ──▶ live: told at once
 *      ▲           │         │
 *      └───────────┴─────────┘  a gap: only another snapshot tells what was missed. While asking, also too many held.
 *
 * While nobody has asked, what comes is discarded: the next snapshot is younger.
 */
export class SnapshotGate<B extends AwaitingBatch> {
  #phase: 'before' | 'waiting' | 'asking' | 'live' = 'before';
  #held: Told<B>[] = [];
  #heldPublications = 0;
  #heldBytes = 0;
  #isOverfull = false;

  /** Whether more came than may be held while the snapshot was asked for last. */
  get isOverfull(): boolean {
    return this.#isOverfull;
  }

  /** The subscription is in force. `true`: for the first time, so the first snapshot is due. */
  begin(): boolean {
    if (this.#phase !== 'before') return false;
    this.#phase = 'waiting';
    return true;
  }

  /** A snapshot is asked for, at the position of this moment. */
  ask(): void {
    this.#phase = 'asking';
    this.#isOverfull = false;
    this.#release();
  }

  /**
   * Reports of the stream came.
   * @returns those to tell at once; and whether another snapshot has become due
   */
  arrived(reports: readonly Told<B>[]): { readonly told: readonly Told<B>[]; readonly isBroken: boolean } {
    const told: Told<B>[] = [];
    const phase = this.#phase;
    for (const report of reports) {
      if (this.#phase === 'live') told.push(report);
      else if (this.#phase === 'asking' && report.kind === 'batch') this.#hold(report);
      if (report.kind === 'gap') this.#break();
    }
    return { told, isBroken: this.#phase !== phase };
  }

  /** The snapshot is there. `undefined`: it is of no use; else what to tell after it. */
  answered(): readonly Told<B>[] | undefined {
    if (this.#phase !== 'asking') return undefined;
    this.#phase = 'live';
    return this.#release();
  }

  /** There is no snapshot. */
  failed(): void {
    this.#break();
  }

  #hold(report: Told<B> & { readonly kind: 'batch' }): void {
    this.#held.push(report);
    const { publications } = report.batch;
    this.#heldPublications += publications.length;
    for (const { data } of publications) this.#heldBytes += data.length;
    const most = Math.max(this.#heldPublications, this.#held.length);
    this.#isOverfull = most > heldForSnapshotMax || this.#heldBytes > heldForSnapshotBytesMax;
    if (this.#isOverfull) this.#break();
  }

  #break(): void {
    if (this.#phase !== 'before') this.#phase = 'waiting';
    this.#release();
  }

  #release(): readonly Told<B>[] {
    const held = this.#held;
    this.#held = [];
    this.#heldPublications = 0;
    this.#heldBytes = 0;
    return held;
  }
}

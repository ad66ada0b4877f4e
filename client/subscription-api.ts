import type { GapSpan } from './cursor.ts';
import type { BarrageError } from './errors.ts';
import type { Span } from './position.ts';
import type { Recall } from './recalls.ts';
import type { GetState, Snapshot } from './snapshots.ts';
import type { Publication } from './wire.ts';

/** Publications of one flush, in the channel's order. They and `leftOut` account for the offsets `(after, upto]`. */
export interface Batch extends Span {
  readonly channel: string;
  /** Number of publications that were left out on purpose: sampled, conflated or expired. */
  readonly leftOut: number;
  readonly publications: readonly Publication[];
}

/** Publications after `from` and up to `to` that this client did not get. */
export interface Gap extends GapSpan {
  readonly channel: string;
}

/** The oldest publications that waited for a `for await` loop and were left out because the loop was too slow. */
export interface Overflow {
  readonly channel: string;
  readonly leftOut: number;
}

/** Publications that were delivered before their `delay`: more were held back than may be, or the gateway ended it. */
export interface Early {
  readonly channel: string;
  readonly publications: number;
}

/**
 * `failed`: the gateway refused the subscription, or ended the connection for good. `unsubscribed`: either side ended
 * it. Both are final.
 */
export type SubscriptionState = 'subscribing' | 'subscribed' | 'failed' | 'unsubscribed';

export interface SubscriptionEvents {
  readonly batch: Batch;
  readonly publication: Publication;
  readonly gap: Gap;
  readonly recall: Recall;
  readonly overflow: Overflow;
  readonly snapshot: Snapshot;
  readonly early: Early;
  readonly state: SubscriptionState;
  readonly error: BarrageError;
}

export interface SubscribeOptions {
  /** Most publications a second that this client wants; the channel's own budget when absent. */
  readonly density?: number;
  /** Most publications that wait for a `for await` loop; 1,000 when absent. */
  readonly bufferMax?: number;
  /**
   * Gives the application's own state of the channel: at the beginning, and after each gap. The `snapshot` event has
   * it. Publications come only after it. A call that fails is repeated with back-off.
   */
  readonly getState?: GetState;
  /**
   * Milliseconds that the player is behind: each publication is delivered that long after it was accepted. Asked for
   * again at least every 250 ms while something is held back. At most 10,000 publications and 8 MiB are held back.
   */
  readonly delay?: () => number;
  /**
   * Newest publications to begin with, where the channel keeps a history; none when absent. Gateways of an earlier
   * version refuse it.
   */
  readonly rewind?: number;
}

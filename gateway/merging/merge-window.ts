import { limits } from '../../core/limits.ts';
import { defaultPolicy, type ChannelPolicy } from '../../core/policy/policy.ts';
import type { PlacedPublication } from '../../core/publication.ts';
import { conflate } from './conflation.ts';
import { LeftOut } from './left-out.ts';
import { sample } from './sampling.ts';

/** Bounds on the contents of a window. */
export interface WindowCaps {
  readonly publications: number;
  readonly bytes: number;
}

/** The part of a policy that controls windows and cuts. */
export type WindowPolicy = Pick<ChannelPolicy, 'merge' | 'slowConsumer'>;

/**
 * The window length to which a policy's caps apply, in milliseconds. For a policy without a window it is the default
 * window.
 */
export function capsWindowMs({ merge }: WindowPolicy): number {
  return merge.windowMilliseconds > 0 ? merge.windowMilliseconds : defaultPolicy.merge.windowMilliseconds;
}

/**
 * Caps of a window that is stretched to `windowMs`. The policy's caps grow with the window, else they would cut it as
 * often as before. Bytes grow to half of a connection's queue, so that a reader who is one batch behind can still get
 * the next.
 */
export function windowCaps(policy: WindowPolicy, windowMs: number): WindowCaps {
  const { publicationsMax, bytesMax } = policy.merge;
  const stretch = Math.max(1, windowMs / capsWindowMs(policy));
  return {
    publications: Math.min(publicationsMax * stretch, limits.windowPublicationsMax),
    bytes: Math.max(bytesMax, Math.min(bytesMax * stretch, policy.slowConsumer.queueBytesMax / 2)),
  };
}

export function capsTimes({ publications, bytes }: WindowCaps, factor: number): WindowCaps {
  return { publications: publications * factor, bytes: bytes * factor };
}

const none: readonly PlacedPublication[] = [];

/**
 * Part of the caps above which a conflated window is thinned too: each look at the whole window must make room for many
 * publications.
 */
const roomyShare = 0.75;

/** The contents of a window at a cut. */
export interface WindowContents {
  readonly canSum: boolean;
  readonly publications: readonly PlacedPublication[];
  /** Publications left out while the window was crowded; `undefined` = none. */
  readonly leftOut: LeftOut | undefined;
}

/**
 * The publications that a room collects between two cuts, for members that can be told sums or for members that can't.
 */
export class MergeWindow {
  readonly canSum: boolean;
  #after: number;
  /** `undefined`: empty. A quiet room keeps no array for the garbage collector to move. */
  #publications: PlacedPublication[] | undefined;
  #bytes = 0;
  #hasTtl = false;
  #hasKeys = false;
  #leftOut: LeftOut | undefined;

  /** @param after the last offset that was cut */
  constructor(canSum: boolean, after: number) {
    this.canSum = canSum;
    this.#after = after;
  }

  /** A window of the other kind with the same contents. Sums made here stay sums. */
  forOthers(canSum: boolean): MergeWindow {
    const other = new MergeWindow(canSum, this.#after);
    other.#publications = this.#publications?.slice();
    other.#bytes = this.#bytes;
    other.#hasTtl = this.#hasTtl;
    other.#hasKeys = this.#hasKeys;
    other.#leftOut = this.#leftOut?.copy();
    return other;
  }

  add(placed: PlacedPublication): void {
    (this.#publications ??= []).push(placed);
    this.#bytes += placed.publication.payload.length;
    if (placed.publication.ttlMs > 0) this.#hasTtl = true;
    if (placed.publication.conflation !== undefined) this.#hasKeys = true;
  }

  /** Whether the window holds more than these caps. */
  isCrowded(caps: WindowCaps): boolean {
    return (this.#publications?.length ?? 0) >= caps.publications || this.#bytes >= caps.bytes;
  }

  /**
   * Makes room in a crowded window in the order of a cut: first expired publications, then conflated ones. If that is
   * not enough, half of the rest is left out by priority.
   * @param wall Unix milliseconds
   */
  compact(caps: WindowCaps, wall: number): void {
    const leftOut = (this.#leftOut ??= new LeftOut(this.#after));
    const { kept, expired } = this.#live(wall);
    for (const placed of expired) leftOut.note(placed, 'expired');
    const conflated = conflate(kept, this.canSum);
    for (const placed of conflated.leftOut) leftOut.note(placed, 'conflated');
    this.#keep(conflated.kept);
    if (!this.isCrowded(capsTimes(caps, roomyShare))) return;
    const sampled = sample(conflated.kept, Math.ceil(conflated.kept.length / 2));
    for (const placed of sampled.leftOut) leftOut.note(placed, 'budget');
    this.#keep(sampled.kept);
  }

  /** Returns all contents after expiry and conflation, and begins anew after `upto`. */
  take(wall: number, upto: number): WindowContents {
    const { canSum } = this;
    if (!this.#hasTtl && !this.#hasKeys) {
      const contents = { canSum, publications: this.#publications ?? none, leftOut: this.#leftOut };
      this.restart(upto);
      return contents;
    }
    const { kept, expired } = this.#live(wall);
    const conflated = conflate(kept, canSum);
    let leftOut = this.#leftOut;
    if (expired.length > 0 || conflated.leftOut.length > 0) {
      leftOut ??= new LeftOut(this.#after);
      for (const placed of expired) leftOut.note(placed, 'expired');
      for (const placed of conflated.leftOut) leftOut.note(placed, 'conflated');
    }
    this.restart(upto);
    return { canSum, publications: conflated.kept, leftOut };
  }

  /** Forgets everything and begins after `after`. */
  restart(after: number): void {
    this.#after = after;
    this.#publications = undefined;
    this.#bytes = 0;
    this.#hasTtl = false;
    this.#hasKeys = false;
    this.#leftOut = undefined;
  }

  #live(wall: number): { readonly kept: readonly PlacedPublication[]; readonly expired: readonly PlacedPublication[] } {
    const publications = this.#publications ?? none;
    if (!this.#hasTtl) return { kept: publications, expired: none };
    const kept: PlacedPublication[] = [];
    const expired: PlacedPublication[] = [];
    for (const placed of publications) (isExpired(placed, wall) ? expired : kept).push(placed);
    return { kept, expired };
  }

  #keep(publications: readonly PlacedPublication[]): void {
    this.#publications = [...publications];
    this.#bytes = publications.reduce((sum, { publication }) => sum + publication.payload.length, 0);
  }
}

function isExpired({ publication }: PlacedPublication, wall: number): boolean {
  return publication.ttlMs > 0 && publication.acceptedAt + publication.ttlMs <= wall;
}

import { limits } from '../../core/limits.ts';
import { defaultPolicy, type ChannelPolicy } from '../../core/policy/policy.ts';
import type { PlacedPublication } from '../../core/publication.ts';
import { conflate } from './conflation.ts';
import { LeftOut } from './left-out.ts';
import { sample } from './sampling.ts';

/** How much a window may hold. */
export interface WindowCaps {
  readonly publications: number;
  readonly bytes: number;
}

/** The part of a policy that says how windows are cut. */
export type WindowPolicy = Pick<ChannelPolicy, 'merge' | 'slowConsumer'>;

/**
 * The window, in milliseconds, for which a policy's caps are meant: those of a policy without a window for the default
 * one.
 */
export function capsWindowMs({ merge }: WindowPolicy): number {
  return merge.windowMilliseconds > 0 ? merge.windowMilliseconds : defaultPolicy.merge.windowMilliseconds;
}

/**
 * What a window may hold that is stretched to `windowMs`: its policy's caps grow with it, else they would cut it as
 * often as before. Bytes grow to half of what may wait for one connection, so that a reader who is one batch behind can
 * still be given the next.
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
 * A window that conflation leaves fuller than this part is thinned too: each look at all of it must make room for many
 * more.
 */
const roomyShare = 0.75;

/** What a window had at a cut. */
export interface WindowContents {
  readonly canSum: boolean;
  readonly publications: readonly PlacedPublication[];
  /** What was given up while the window was crowded; `undefined` = nothing. */
  readonly leftOut: LeftOut | undefined;
}

/** What a room collects between two cuts, for members who can be told sums or for those who can't. */
export class MergeWindow {
  readonly canSum: boolean;
  #after: number;
  /**
   * `undefined`: nothing was collected. A quiet room keeps no array that a collection of garbage would have to move.
   */
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

  /** A window of the other kind with the same contents: sums that were made here stay made. */
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

  /** Whether so much is kept. */
  isCrowded(caps: WindowCaps): boolean {
    return (this.#publications?.length ?? 0) >= caps.publications || this.#bytes >= caps.bytes;
  }

  /**
   * Makes room in a crowded window, in the order in which a cut leaves out: what has expired, what conflation replaces,
   * and only where that is not enough half of the rest, by priority.
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

  /** Hands over everything, expired and conflated, and begins anew behind `upto`. */
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

  /** Forgets everything and begins behind `after`. */
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

import { limits } from '../../core/limits.ts';
import { defaultPolicy, type ChannelPolicy } from '../../core/policy/policy.ts';
import type { PlacedPublication, Recall } from '../../core/publication.ts';
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
  readonly hasTombstones: boolean;
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
  #hasTombstones = false;
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
    other.#hasTombstones = this.#hasTombstones;
    other.#leftOut = this.#leftOut?.copy();
    return other;
  }

  add(placed: PlacedPublication): void {
    (this.#publications ??= []).push(placed);
    this.#bytes += placed.publication.payload.length;
    if (placed.publication.ttlMs > 0) this.#hasTtl = true;
    if (placed.publication.conflation !== undefined) this.#hasKeys = true;
    if (placed.publication.recall !== undefined) this.#hasTombstones = true;
  }

  /** Accounts for a publication that came when it was recalled already. */
  leaveOut(placed: PlacedPublication): void {
    (this.#leftOut ??= new LeftOut(this.#after)).note(placed, 'recalled');
  }

  /**
   * Leaves out the publications here that the next one, a tombstone, recalls. A sum that has one of them as its newest
   * publication goes as a whole, since nothing else is there to be shown; of other sums its count is taken away.
   */
  recall(recall: Recall): void {
    const publications = this.#publications;
    if (publications === undefined) return;
    const offsets = recall.kind === 'all' ? undefined : new Set(recall.offsets);
    const kept: PlacedPublication[] = [];
    for (const placed of publications) {
      if (placed.publication.recall !== undefined) kept.push(placed);
      else if (offsets === undefined || offsets.has(placed.offset)) this.leaveOut(placed);
      else kept.push(withoutParts(placed, offsets));
    }
    this.#keep(kept);
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
      const contents = { canSum, hasTombstones: this.#hasTombstones, publications: this.#publications ?? none, leftOut: this.#leftOut };
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
    const hasTombstones = this.#hasTombstones;
    this.restart(upto);
    return { canSum, hasTombstones, publications: conflated.kept, leftOut };
  }

  /** Forgets everything and begins after `after`. */
  restart(after: number): void {
    this.#after = after;
    this.#publications = undefined;
    this.#bytes = 0;
    this.#hasTtl = false;
    this.#hasKeys = false;
    this.#hasTombstones = false;
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

/** A sum without the counts of some offsets, as far as its parts are known one by one. */
function withoutParts(placed: PlacedPublication, offsets: ReadonlySet<number>): PlacedPublication {
  const { offset, publication, parts } = placed;
  if (parts?.some((part, index) => index % 2 === 0 && offsets.has(part)) !== true) return placed;
  const kept = parts.filter((_, index) => !offsets.has(parts[index - (index % 2)] ?? 0));
  const count = kept.reduce((sum, part, index) => (index % 2 === 1 ? sum + part : sum), 0);
  return kept.length === 2 ? { offset, publication, count } : { offset, publication, count, parts: kept };
}

/** The contents without tombstones, for members whose protocol has no form for them. @param after the last cut */
export function withoutTombstones(contents: WindowContents, after: number): WindowContents {
  if (!contents.hasTombstones) return contents;
  const leftOut = contents.leftOut?.copy() ?? new LeftOut(after);
  const publications = contents.publications.filter((placed) => {
    if (placed.publication.recall === undefined) return true;
    leftOut.note(placed, 'recalled');
    return false;
  });
  return { ...contents, hasTombstones: false, publications, leftOut };
}

/** Selects the publications for a class within its budget, and the ones left out of this cut. */
export function within(
  budget: number,
  { publications, leftOut }: WindowContents,
  after: number,
): { readonly items: readonly PlacedPublication[]; readonly dropped: LeftOut | undefined } {
  const sampled = sample(publications, budget);
  if (sampled.leftOut.length === 0) return { items: publications, dropped: leftOut };
  const dropped = leftOut?.copy() ?? new LeftOut(after);
  for (const placed of sampled.leftOut) dropped.note(placed, 'budget');
  return { items: sampled.kept, dropped };
}

function isExpired({ publication }: PlacedPublication, wall: number): boolean {
  return publication.ttlMs > 0 && publication.acceptedAt + publication.ttlMs <= wall;
}

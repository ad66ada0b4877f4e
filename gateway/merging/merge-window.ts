import { limits } from '../../core/limits.ts';
import { defaultPolicy, type ChannelPolicy } from '../../core/policy/policy.ts';
import { priorities } from '../../core/publication.ts';
import type { PlacedPublication } from '../encoding/batch.ts';
import { sample } from './sampling.ts';

/** How much a window may hold. */
export interface WindowCaps {
  readonly publications: number;
  readonly bytes: number;
}

/** The part of a policy that says how windows are cut. */
export type WindowPolicy = Pick<ChannelPolicy, 'merge' | 'slowConsumer'>;

/** The window, in milliseconds, for which a policy's caps are meant: those of a policy without a window for the default one. */
export function capsWindowMs({ merge }: WindowPolicy): number {
  return merge.windowMilliseconds > 0 ? merge.windowMilliseconds : defaultPolicy.merge.windowMilliseconds;
}

/**
 * What a window may hold that is stretched to `windowMs`: its policy's caps grow with it, else they would cut it as often as before. Bytes grow to
 * half of what may wait for one connection, so that a reader who is one batch behind can still be given the next.
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

const noneThinned: readonly number[] = priorities.map(() => 0);

/** What a room collects between two cuts: publications in order, and how many more were given up, by priority. */
export class MergeWindow {
  #publications: PlacedPublication[] = [];
  #bytes = 0;
  #thinned = [...noneThinned];
  #thinnedCount = 0;
  #thinnedBytes = 0;

  /** Whether nothing was collected since the last cut. */
  get isEmpty(): boolean {
    return this.#publications.length === 0 && this.#thinnedCount === 0;
  }

  /** Whether so much came since the last cut, kept or given up. */
  isFull(caps: WindowCaps): boolean {
    return this.#publications.length + this.#thinnedCount >= caps.publications || this.#bytes + this.#thinnedBytes >= caps.bytes;
  }

  /** Whether so much is kept. */
  isCrowded(caps: WindowCaps): boolean {
    return this.#publications.length >= caps.publications || this.#bytes >= caps.bytes;
  }

  add(placed: PlacedPublication): void {
    this.#publications.push(placed);
    this.#bytes += placed.publication.payload.length;
  }

  /** Gives up half of the publications, by priority, so that there is place for others. They are only counted from then on. */
  thin(): void {
    const { kept, leftOut } = sample(this.#publications, Math.ceil(this.#publications.length / 2));
    for (const { publication } of leftOut) {
      const index = priorities.indexOf(publication.priority);
      this.#thinned[index] = (this.#thinned[index] ?? 0) + 1;
      this.#bytes -= publication.payload.length;
      this.#thinnedBytes += publication.payload.length;
    }
    this.#thinnedCount += leftOut.length;
    this.#publications = [...kept];
  }

  /** Hands over everything and begins anew. */
  take(): { readonly publications: readonly PlacedPublication[]; readonly thinned: readonly number[]; readonly thinnedCount: number } {
    const taken = {
      publications: this.#publications,
      thinned: this.#thinnedCount > 0 ? this.#thinned : noneThinned,
      thinnedCount: this.#thinnedCount,
    };
    this.#publications = [];
    this.#bytes = 0;
    if (this.#thinnedCount > 0) this.#thinned = [...noneThinned];
    this.#thinnedCount = 0;
    this.#thinnedBytes = 0;
    return taken;
  }
}

import { createHash } from 'node:crypto';
import { newEpoch } from '../bus/epoch.ts';

const beginningLength = 6;
/** Reigns that are remembered; a process sees one or two of each master in its life. */
const rememberedMax = 64;

/**
 * Names of epochs. All that one master opens in one reign begin alike, so that who looks at a channel before its first
 * publication knows how the name of its epoch will begin, though nothing was written for it. What follows is chance: a
 * record that was deleted and made anew in the same reign has another epoch.
 */
export class ReignEpochs {
  readonly #random: () => number;
  readonly #beginnings = new Map<string, string>();

  /** @param random a number of [0, 1) */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** How the names begin of the epochs of a reign: 6 letters and digits. */
  beginning(reign: string): string {
    let beginning = this.#beginnings.get(reign);
    if (beginning === undefined) {
      beginning = createHash('sha256').update(reign).digest('base64').replaceAll(/[+/=]/g, '').slice(0, beginningLength);
      if (this.#beginnings.size >= rememberedMax) this.#beginnings.clear();
      this.#beginnings.set(reign, beginning);
    }
    return beginning;
  }

  /** A name for a new epoch of a reign. */
  next(reign: string): string {
    return this.beginning(reign) + newEpoch(this.#random);
  }
}

import { createHash } from 'node:crypto';
import { newEpoch } from '../bus/epoch.ts';

const beginningLength = 6;
/** Most remembered reigns. A process sees one or two of each master in its life. */
const rememberedMax = 64;

/**
 * Names epochs. All epochs of one reign share a beginning, so readers know it before a channel's first publication,
 * without any write. The rest is random: a record that is deleted and made anew in the same reign gets another epoch.
 */
export class ReignEpochs {
  readonly #prefix: string;
  readonly #random: () => number;
  readonly #beginnings = new Map<string, string>();

  /**
   * @param prefix beginning of the bus's keys: two buses on one server have orders of their own
   * @param random a number in [0, 1)
   */
  constructor(prefix: string, random: () => number) {
    this.#prefix = prefix;
    this.#random = random;
  }

  /** The shared beginning of a reign's epochs: 6 letters and digits. */
  beginning(reign: string): string {
    let beginning = this.#beginnings.get(reign);
    if (beginning === undefined) {
      beginning = createHash('sha256')
        .update(`${this.#prefix} ${reign}`)
        .digest('base64')
        .replaceAll(/[+/=]/g, '')
        .slice(0, beginningLength);
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

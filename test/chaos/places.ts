import type { Publication } from './record.ts';

/** Which publication is where, by the answers of publishers and by what viewers were given. Of one channel. */
export class Places {
  readonly #numbers = new Map<string, number>();
  /** By number: its offset in each order in which it is known to have a place. */
  readonly #orders = new Map<number, Map<string, number>>();
  readonly #byNumber: ReadonlyMap<number, Publication>;
  /** Accepted publications by their offset: in several orders there may be several. */
  readonly #byOffset = new Map<number, readonly Publication[]>();

  constructor(publications: readonly Publication[]) {
    this.#byNumber = new Map(publications.map((each) => [each.number, each]));
    for (const publication of publications) {
      const { position } = publication;
      if (position === undefined) continue;
      this.#put(position.epoch, position.offset, publication.number);
      this.#byOffset.set(position.offset, [...(this.#byOffset.get(position.offset) ?? []), publication]);
    }
  }

  publication(number: number): Publication | undefined {
    return this.#byNumber.get(number);
  }

  /** A viewer was given this number there. @returns the number that is known to be there, where it is another one */
  seen(epoch: string, offset: number, number: number): number | undefined {
    const known = this.#numbers.get(keyOf(epoch, offset));
    if (known === undefined) this.#put(epoch, offset, number);
    return known === undefined || known === number ? undefined : known;
  }

  /** The publication that is known to be at a place. */
  at(epoch: string, offset: number): Publication | undefined {
    const number = this.#numbers.get(keyOf(epoch, offset));
    return number === undefined ? undefined : this.#byNumber.get(number);
  }

  /**
   * The publications that may be at a place of which nobody knows: one that was accepted in an earlier order has the
   * same offset in the order that continues it.
   */
  candidates(offset: number): readonly Publication[] {
    return this.#byOffset.get(offset) ?? [];
  }

  /**
   * Whether an accepted publication has a place in its own order alone, of which another order knows nothing. One with
   * a key may have been published again in an order beside its own: then it is gone if the reader left each of them
   * below its place.
   * @param stoodAt how far the reader came in each order
   */
  isGone({ number, position, isKeyed }: Publication, stoodAt: ReadonlyMap<string, number>): boolean {
    const orders = this.#orders.get(number) ?? new Map<string, number>();
    if (position === undefined || !orders.has(position.epoch)) return false;
    return orders.size === 1 || (isKeyed && [...orders].every(([epoch, offset]) => (stoodAt.get(epoch) ?? -1) < offset));
  }

  #put(epoch: string, offset: number, number: number): void {
    this.#numbers.set(keyOf(epoch, offset), number);
    const orders = this.#orders.get(number) ?? new Map<string, number>();
    this.#orders.set(number, orders.set(epoch, offset));
  }
}

function keyOf(epoch: string, offset: number): string {
  return `${epoch}/${offset}`;
}

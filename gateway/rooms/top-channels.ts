import type { RoomCounts } from '../../core/bus/bus.ts';

export interface TopChannel {
  readonly channel: string;
  readonly members: number;
}

/**
 * The channels with the most members, the largest first, at most `most` of them. One pass that keeps no more than the
 * answer.
 */
export function topChannels(counts: Iterable<readonly [channel: string, counts: RoomCounts]>, most: number): readonly TopChannel[] {
  const top = new Largest<TopChannel>(most, ({ members }) => members);
  for (const [channel, { ready, full }] of counts) top.offer({ channel, members: ready + full });
  return top.items;
}

/** The largest of the items that were offered, the largest first. Of equal ones the first offered is first. */
export class Largest<Item> {
  readonly #most: number;
  readonly #sizeOf: (item: Item) => number;
  readonly #items: Item[] = [];

  /** @param most number of items kept */
  constructor(most: number, sizeOf: (item: Item) => number) {
    this.#most = most;
    this.#sizeOf = sizeOf;
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  offer(item: Item): void {
    const size = this.#sizeOf(item);
    const last = this.#items.at(-1);
    if (this.#items.length === this.#most && (last === undefined || size <= this.#sizeOf(last))) return;
    const place = this.#items.findIndex((each) => this.#sizeOf(each) < size);
    this.#items.splice(place < 0 ? this.#items.length : place, 0, item);
    if (this.#items.length > this.#most) this.#items.pop();
  }
}

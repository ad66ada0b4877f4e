import { expect } from 'vitest';
import type { Bus } from '../../core/bus/bus.ts';
import { isOrderOf, type Position } from '../../core/publication.ts';
import { Listener, publication, until } from './world.ts';

const channels = ['a', 'b', '{c}'];

/** Numbers of [0, 1) that a seed decides (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Subscribed {
  readonly channel: string;
  readonly listener: Listener;
  readonly position: Promise<Position | 'unsubscribed'>;
  /** How much of the channel had been handed to `append` when the subscription ended. */
  endedAt: number | undefined;
  heardAtEnd: number;
}

/**
 * Random appends, subscriptions and their ends on three channels, none waiting for the one before, against the simplest
 * model: a list a channel. What each subscriber heard must be the list from its position on, without a hole, to the end
 * where it still is subscribed.
 */
export async function checkAgainstModel(options: {
  readonly seed: number;
  readonly steps: number;
  readonly publisher: Bus;
  readonly gateway: Bus;
}): Promise<void> {
  const { publisher, gateway, seed } = options;
  const random = seededRandom(seed);
  const lists = new Map(channels.map((channel) => [channel, [] as string[]]));
  const current = new Map<string, Subscribed>();
  const all: Subscribed[] = [];
  const appends: Promise<unknown>[] = [];
  for (let step = 0; step < options.steps; step++) {
    const channel = channels[Math.floor(random() * channels.length)]!;
    const list = lists.get(channel)!;
    const subscribed = current.get(channel);
    const dice = random();
    if (dice < 0.6) {
      const texts = Array.from({ length: 1 + Math.floor(random() * 4) }, () => `${step}.${Math.floor(random() * 1000)}`);
      const firstOffset = list.length + 1;
      list.push(...texts);
      const append = publisher.log.append(
        channel,
        texts.map((text) => publication(text)),
      );
      appends.push(
        append.then((result) => expect(result, `seed ${seed}`).toMatchObject({ firstOffset, lastOffset: firstOffset + texts.length - 1 })),
      );
    } else if (dice < 0.8 && subscribed === undefined) {
      const listener = new Listener();
      const position = gateway.log.subscribe(channel, listener).catch(() => 'unsubscribed' as const);
      const entry = { channel, listener, position, endedAt: undefined, heardAtEnd: 0 };
      current.set(channel, entry);
      all.push(entry);
    } else if (dice < 0.9 && subscribed !== undefined) {
      gateway.log.unsubscribe(channel);
      subscribed.endedAt = list.length;
      subscribed.heardAtEnd = subscribed.listener.heard.length;
      current.delete(channel);
    } else {
      // Sometimes let everything settle, sometimes only some of it.
      if (random() < 0.3) await Promise.all(appends);
      else await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await Promise.all(appends);
  for (const { channel, listener, position, endedAt, heardAtEnd } of all) {
    const list = lists.get(channel)!;
    const place = await position;
    if (place === 'unsubscribed') {
      expect(endedAt, `seed ${seed}: only an unsubscribe ends a subscription early`).toBeDefined();
      expect(listener.heard).toEqual([]);
      continue;
    }
    if (endedAt === undefined) {
      await until(`seed ${seed}: ${channel} is heard to its end`, () => listener.heard.length >= list.length - place.offset);
      expect(listener.texts, `seed ${seed}`).toEqual(list.slice(place.offset));
    } else {
      expect(listener.heard.length, `seed ${seed}: nothing after unsubscribe`).toBe(heardAtEnd);
      expect(listener.texts, `seed ${seed}`).toEqual(list.slice(place.offset, place.offset + heardAtEnd));
    }
    expect(listener.offsets, `seed ${seed}`).toEqual(listener.texts.map((_, index) => place.offset + 1 + index));
    for (const item of listener.heard) expect(item.kind === 'publication' && isOrderOf(place, item.epoch)).toBe(true);
  }
}

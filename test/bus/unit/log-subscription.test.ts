import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BusUnavailable } from '../../../core/bus/bus.ts';
import { decodeEnvelope } from '../../../core/bus/envelope.ts';
import type { Position } from '../../../core/publication.ts';
import { LogSubscription } from '../../../core/redis/log-subscription.ts';
import { Listener, encodeEnvelope, publication } from '../world.ts';

/** A subscription whose server is the test: it says when batches arrive and when the position is answered. */
class Driven {
  readonly listener = new Listener();
  readonly subscription: LogSubscription;
  #answer: (position: Position) => void = () => undefined;
  #confirming: Promise<void> = Promise.resolve();

  constructor() {
    this.subscription = new LogSubscription({
      channel: 'a',
      subscriber: this.listener,
      decode: decodeEnvelope,
      readPosition: () => new Promise((resolve) => (this.#answer = resolve)),
    });
    this.subscription.position.catch(() => undefined);
  }

  /** The SUBSCRIBE and the question for the position are sent. */
  connect(): void {
    this.#confirming = this.subscription.confirm({ client: undefined as never, reign: 'r' }, Promise.resolve());
  }

  /** The answer is on the wire; what `arrive`s now arrives behind it, before anybody could act on it. */
  answer(epoch: string, offset: number): void {
    this.#answer({ epoch, offset });
  }

  async settle(): Promise<void> {
    await this.#confirming;
  }

  arrive(epoch: string, firstOffset: number, count = 1): void {
    const publications = Array.from({ length: count }, (_, index) => publication(`${epoch}${firstOffset + index}`));
    this.subscription.onMessage(encodeEnvelope({ epoch, firstOffset, publications }));
  }

  lose(): 'keep' | 'drop' {
    return this.subscription.onLost(new BusUnavailable('broken'));
  }

  /** What was heard, in short: texts, and `=epoch offset` for a position. */
  get story(): string[] {
    return this.listener.heard.map((item) => (item.kind === 'publication' ? item.text : `=${item.position.epoch}${item.position.offset}`));
  }
}

test('at first what lies up to the position is left out, also where both arrive together', async () => {
  const driven = new Driven();
  driven.connect();
  driven.arrive('e', 6);
  driven.arrive('e', 7, 2);
  driven.answer('e', 8);
  driven.arrive('e', 9);
  await driven.settle();
  driven.arrive('e', 10);
  expect(await driven.subscription.position).toEqual({ epoch: 'e', offset: 8 });
  expect(driven.story).toEqual(['e9', 'e10']);
});

test('after a break what lies up to the position is heard before it, the rest after it', async () => {
  const driven = new Driven();
  driven.connect();
  driven.answer('e', 0);
  await driven.settle();
  driven.arrive('e', 1);
  expect(driven.lose()).toBe('keep');
  driven.connect();
  driven.arrive('e', 3);
  driven.answer('e', 3);
  driven.arrive('e', 4);
  await driven.settle();
  driven.arrive('e', 5);
  expect(driven.story).toEqual(['e1', 'e3', '=e3', 'e4', 'e5']);
});

test('a new epoch lies behind the old one', async () => {
  const driven = new Driven();
  driven.connect();
  driven.answer('e', 0);
  await driven.settle();
  driven.lose();
  driven.connect();
  driven.arrive('e', 2);
  driven.arrive('f', 3);
  driven.answer('f', 3);
  driven.arrive('f', 4);
  await driven.settle();
  expect(driven.story).toEqual(['e2', 'f3', '=f3', 'f4']);
});

test('a break while the answer was awaited: what was heard stays heard, the late answer means nothing', async () => {
  const driven = new Driven();
  driven.connect();
  driven.answer('e', 0);
  await driven.settle();
  driven.lose();
  driven.connect();
  driven.arrive('e', 2);
  driven.answer('e', 2);
  driven.lose();
  await driven.settle();
  expect(driven.story).toEqual(['e2']);
  driven.connect();
  driven.answer('e', 5);
  await driven.settle();
  expect(driven.story).toEqual(['e2', '=e5']);
});

test('a break before the first position ends the subscription', async () => {
  const driven = new Driven();
  driven.connect();
  driven.arrive('e', 1);
  expect(driven.lose()).toBe('drop');
  await expect(driven.subscription.position).rejects.toThrow(BusUnavailable);
  driven.arrive('e', 2);
  expect(driven.story).toEqual([]);
});

test('nothing is heard once it is closed, whatever arrives', async () => {
  const driven = new Driven();
  driven.connect();
  driven.answer('e', 0);
  driven.arrive('e', 1);
  driven.subscription.close(new BusUnavailable('unsubscribed'));
  await driven.settle();
  driven.arrive('e', 2);
  expect(driven.story).toEqual([]);
  await expect(driven.subscription.position).rejects.toThrow(BusUnavailable);
});

test('whatever arrives before, with and after the answer, offsets rise and the position has its place', async () => {
  const counts = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(counts, counts, counts, fc.boolean(), async (before, withAnswer, after, again) => {
      const driven = new Driven();
      let next = 1;
      const arrive = (batches: readonly number[]): void => {
        for (const count of batches) {
          driven.arrive('e', next, count);
          next += count;
        }
      };
      driven.connect();
      if (again) {
        driven.answer('e', 0);
        await driven.settle();
        driven.lose();
        driven.connect();
      }
      arrive(before);
      const position = next - 1;
      driven.answer('e', position);
      arrive(withAnswer);
      await driven.settle();
      arrive(after);
      const offsets = (from: number, upto: number): string[] => Array.from({ length: upto - from }, (_, index) => `e${from + index + 1}`);
      const beyond = offsets(position, next - 1);
      expect(driven.story).toEqual(again ? [...offsets(0, position), `=e${position}`, ...beyond] : beyond);
    }),
  );
});

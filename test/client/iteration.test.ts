import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage } from '../../client/barrage.ts';
import { Feed } from '../../client/feed.ts';
import { ScriptedGateway } from './scripted-gateway.ts';

vi.setConfig({ testTimeout: 20_000 });

async function subscribed(bufferMax: number) {
  const gateway = await ScriptedGateway.start();
  const barrage = new Barrage(gateway.url);
  onTestFinished(async () => {
    barrage.close();
    await gateway[Symbol.asyncDispose]();
  });
  const subscription = barrage.subscribe('c', { bufferMax });
  await vi.waitUntil(() => subscription.state === 'subscribed', { timeout: 8000, interval: 2 });
  return { gateway, barrage, subscription };
}

test('a loop gets every publication in order, and ends with the subscription', async () => {
  const { gateway, subscription } = await subscribed(1000);
  const offsets: number[] = [];
  const loop = (async () => {
    for await (const { offset } of subscription) {
      offsets.push(offset);
      if (offset === 5) await subscription.unsubscribe();
    }
  })();
  gateway.last.batch(0, 3);
  gateway.last.batch(3, 5);
  await loop;
  expect(offsets).toEqual([1, 2, 3, 4, 5]);
});

test('a loop that is too slow is given the newest, and an overflow event says how many it was not given', async () => {
  const { gateway, subscription } = await subscribed(10);
  const feed = subscription[Symbol.asyncIterator]();
  let leftOut = 0;
  subscription.on('overflow', (overflow) => (leftOut += overflow.leftOut));
  gateway.last.batch(0, 25);
  await vi.waitUntil(() => subscription.position?.offset === 25, { timeout: 8000, interval: 2 });
  subscription.on('error', () => {});
  gateway.last.send({ type: 'unsubscribed', channel: 'c', message: 'over' });
  await vi.waitUntil(() => subscription.state === 'unsubscribed', { timeout: 8000, interval: 2 });
  const offsets: number[] = [];
  for await (const { offset } of { [Symbol.asyncIterator]: () => feed }) offsets.push(offset);
  expect(offsets).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
  expect(leftOut).toBe(15);
});

test.each(['unsubscribe', 'close'] as const)('a loop gets nothing more after %s, also of what waited for it', async (how) => {
  const { gateway, barrage, subscription } = await subscribed(1000);
  const offsets: number[] = [];
  const loop = (async () => {
    for await (const { offset } of subscription) {
      offsets.push(offset);
      // The rest of the batch waits for this loop by now.
      await vi.waitUntil(() => subscription.position?.offset === 50, { timeout: 8000, interval: 2 });
      if (how === 'unsubscribe') await subscription.unsubscribe();
      else barrage.close();
    }
  })();
  gateway.last.batch(0, 50);
  await loop;
  expect([offsets, subscription.state]).toEqual([[1], 'unsubscribed']);
});

test('a loop that is left buffers nothing any more, while others go on', async () => {
  const { gateway, subscription } = await subscribed(1000);
  const whole: number[] = [];
  const other = (async () => {
    for await (const { offset } of subscription) {
      whole.push(offset);
      if (offset === 4) return;
    }
  })();
  gateway.last.batch(0, 2);
  for await (const { offset } of subscription) if (offset === 1) break;
  gateway.last.batch(2, 4);
  await other;
  expect(whole).toEqual([1, 2, 3, 4]);
});

test('whatever is pushed and taken, a feed hands out the newest in order and counts the rest', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.nat(8), fc.constant('take' as const)), { maxLength: 60 }), async (steps) => {
      const feed = new Feed<number>(5, () => {});
      let pushed = 0;
      let leftOut = 0;
      const taken: Promise<IteratorResult<number, undefined>>[] = [];
      for (const step of steps) {
        if (step === 'take') taken.push(feed.next());
        else leftOut += feed.push(Array.from({ length: step }, () => ++pushed));
      }
      feed.end(undefined, 'hand-out');
      const values = (await Promise.all(taken)).flatMap(({ value }) => (value === undefined ? [] : [value]));
      for await (const value of { [Symbol.asyncIterator]: () => feed }) values.push(value);
      expect(values).toEqual(values.toSorted((a, b) => a - b));
      expect(values.length + leftOut).toBe(pushed);
      if (pushed > 0) expect(values.at(-1)).toBe(pushed);
    }),
  );
});

import { expect, test } from 'vitest';
import { isInOrder } from '../../../core/history.ts';
import { createMemoryBus } from '../../../core/bus/memory.ts';
import { describeBusContract } from '../contract.ts';
import { checkAgainstModel } from '../model.ts';
import { Listener, publication } from '../world.ts';

describeBusContract('memory', async () => {
  const bus = createMemoryBus();
  return { publisher: bus, gateway: bus, otherGateway: bus, close: () => bus.close() };
});

test('the memory bus agrees with a model over random appends and subscriptions', async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const bus = createMemoryBus();
    await checkAgainstModel({ seed, steps: 300, publisher: bus, gateway: bus });
    await bus.close();
  }
});

test('a batch is delivered before its append resolves', async () => {
  const { log } = createMemoryBus();
  const listener = new Listener();
  await log.subscribe('a', listener);
  const appended = log.append('a', [publication('x')]);
  expect(listener.texts).toEqual(['x']);
  await appended;
});

test('reading the history of channels that nobody published to forgets no other channel', async () => {
  const { log } = createMemoryBus({ idleChannelsMax: 2 });
  const { epoch } = await log.append('a', [publication('x')], { size: 10, ttlSeconds: 60 });
  for (const channel of ['b', 'c', 'd']) {
    const page = await log.history(channel, { kind: 'newest', limit: 10 });
    expect(page).toEqual({ position: { epoch: '', offset: 0 }, publications: [] });
    expect(isInOrder(page, { epoch, offset: 0 })).toBe(true);
  }
  expect(await log.append('a', [publication('y')])).toMatchObject({ epoch, firstOffset: 2 });
});

test('a channel that was forgotten begins again in a new epoch, one that was not goes on', async () => {
  const { log } = createMemoryBus({ idleChannelsMax: 2 });
  const first = await log.append('a', [publication('x')]);
  await log.append('b', [publication('x')]);
  expect(await log.append('a', [publication('x')])).toEqual({ epoch: first.epoch, firstOffset: 2, lastOffset: 2 });
  const listener = new Listener();
  const position = await log.subscribe('held', listener);
  await log.append('c', [publication('x')]);
  await log.append('d', [publication('x')]);
  const again = await log.append('a', [publication('x')]);
  expect(again).toMatchObject({ firstOffset: 1, lastOffset: 1 });
  expect(again.epoch).not.toBe(first.epoch);
  expect(await log.append('held', [publication('x')])).toMatchObject({ epoch: position.epoch, firstOffset: 1 });
});

test('histories are bounded together: those unused for longest are forgotten, and the order is not', async () => {
  const keep = { size: 10, ttlSeconds: 60 };
  const { log } = createMemoryBus({ historiesBytesMax: 4 * 101 });
  const one = publication('x'.repeat(100));
  for (const channel of ['a', 'b', 'c', 'd']) await log.append(channel, [one], keep);
  const keptOf = async (channel: string) => {
    const { position, publications } = await log.history(channel, { kind: 'newest', limit: 10 });
    return [position.offset, publications.length];
  };
  for (const channel of ['b', 'c', 'd', 'a']) expect(await keptOf(channel)).toEqual([1, 1]);
  await log.append('a', [one], keep);
  expect(await keptOf('a')).toEqual([2, 2]);
  expect(await keptOf('b')).toEqual([1, 0]);
  expect(await keptOf('c')).toEqual([1, 1]);
  await log.append('b', [one], keep);
  expect(await log.history('b', { kind: 'newest', limit: 10 })).toMatchObject({ position: { offset: 2 }, publications: [{ offset: 2 }] });
});

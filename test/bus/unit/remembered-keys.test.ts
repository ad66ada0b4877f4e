import { expect, test } from 'vitest';
import { RememberedKeys } from '../../../core/bus/remembered-keys.ts';
import { createMemoryBus } from '../../../core/bus/memory.ts';
import { keysOf } from '../keys-contract.ts';
import { publication } from '../world.ts';

const remembered = { content: 'content.', place: { epoch: 'e', offset: 1 } };

test('a key is remembered for its window, and not a millisecond more', () => {
  const keys = new RememberedKeys(10);
  keys.add('a', remembered, { now: 1000, windowMs: 500 });
  keys.add('b', remembered, { now: 1000, windowMs: 300_000 });
  expect(keys.find('a', 1499)).toMatchObject(remembered);
  expect(keys.find('a', 1500)).toBeUndefined();
  expect(keys.find('b', 1500)).toMatchObject(remembered);
});

test('keys that have ended make room, whatever their windows, and one that came again stays', () => {
  const keys = new RememberedKeys(4);
  keys.add('long', remembered, { now: 0, windowMs: 10_000 });
  keys.add('a', remembered, { now: 0, windowMs: 100 });
  keys.add('b', remembered, { now: 50, windowMs: 100 });
  expect(keys.room(99)).toBe(1);
  expect(keys.room(100)).toBe(2);
  // Its time has come, and nobody has looked since.
  keys.add('b', remembered, { now: 200, windowMs: 100 });
  expect(keys.room(299)).toBe(2);
  expect(keys.find('b', 299)).toMatchObject(remembered);
  expect(keys.room(300)).toBe(3);
  expect(keys.room(10_000)).toBe(4);
});

test('many keys end a thousand at a time, which is more than an append brings', () => {
  const keys = new RememberedKeys(10_000);
  for (let index = 0; index < 2500; index++) keys.add(String(index), remembered, { now: index, windowMs: 100 });
  expect([1, 2, 3].map(() => keys.room(1_000_000))).toEqual([8500, 9500, 10_000]);
});

test('the memory bus refuses a new key at its bound, and takes known ones, appends without one, and new ones later', async () => {
  let now = 0;
  const { log } = createMemoryBus({ keysMax: 2, clock: { monotonic: () => now, after: () => () => undefined } });
  const append = async (...texts: readonly string[]): Promise<number> => {
    const sent = texts.map((text) => publication(text));
    return (await log.append('a', sent, undefined, keysOf(sent, texts, 10))).lastOffset;
  };
  expect(await append('one')).toBe(1);
  await expect(append('two', 'three')).rejects.toMatchObject({ name: 'KeysRefused', reason: 'full' });
  expect(await append('two', 'one')).toBe(2);
  await expect(append('three')).rejects.toMatchObject({ name: 'KeysRefused', reason: 'full' });
  expect(await append('one')).toBe(1);
  expect(await append('')).toBe(3);
  now = 9_999;
  await expect(append('three')).rejects.toMatchObject({ name: 'KeysRefused', reason: 'full' });
  now = 10_000;
  expect(await append('three')).toBe(4);
});

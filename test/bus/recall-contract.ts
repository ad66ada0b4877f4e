import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HistoryPage, HistoryQuery } from '../../core/history.ts';
import { idempotencyKey } from '../../core/idempotency-key.ts';
import { limits } from '../../core/limits.ts';
import type { Publication, Recall } from '../../core/publication.ts';
import { tombstone } from '../../core/recall.ts';
import { publication, type World } from './world.ts';

const keep = { size: 1_000, ttlSeconds: 300 };

/** What a page has: texts, † for what was recalled, and tombstones. */
function shown({ publications }: HistoryPage): readonly string[] {
  return publications.map(({ offset, publication: { payload, recall, isRecalled } }) => {
    if (recall !== undefined) return `${offset}:recalls ${recall.kind === 'all' ? 'all' : recall.offsets.join()}`;
    return isRecalled === true && payload.length === 0 ? `${offset}:†` : `${offset}:${payload.toString()}`;
  });
}

/** What every implementation promises of recalls: `core/bus/bus.ts` in examples. */
export function describeRecallContract(implementation: string, start: () => Promise<World>): void {
  describe(`recalls on the ${implementation} bus`, () => {
    let world: World;
    beforeAll(async () => {
      world = await start();
    });
    afterAll(async () => {
      await world.close();
    });

    const append = (channel: string, publications: readonly Publication[]) => world.publisher.log.append(channel, publications, keep);
    const fill = async (channel: string, count: number, from = 1): Promise<void> => {
      await append(
        channel,
        Array.from({ length: count }, (_, index) => publication(String(from + index))),
      );
    };
    const recall = (channel: string, what: Recall) => append(channel, [tombstone(what, 1_790_000_000_000)]);
    const read = async (channel: string, query: HistoryQuery): Promise<readonly string[]> =>
      shown(await world.gateway.log.history(channel, query));
    const newest = (channel: string): Promise<readonly string[]> => read(channel, { kind: 'newest', limit: 1_000 });

    test('a tombstone has an offset of its own and reaches subscribers in order', async () => {
      const batches: (readonly [number, Publication])[] = [];
      await world.gateway.log.subscribe('order', {
        onBatch: ({ firstOffset, publications }) => publications.forEach((each, index) => batches.push([firstOffset + index, each])),
        onResubscribed: () => undefined,
      });
      const sent = tombstone({ kind: 'offsets', offsets: [1, 2] }, 1_790_000_000_000);
      await fill('order', 2);
      const { firstOffset } = await append('order', [sent]);
      await fill('order', 1, 4);
      expect(firstOffset).toBe(3);
      await expect.poll(() => batches.length).toBe(4);
      expect(batches.map(([offset]) => offset)).toEqual([1, 2, 3, 4]);
      expect(batches[2]?.[1]).toEqual(sent);
    });

    test('pages have the places of what was recalled, and nothing of its content, wherever the tombstone lies', async () => {
      await append('pages', [publication('1', { user: 'eve', sender: 7, conflation: { key: 'k', mode: 'Sum', count: 3 } })]);
      await fill('pages', 5, 2);
      await recall('pages', { kind: 'offsets', offsets: [1, 4] });
      await fill('pages', 2, 8);
      expect(await newest('pages')).toEqual(['1:†', '2:2', '3:3', '4:†', '5:5', '6:6', '7:recalls 1,4', '8:8', '9:9']);
      expect(await read('pages', { kind: 'after', offset: 0, limit: 2 })).toEqual(['1:†', '2:2']);
      expect(await read('pages', { kind: 'newest', before: 5, limit: 2 })).toEqual(['3:3', '4:†']);
      const page = await world.gateway.log.history('pages', { kind: 'after', offset: 0, limit: 1 });
      expect(page.recalledAt).toBe(7);
      expect(page.publications[0]?.publication).toEqual({
        ...publication(''),
        acceptedAt: publication('').acceptedAt,
        isRecalled: true,
      });
    });

    test('a clear recalls all before it, and nothing after it', async () => {
      await fill('clears', 3);
      await recall('clears', { kind: 'offsets', offsets: [2] });
      await fill('clears', 1, 5);
      await recall('clears', { kind: 'all' });
      await fill('clears', 2, 7);
      await recall('clears', { kind: 'offsets', offsets: [7] });
      expect(await newest('clears')).toEqual(['1:†', '2:†', '3:†', '4:recalls 2', '5:†', '6:recalls all', '7:†', '8:8', '9:recalls 7']);
    });

    test('what is not published yet can not be recalled, nor a tombstone', async () => {
      await fill('later', 1);
      await recall('later', { kind: 'offsets', offsets: [1, 3, 900] });
      await recall('later', { kind: 'offsets', offsets: [2] });
      await fill('later', 1, 4);
      expect(await newest('later')).toEqual(['1:†', '2:recalls 1,3,900', '3:recalls 2', '4:4']);
    });

    test('as many offsets as one tombstone may have are recalled, among batches of all sizes', async () => {
      const offsets = Array.from({ length: limits.recallOffsetsMax }, (_, index) => index + 1);
      const bounds = { size: 2_000, ttlSeconds: 300 };
      const texts = Array.from({ length: limits.recallOffsetsMax + 1 }, (_, index) => publication(String(index + 1)));
      for (let at = 0; at < texts.length; at += 130) await world.publisher.log.append('many', texts.slice(at, at + 130), bounds);
      await world.publisher.log.append('many', [tombstone({ kind: 'offsets', offsets }, 1_790_000_000_000)], bounds);
      const pages = await world.gateway.log.history('many', { kind: 'after', offset: 0, limit: 1_000 });
      expect(pages.publications.every(({ publication: { isRecalled } }) => isRecalled === true)).toBe(true);
      expect(await read('many', { kind: 'after', offset: 1_000, limit: 1 })).toEqual(['1001:1001']);
    });

    test('without a history a tombstone ends what was kept earlier', async () => {
      await fill('off', 2);
      await world.publisher.log.append('off', [tombstone({ kind: 'offsets', offsets: [1] }, 1_790_000_000_000)]);
      const forward = await read('off', { kind: 'after', offset: 0, limit: 10 });
      expect(forward).not.toContain('1:1');
      await fill('off', 1, 4);
      expect(await newest('off')).toEqual(['4:4']);
    });

    test('an idempotency key makes one tombstone of two', async () => {
      await fill('keyed', 2);
      const clear = tombstone({ kind: 'all' }, 1_790_000_000_000);
      const keys = { windowSeconds: 60, keys: [idempotencyKey('backend', 'clear-1', clear)] };
      const first = await world.publisher.log.append('keyed', [clear], keep, keys);
      await fill('keyed', 1, 4);
      const again = await world.publisher.log.append('keyed', [clear], keep, keys);
      expect(again).toMatchObject({ firstOffset: first.firstOffset });
      expect(again.known?.size).toBe(1);
      expect(await newest('keyed')).toEqual(['1:†', '2:†', '3:recalls all', '4:4']);
    });

    test('a history knows who wrote what, with and without keys', async () => {
      const named = [publication('a', { user: 'ann' }), publication('b'), publication('c', { user: '弹幕'.repeat(41) })];
      await append('users', named);
      const keys = { windowSeconds: 60, keys: named.map((each, index) => idempotencyKey('backend', `user-${index}`, each)) };
      await world.publisher.log.append('users', named.slice(0, 1), keep, { ...keys, keys: keys.keys.slice(0, 1) });
      await world.publisher.log.append('users', named, keep, keys);
      const users = (await world.gateway.log.history('users', { kind: 'newest', limit: 10 })).publications;
      expect(users.map(({ publication: { user } }) => user)).toEqual([
        'ann',
        undefined,
        '弹幕'.repeat(41),
        'ann',
        undefined,
        '弹幕'.repeat(41),
      ]);
    });

    test('a tombstone among publications that nobody waited for keeps its place', async () => {
      const sent = Array.from({ length: 60 }, (_, index) =>
        index % 10 === 9
          ? recall('mixed', { kind: 'offsets', offsets: [index] })
          : append('mixed', [publication(String(index + 1), index % 2 === 0 ? { user: 'ann' } : {})]),
      );
      const results = await Promise.all(sent);
      expect(results.map(({ firstOffset }) => firstOffset)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
      expect((await newest('mixed')).slice(0, 11)).toEqual([
        ...Array.from({ length: 8 }, (_, index) => `${index + 1}:${index + 1}`),
        '9:†',
        '10:recalls 9',
        '11:11',
      ]);
    });

    test('a tombstone is appended alone, or not at all', async () => {
      await expect(append('alone', [publication('1'), tombstone({ kind: 'all' }, 1)])).rejects.toThrow(RangeError);
    });
  });
}

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BusUnavailable } from '../../core/bus/bus.ts';
import type { HistoryPage, HistoryQuery } from '../../core/history.ts';
import { limits } from '../../core/limits.ts';
import { publication, type World } from './world.ts';

const keep = { size: 10, ttlSeconds: 300 };

function texts({ publications }: HistoryPage): readonly string[] {
  return publications.map(({ offset, publication: { payload } }) => `${offset}:${payload.toString()}`);
}

function numbered(from: number, to: number): readonly string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}:${from + index}`);
}

/** What every implementation promises of a channel's history: `core/bus/bus.ts` in examples. */
export function describeHistoryContract(implementation: string, start: () => Promise<World>): void {
  describe(`the history of the ${implementation} bus`, () => {
    let world: World;
    beforeAll(async () => {
      world = await start();
    });
    afterAll(async () => {
      await world.close();
    });

    /** Appends 1, 2, 3, … in batches of these sizes, one after the other. */
    const fill = async (channel: string, batches: readonly number[], from = 1): Promise<void> => {
      let next = from;
      for (const size of batches) {
        const batch = Array.from({ length: size }, () => publication(String(next++)));
        await world.publisher.log.append(channel, batch, keep);
      }
    };
    const read = async (channel: string, query: HistoryQuery): Promise<readonly string[]> =>
      texts(await world.gateway.log.history(channel, query));

    test('has what was appended, with every field and the end of the log, and nothing of what was not kept', async () => {
      const sent = [
        publication('', { kind: 'binary', payload: Buffer.from([0, 255]), priority: 'high', sender: 7 }),
        publication('👍', { priority: 'low', ttlMs: 5, conflation: { key: 'k', mode: 'Sum', count: 3 } }),
      ];
      const { epoch } = await world.publisher.log.append('kept', sent, keep);
      const page = await world.gateway.log.history('kept', { kind: 'newest', limit: 10 });
      expect(page.position).toEqual({ epoch, offset: 2 });
      expect(page.earlier).toBeUndefined();
      expect(page.publications).toEqual(sent.map((each, index) => ({ offset: index + 1, publication: each })));

      await world.publisher.log.append('not-kept', [publication('a')]);
      const empty = await world.gateway.log.history('not-kept', { kind: 'newest', limit: 10 });
      expect(empty).toMatchObject({ position: { offset: 1 }, publications: [] });
      expect(await read('never-used', { kind: 'after', offset: 0, limit: 10 })).toEqual([]);
    });

    test('keeps at least its size of the newest, whatever the batches, and little more', async () => {
      await fill('sizes', [3, 7, 1, 1, 9, 4, 1]);
      const kept = await read('sizes', { kind: 'newest', limit: 100 });
      expect(kept.slice(-10)).toEqual(numbered(17, 26));
      // A batch is kept while its last publication is.
      expect(kept.length).toBeLessThan(10 + 9);
      await fill('sizes', [50], 27);
      expect((await read('sizes', { kind: 'newest', limit: 10 })).at(0)).toBe('67:67');
    });

    test('answers from any offset, forwards and backwards, within the limit', async () => {
      await fill('offsets', [4, 4, 4]);
      expect(await read('offsets', { kind: 'after', offset: 5, limit: 3 })).toEqual(numbered(6, 8));
      expect(await read('offsets', { kind: 'after', offset: 11, limit: 3 })).toEqual(numbered(12, 12));
      expect(await read('offsets', { kind: 'after', offset: 12, limit: 3 })).toEqual([]);
      expect(await read('offsets', { kind: 'after', offset: 99, limit: 3 })).toEqual([]);
      expect(await read('offsets', { kind: 'newest', limit: 5 })).toEqual(numbered(8, 12));
      expect(await read('offsets', { kind: 'newest', before: 8, limit: 3 })).toEqual(numbered(5, 7));
      expect(await read('offsets', { kind: 'newest', before: 99, limit: 1 })).toEqual(numbered(12, 12));
      expect(await read('offsets', { kind: 'newest', before: 1, limit: 3 })).toEqual([]);
    });

    test('reads many small batches in one answer', async () => {
      const bounds = { size: 200, ttlSeconds: 300 };
      for (let number = 1; number <= 120; number++) await world.publisher.log.append('small', [publication(String(number))], bounds);
      expect(await read('small', { kind: 'after', offset: 0, limit: 1000 })).toEqual(numbered(1, 120));
      expect(await read('small', { kind: 'newest', limit: 1000 })).toEqual(numbered(1, 120));
      expect(await read('small', { kind: 'after', offset: 30, limit: 50 })).toEqual(numbered(31, 80));
    });

    test('never has a hole: what was appended without it ends what is answered', async () => {
      await fill('holes', [2]);
      await world.publisher.log.append('holes', [publication('3')]);
      await fill('holes', [2], 4);
      expect(await read('holes', { kind: 'newest', limit: 10 })).toEqual(numbered(4, 5));
      const forward = await read('holes', { kind: 'after', offset: 0, limit: 10 });
      expect([numbered(1, 2), numbered(4, 5)]).toContainEqual(forward);
    });

    test('bounds the bytes of an answer, and gives at least one publication', async () => {
      const large = publication('x'.repeat(limits.payloadBytesMax));
      const count = Math.ceil(limits.historyBytesMax / limits.payloadBytesMax) + 2;
      for (let number = 0; number < count; number++) await world.publisher.log.append('large', [large], keep);
      const page = await world.gateway.log.history('large', { kind: 'after', offset: 0, limit: 1000 });
      const bytes = page.publications.reduce((sum, each) => sum + each.publication.payload.length, 0);
      expect(page.publications.length).toBeGreaterThanOrEqual(1);
      expect(bytes).toBeLessThanOrEqual(limits.historyBytesMax);
      expect(page.position.offset).toBe(count);
    });

    test('keeps the order of appends of several kinds that nobody waited for', async () => {
      const results = await Promise.all(
        Array.from({ length: 300 }, (_, index) =>
          world.publisher.log.append('mixed', [publication(String(index + 1))], { size: 1000, ttlSeconds: 300 }),
        ),
      );
      expect(results.map(({ firstOffset }) => firstOffset)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
      expect(await read('mixed', { kind: 'after', offset: 0, limit: 1000 })).toEqual(numbered(1, 300));
    });
  });

  test(`a closed ${implementation} bus has no history`, async () => {
    const world = await start();
    await world.close();
    await expect(world.publisher.log.history('a', { kind: 'newest', limit: 1 })).rejects.toThrow(BusUnavailable);
  });
}

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { placeOf } from '../../core/bus/append-result.ts';
import { KeysRefused } from '../../core/bus/bus.ts';
import { idempotencyKey, type AppendKeys } from '../../core/idempotency-key.ts';
import { limits } from '../../core/limits.ts';
import type { Publication } from '../../core/publication.ts';
import { Listener, publication, until, type World } from './world.ts';

/** Keys by text, one for each publication; an empty text is none. */
export function keysOf(publications: readonly Publication[], texts: readonly string[], windowSeconds = 300): AppendKeys {
  const keys = publications.map((each, index) => {
    const text = texts[index] ?? '';
    return text === '' ? undefined : idempotencyKey('backend', text, each);
  });
  return { windowSeconds, keys };
}

/** What every implementation promises of idempotency keys: `core/bus/bus.ts` in examples. */
export function describeKeysContract(implementation: string, start: () => Promise<World>): void {
  describe(`the idempotency keys of the ${implementation} bus`, () => {
    let world: World;
    beforeAll(async () => {
      world = await start();
    });
    afterAll(async () => {
      await world.close();
    });

    const listen = async (channel: string): Promise<Listener> => {
      const listener = new Listener();
      await world.otherGateway.log.subscribe(channel, listener);
      return listener;
    };

    test('a repetition has the place of the first, also through another process, and nobody hears it', async () => {
      const listener = await listen('once');
      const sent = [publication('a', { acceptedAt: 1 })];
      await world.publisher.log.append('once', [publication('before')]);
      const first = await world.publisher.log.append('once', sent, undefined, keysOf(sent, ['k']));
      expect(first).toEqual({ epoch: first.epoch, firstOffset: 2, lastOffset: 2 });
      await world.publisher.log.append('once', [publication('between')]);
      // A repetition is accepted later, and may be traced.
      const again = [publication('a', { acceptedAt: 99, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` })];
      for (const { log } of [world.publisher, world.gateway]) {
        const repeated = await log.append('once', again, undefined, keysOf(again, ['k']));
        expect(repeated).toMatchObject({ ...first, known: new Map([[0, { epoch: first.epoch, offset: 2 }]]) });
      }
      await world.publisher.log.append('once', [publication('after')]);
      await until('heard', () => listener.texts.at(-1) === 'after');
      expect(listener.texts).toEqual(['before', 'a', 'between', 'after']);
      expect(listener.offsets).toEqual([1, 2, 3, 4]);
    });

    test.each([
      ['payload', publication('b')],
      ['kind', publication('a', { kind: 'binary' })],
      ['priority', publication('a', { priority: 'high' })],
      ['time to live', publication('a', { ttlMs: 1 })],
      ['conflation', publication('a', { conflation: { key: 'k', mode: 'Sum', count: 1 } })],
    ])('a key that comes again with another %s is refused, and nothing is appended', async (what, other) => {
      const channel = `other/${what.replaceAll(' ', '-')}`;
      const { log } = world.publisher;
      const sent = [publication('a')];
      await log.append(channel, sent, undefined, keysOf(sent, ['k']));
      const both = [publication('new'), other];
      const refused = await log.append(channel, both, undefined, keysOf(both, ['new', 'k'])).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(KeysRefused);
      expect(refused).toMatchObject({ reason: 'reused', indexes: [1] });
      // The key of the other one was not remembered either.
      const after = await log.append(channel, both.slice(0, 1), undefined, keysOf(both.slice(0, 1), ['new']));
      expect(after).toMatchObject({ firstOffset: 2 });
      expect(after.known).toBeUndefined();
    });

    test('keys of channels and of authors are their own', async () => {
      const { log } = world.publisher;
      const sent = publication('a');
      await log.append('mine', [sent], undefined, keysOf([sent], ['k']));
      expect(await log.append('yours', [sent], undefined, keysOf([sent], ['k']))).toMatchObject({ firstOffset: 1 });
      const byClient = { windowSeconds: 300, keys: [idempotencyKey('user 7', 'k', sent)] };
      expect(await log.append('mine', [sent], undefined, byClient)).toMatchObject({ firstOffset: 2 });
    });

    test('of one append the known publications are left out, the others are appended in their order', async () => {
      const listener = await listen('part');
      const { log } = world.publisher;
      const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((text) => publication(text)) as [Publication, Publication, Publication, Publication];
      await log.append('part', [b], undefined, keysOf([b], ['b']));
      const all = [a, b, c, d];
      const result = await log.append('part', all, undefined, keysOf(all, ['a', 'b', '', 'd']));
      const { epoch } = result;
      expect(result).toEqual({ epoch, firstOffset: 2, lastOffset: 4, known: new Map([[1, { epoch, offset: 1 }]]) });
      expect(all.map((_, index) => placeOf(result, index).offset)).toEqual([2, 1, 3, 4]);
      await until('heard', () => listener.texts.length === 4);
      expect(listener.texts).toEqual(['b', 'a', 'c', 'd']);
      expect(listener.offsets).toEqual([1, 2, 3, 4]);
      const again = await log.append('part', [d, a], undefined, keysOf([d, a], ['d', 'a']));
      expect([placeOf(again, 0).offset, placeOf(again, 1).offset]).toEqual([4, 2]);
    });

    test('appends with and without keys that nobody waited for keep their order, and a refused one harms no other', async () => {
      const listener = await listen('mixed');
      const { log } = world.publisher;
      const used = [publication('used')];
      await log.append('mixed', used, undefined, keysOf(used, ['used']));
      const expected = ['used'];
      const keep = { size: 1000, ttlSeconds: 300 };
      const results = await Promise.allSettled(
        Array.from({ length: 400 }, (_, index) => {
          const text = index % 7 === 3 ? `repeated ${index}` : String(index);
          const sent = [publication(text)];
          // Some have no key, some come twice, some are refused, and the history is turned on in between.
          const key = index % 3 === 0 ? '' : index % 10 === 7 ? 'used' : text;
          if (key !== 'used') expected.push(text);
          const append = log.append('mixed', sent, index > 200 ? keep : undefined, key === '' ? undefined : keysOf(sent, [key]));
          return key === text && index % 5 === 1 ? Promise.all([append, log.append('mixed', sent, keep, keysOf(sent, [key]))]) : append;
        }),
      );
      await until('heard', () => listener.texts.length === expected.length);
      expect(listener.texts).toEqual(expected);
      expect(listener.offsets).toEqual(expected.map((_, index) => index + 1));
      for (const [index, result] of results.entries()) {
        const isRefused = index % 3 !== 0 && index % 10 === 7;
        expect([index, result.status]).toEqual([index, isRefused ? 'rejected' : 'fulfilled']);
        if (result.status === 'rejected' || !Array.isArray(result.value)) continue;
        const [first, second] = result.value;
        expect(placeOf(second, 0)).toEqual(placeOf(first, 0));
      }
    });

    test('a batch has as many keys as publications, and kept ones are in the history once', async () => {
      const { log } = world.publisher;
      const sent = Array.from({ length: limits.appendPublicationsMax }, (_, index) => publication(`${index}`));
      const texts = sent.map((_, index) => `key-${index}`);
      const keep = { size: 1000, ttlSeconds: 300 };
      await log.append('many', sent.slice(0, 100), keep, keysOf(sent.slice(0, 100), texts));
      const all = await log.append('many', sent, keep, keysOf(sent, texts));
      expect([all.firstOffset, all.lastOffset, all.known?.size]).toEqual([101, limits.appendPublicationsMax, 100]);
      const { publications } = await world.gateway.log.history('many', { kind: 'newest', limit: 1000 });
      expect(publications.map(({ publication: { payload } }) => payload.toString())).toEqual(sent.map(({ payload }) => payload.toString()));
    });

    test('an append may leave room for others: new keys are then refused at its own bound', async () => {
      const { log } = world.publisher;
      const sent = [publication('a')];
      const append = (text: string, keysMax?: number) =>
        log.append('room', sent, undefined, { ...keysOf(sent, [text]), ...(keysMax === undefined ? {} : { keysMax }) });
      // The memory bus counts the keys of all channels.
      const taken = await append('first');
      const refused = await Promise.allSettled([append('second', 1), append('first', 1), append('third'), append('fourth', 1)]);
      expect(refused.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'rejected']);
      expect(refused[0]).toMatchObject({ reason: { name: 'KeysRefused', reason: 'full' } });
      expect(refused[1]).toMatchObject({ value: { firstOffset: taken.firstOffset } });
      // More are remembered than this bound allows.
      const [known, keyless] = await Promise.all([append('third', 1), log.append('room', sent)]);
      expect([known.firstOffset, keyless.firstOffset]).toEqual([taken.firstOffset + 1, taken.firstOffset + 2]);
      await expect(append('fifth', 1)).rejects.toThrow(KeysRefused);
    });

    test('a key is forgotten some time after its window', { timeout: 20_000 }, async () => {
      const { log } = world.publisher;
      const sent = [publication('a')];
      const keys = keysOf(sent, ['k'], 1);
      const { epoch } = await log.append('window', sent, undefined, keys);
      await until('published again', async () => (await log.append('window', sent, undefined, keys)).known === undefined);
      expect(await log.append('window', [publication('b')])).toMatchObject({ epoch, firstOffset: 3 });
    });

    test('an append with keys that are wrong is its caller’s mistake', async () => {
      const { log } = world.publisher;
      const sent = [publication('a'), publication('b')];
      const appends = [
        keysOf(sent, ['k', 'k']),
        keysOf(sent.slice(1), ['k']),
        keysOf(sent, ['k'], 0),
        keysOf(sent, ['k'], limits.keyWindowSecondsMax + 1),
      ];
      for (const keys of appends) await expect(log.append('wrong', sent, undefined, keys)).rejects.toThrow(RangeError);
      expect(await log.append('wrong', sent, undefined, keysOf(sent, ['k'], limits.keyWindowSecondsMax))).toMatchObject({ firstOffset: 1 });
    });
  });
}

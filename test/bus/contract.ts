import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BusUnavailable } from '../../core/bus/bus.ts';
import { gatewayNumberMax } from '../../core/client-id.ts';
import { limits } from '../../core/limits.ts';
import { isOrderOf } from '../../core/publication.ts';
import { describeHistoryContract } from './history-contract.ts';
import { describeRecallContract } from './recall-contract.ts';
import { describeKeysContract } from './keys-contract.ts';
import { AnsweringGateway, Listener, publication, question, until, untilUp, type World } from './world.ts';

/** What every implementation of the bus promises: `core/bus/bus.ts` in examples. */
export function describeBusContract(implementation: string, start: () => Promise<World>): void {
  describeHistoryContract(implementation, start);
  describeRecallContract(implementation, start);
  describeKeysContract(implementation, start);
  describe(`the channel log of the ${implementation} bus`, () => {
    let world: World;
    beforeAll(async () => {
      world = await start();
    });
    afterAll(async () => {
      await world.close();
    });

    test('gives offsets that rise by one, batch by batch, in one epoch', async () => {
      const { log } = world.publisher;
      const first = await log.append('offsets', [publication('a')]);
      const second = await log.append('offsets', [publication('b'), publication('c')]);
      expect(first).toEqual({ epoch: first.epoch, firstOffset: 1, lastOffset: 1 });
      expect(second).toEqual({ epoch: first.epoch, firstOffset: 2, lastOffset: 3 });
      expect(first.epoch).toMatch(/^[0-9A-Za-z]{1,32}$/);
    });

    test('keeps the order of appends that nobody waited for', async () => {
      const listener = new Listener();
      await world.gateway.log.subscribe('order', listener);
      const texts = Array.from({ length: 1500 }, (_, index) => `${index}`);
      const results = await Promise.all(texts.map((text) => world.publisher.log.append('order', [publication(text)])));
      await until('all heard', () => listener.texts.length === texts.length);
      expect(listener.texts).toEqual(texts);
      expect(listener.offsets).toEqual(texts.map((_, index) => index + 1));
      expect(results.map(({ firstOffset }) => firstOffset)).toEqual(listener.offsets);
      expect(Math.max(...listener.batches.map(({ publications }) => publications.length))).toBeLessThanOrEqual(
        limits.appendPublicationsMax,
      );
    });

    test('carries every field of a publication', async () => {
      const listener = new Listener();
      await world.gateway.log.subscribe('fields', listener);
      const sent = [
        publication('', { kind: 'binary', payload: Buffer.from([0, 255, 128]), priority: 'high', sender: 2 ** 53 - 1 }),
        publication('👍', { priority: 'low', ttlMs: 86_400_000, conflation: { key: 'ключ', mode: 'Sum', count: 1_000_000_000 } }),
        publication('x', { conflation: { key: '', mode: 'Latest', count: 1 }, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }),
      ];
      const { epoch } = await world.publisher.log.append('fields', sent);
      await until('heard', () => listener.batches.length === 1);
      expect(listener.batches[0]).toEqual({ channel: 'fields', epoch, firstOffset: 1, publications: sent });
    });

    test('delivers after the position that subscribe gave, and nothing before it', async () => {
      const { log } = world.publisher;
      const { epoch } = await log.append('position', [publication('before')]);
      const listener = new Listener();
      const underWay = Array.from({ length: 50 }, (_, index) => log.append('position', [publication(`${index}`)]));
      const position = await world.gateway.log.subscribe('position', listener);
      await Promise.all(underWay);
      const { lastOffset } = await log.append('position', [publication('after')]);
      await until('the last is heard', () => listener.texts.at(-1) === 'after');
      expect(position.epoch).toBe(epoch);
      expect(listener.offsets).toEqual(Array.from({ length: lastOffset - position.offset }, (_, index) => position.offset + 1 + index));
    });

    test('gives the position of a channel that nobody has used yet', async () => {
      const position = await world.gateway.log.subscribe('unused', new Listener());
      expect(position.offset).toBe(0);
      const first = await world.publisher.log.append('unused', [publication('a')]);
      expect(first).toMatchObject({ firstOffset: 1, lastOffset: 1 });
      expect(isOrderOf(position, first.epoch)).toBe(true);
    });

    test('delivers a channel to its subscribers only, whatever its name', async () => {
      const names = ['a', 'a:b', '{a}', '{a', 'a}', '}{', '%7Ba%7D', '%', '房间:1', '🎬', 'a:log', 'a}:log'];
      const listeners = new Map(names.map((name) => [name, new Listener()]));
      await Promise.all(Array.from(listeners, ([name, listener]) => world.gateway.log.subscribe(name, listener)));
      const appended = await Promise.all(names.map((name) => world.publisher.log.append(name, [publication(name)])));
      expect(appended.map(({ lastOffset }) => lastOffset)).toEqual(names.map(() => 1));
      await until('each has heard', () => Array.from(listeners.values()).every(({ heard }) => heard.length > 0));
      for (const [name, listener] of listeners) {
        expect(listener.texts).toEqual([name]);
        expect(listener.batches[0]?.channel).toBe(name);
      }
    });

    test('delivers nothing after unsubscribe, and from the new position after subscribing again', async () => {
      const { log } = world.gateway;
      const first = new Listener();
      await log.subscribe('again', first);
      log.unsubscribe('again');
      const second = new Listener();
      const [, position] = await Promise.all([
        world.publisher.log.append('again', [publication('between')]),
        log.subscribe('again', second),
      ]);
      await world.publisher.log.append('again', [publication('after')]);
      await until('heard', () => second.texts.at(-1) === 'after');
      expect(first.heard).toEqual([]);
      expect(second.offsets[0]).toBe(position.offset + 1);
      log.unsubscribe('again');
      log.unsubscribe('again');
    });

    test('refuses a batch that is empty or beyond its bounds, as the mistake of its caller', async () => {
      const { log } = world.publisher;
      const many = Array.from({ length: limits.appendPublicationsMax + 1 }, () => publication(''));
      const large = [publication('', { payload: Buffer.alloc(limits.appendBytesMax) }), publication('x')];
      await expect(log.append('bounds', [])).rejects.toThrow(RangeError);
      await expect(log.append('bounds', many)).rejects.toThrow(RangeError);
      await expect(log.append('bounds', large)).rejects.toThrow(RangeError);
      expect(await log.append('bounds', many.slice(1))).toMatchObject({ lastOffset: limits.appendPublicationsMax });
      expect(await log.append('bounds', large.slice(0, 1))).toMatchObject({ firstOffset: limits.appendPublicationsMax + 1 });
    });
  });

  describe(`the gateway calls of the ${implementation} bus`, () => {
    let world: World;
    let numbers: number[];
    const gateway = new AnsweringGateway('gateway-a', answer);
    const other = new AnsweringGateway('gateway-b', answer);
    beforeAll(async () => {
      world = await start();
      numbers = [await world.gateway.calls.serve(gateway), await world.otherGateway.calls.serve(other)];
    });
    afterAll(async () => {
      await world.close();
    });

    async function answer(request: { readonly method: string }) {
      if (request.method === 'delivered') return new Promise<never>(() => undefined);
      if (request.method === 'send') throw new Error('a bug');
      return { kind: 'done' } as const;
    }

    test('lease each gateway a number of its own', () => {
      expect(new Set(numbers).size).toBe(2);
      for (const number of numbers) expect(number >= 1 && number <= gatewayNumberMax).toBe(true);
    });

    test('reach the gateway with that number and no other, and bring its reply', async () => {
      const request = {
        method: 'call',
        client: 2 ** 53 - 1,
        call: { kind: 'set-context', context: { deep: [{ a: null, b: '👍', c: 1.5 }] } },
      } as const;
      expect(await world.publisher.calls.call(numbers[1]!, request, 5000)).toEqual({ kind: 'reply', reply: { kind: 'done' } });
      expect(other.asked).toEqual([request]);
      expect(gateway.asked).toEqual([]);
    });

    test("say 'unanswered' at once where there is no such gateway", async () => {
      const absent = numbers.includes(gatewayNumberMax) ? gatewayNumberMax - 1 : gatewayNumberMax;
      const startedAt = performance.now();
      expect(await world.publisher.calls.call(absent, question, 60_000)).toEqual({ kind: 'unanswered' });
      expect(performance.now() - startedAt).toBeLessThan(10_000);
    });

    test("say 'unanswered' where the reply is not there at the deadline", async () => {
      const request = { method: 'delivered', channel: 'a', epoch: 'e', offset: 1 } as const;
      expect(await world.publisher.calls.call(numbers[0]!, request, 50)).toEqual({ kind: 'unanswered' });
    });

    test('bring a failure of the gateway as its reply', async () => {
      const request = { method: 'send', client: 1, kind: 'text', payload: '' } as const;
      const result = await world.publisher.calls.call(numbers[0]!, request, 5000);
      expect(result).toEqual({ kind: 'reply', reply: { kind: 'failed', reason: 'the gateway failed: a bug' } });
    });

    test('gather the replies of all', async () => {
      const { replies, unanswered } = await world.publisher.calls.callAll(question, 5000);
      expect(replies).toEqual([{ kind: 'done' }, { kind: 'done' }]);
      expect(unanswered).toEqual([]);
    });

    test('name those that did not answer', async () => {
      const request = { method: 'delivered', channel: 'a', epoch: 'e', offset: 1 } as const;
      const { replies, unanswered } = await world.publisher.calls.callAll(request, 100);
      expect(replies).toEqual([]);
      expect(unanswered.toSorted()).toEqual(['gateway-a', 'gateway-b']);
    });

    test('count the members of a channel over all gateways', async () => {
      const counts = (): unknown => world.publisher.calls.memberCounts('counted');
      gateway.members.set('counted', { ready: 3, full: 1 });
      other.members.set('counted', { ready: 40, full: 0 });
      other.members.set('another', { ready: 1, full: 1 });
      await expect.poll(counts, { timeout: 5000 }).toEqual({ ready: 43, full: 1 });
      gateway.members.delete('counted');
      other.members.set('counted', { ready: 39, full: 2 });
      await expect.poll(counts, { timeout: 5000 }).toEqual({ ready: 39, full: 2 });
      expect(world.publisher.calls.memberCounts('nobody')).toEqual({ ready: 0, full: 0 });
    });

    test('count for a gateway too, its own members at this moment, and ask nobody for it', async () => {
      gateway.members.set('seen', { ready: 1, full: 0 });
      other.members.set('seen', { ready: 2, full: 1 });
      const asked = [gateway.asked.length, other.asked.length];
      const count = (): Promise<unknown> => world.gateway.calls.countMembers('seen');
      await expect.poll(count, { timeout: 5000 }).toEqual({ ready: 3, full: 1 });
      gateway.members.set('seen', { ready: 5, full: 0 });
      expect(await count()).toEqual({ ready: 7, full: 1 });
      gateway.members.delete('seen');
      expect(await count()).toEqual({ ready: 2, full: 1 });
      expect([gateway.asked.length, other.asked.length]).toEqual(asked);
    });
  });

  test(`a closed ${implementation} bus is down and says so`, async () => {
    const world = await start();
    await untilUp(world.publisher);
    const states: boolean[] = [];
    world.publisher.onStateChange(({ up }) => states.push(up));
    await world.close();
    expect(states).toEqual([false]);
    expect(world.publisher.state()).toEqual({ up: false, reason: 'the bus is closed' });
    await expect(world.publisher.log.append('a', [publication('a')])).rejects.toThrow(BusUnavailable);
    await expect(world.publisher.log.subscribe('a', new Listener())).rejects.toThrow(BusUnavailable);
    expect(await world.publisher.calls.call(1, question, 1000)).toEqual({ kind: 'unanswered' });
    expect(await world.publisher.calls.countMembers('a')).toBeUndefined();
    await world.close();
  });
}

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { placeOf } from '../../core/bus/append-result.ts';
import { BusUnavailable, KeysRefused, type Bus } from '../../core/bus/bus.ts';
import { encodeBody, envelopeVersion } from '../../core/bus/envelope.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { encodeParts, resultsOf } from '../../core/redis/keyed-batch.ts';
import { rememberedKeys } from '../../core/redis/keys.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { RedisServer } from '../support/redis-server.ts';
import { keysOf } from './keys-contract.ts';
import { Listener, publication, until, untilUp } from './world.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.dispose();
});

async function newBus(prefix: string, url = redis.url): Promise<RedisBus> {
  const bus = createRedisBus({ url, prefix });
  onTestFinished(() => bus.close());
  await untilUp(bus);
  return bus;
}

/** A bus whose connections break where an answer to an append would come: whenever `isLost` says so. */
async function newLosingBus(prefix: string, isLost: () => boolean): Promise<{ readonly bus: RedisBus; readonly losses: () => number }> {
  let losses = 0;
  const proxy = await RedisProxy.before(redis, (text) => {
    // An answer with verdicts on its appends: `append.lua` has carried it out.
    if (!/\*5\r\n\$\d+\r\n/.test(text) || !isLost()) return text;
    losses++;
    setImmediate(() => proxy.breakAll());
    return '';
  });
  onTestFinished(() => proxy.dispose());
  return { bus: await newBus(prefix, proxy.url), losses: () => losses };
}

/** Appends with a key until a bus answers, each time through the next bus. */
async function appendUntilAnswered(buses: readonly Bus[], channel: string, text: string): Promise<number> {
  const sent = [publication(text)];
  for (let attempt = 0; ; attempt++) {
    try {
      const { log } = buses[attempt % buses.length]!;
      return placeOf(await log.append(channel, sent, undefined, keysOf(sent, [text])), 0).offset;
    } catch (error) {
      if (!(error instanceof BusUnavailable) || attempt > 1000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

test('an answer is lost, and the repetition goes another way: it is there once, and has its first place', async () => {
  let isLost = true;
  const { bus: first, losses } = await newLosingBus('lost', () => isLost);
  const [second, gateway] = [await newBus('lost'), await newBus('lost')];
  const listener = new Listener();
  await gateway.log.subscribe('a', listener);
  const sent = [publication('gift')];
  const keys = keysOf(sent, ['8e03978e-40d5-43dd-bc93-6894a57f9324']);
  await expect(first.log.append('a', sent, undefined, keys)).rejects.toThrow(BusUnavailable);
  expect(losses()).toBe(1);
  isLost = false;
  await second.log.append('a', [publication('other')]);
  expect(placeOf(await second.log.append('a', sent, undefined, keys), 0)).toMatchObject({ offset: 1 });
  await untilUp(first);
  expect(placeOf(await first.log.append('a', sent, undefined, keys), 0)).toMatchObject({ offset: 1 });
  await until('heard', () => listener.texts.length === 2);
  expect(listener.texts).toEqual(['gift', 'other']);
});

test('every third answer is lost, for many at a time and by both ways: each publication is there once', { timeout: 30_000 }, async () => {
  let answers = 0;
  const isLost = (): boolean => ++answers % 3 === 0;
  const [one, two] = [await newLosingBus('losses', isLost), await newLosingBus('losses', isLost)];
  const gateway = await newBus('losses');
  const listener = new Listener();
  await gateway.log.subscribe('a', listener);
  const texts = Array.from({ length: 80 }, (_, index) => `gift ${index}`);
  const offsets: number[] = [];
  for (let from = 0; from < texts.length; from += 10) {
    const some = texts.slice(from, from + 10);
    const ways = (index: number): readonly Bus[] => (index % 2 === 0 ? [one.bus, two.bus] : [two.bus, one.bus]);
    offsets.push(...(await Promise.all(some.map((text, index) => appendUntilAnswered(ways(index), 'a', text)))));
  }
  expect(one.losses() + two.losses()).toBeGreaterThan(2);
  await until('heard', () => listener.texts.length >= texts.length);
  expect(listener.texts.toSorted()).toEqual(texts.toSorted());
  for (const [index, text] of texts.entries()) expect(listener.offsets[listener.texts.indexOf(text)]).toBe(offsets[index]);
});

test('without a key nothing is remembered; with one, at most for the window and a third of it', async () => {
  const { log } = await newBus('turns');
  const record = 'turns:{a}:record';
  const names = Array.from({ length: rememberedKeys }, (_, index) => `turns:{a}:keys:${index}`);
  const remembered = async (): Promise<number> =>
    (await Promise.all(names.map((name) => redis.command('HLEN', name)))).reduce((sum, length) => sum + Number(length.slice(1)), 0);
  await log.append('a', [publication('x')]);
  expect(await remembered()).toBe(0);
  expect(await redis.command('HEXISTS', record, 'turn')).toBe(':0');

  const windowSeconds = 300;
  /** As if a turn had passed. */
  const passTurn = async (): Promise<void> => {
    const [turnAt = ''] = /\d{13}/.exec(await redis.command('HGET', record, 'turnAt')) ?? [];
    await redis.command('HSET', record, 'turnAt', String(Number(turnAt) - (windowSeconds * 1000) / (rememberedKeys - 1)));
  };
  const append = async (text: string): Promise<boolean> => {
    const sent = [publication(text)];
    return (await log.append('a', sent, undefined, keysOf(sent, [text], windowSeconds))).known !== undefined;
  };
  expect(await append('first')).toBe(false);
  for (let turn = 1; turn < rememberedKeys; turn++) {
    await passTurn();
    expect(await append(`turn ${turn}`)).toBe(false);
    expect(await append('first')).toBe(true);
  }
  expect(await remembered()).toBe(rememberedKeys);
  const lives = await Promise.all(names.map(async (name) => Number((await redis.command('TTL', name)).slice(1))));
  for (const seconds of lives) {
    expect(seconds).toBeGreaterThan(windowSeconds);
    expect(seconds).toBeLessThanOrEqual((windowSeconds * rememberedKeys) / (rememberedKeys - 1));
  }
  await passTurn();
  expect(await append('last')).toBe(false);
  expect(await append('first')).toBe(false);
  // A clock that went back far does not hold the turn.
  await redis.command('HSET', record, 'turnAt', '9999999999999');
  const turn = await redis.command('HGET', record, 'turn');
  await append('after the clock');
  expect(await redis.command('HGET', record, 'turn')).not.toBe(turn);
});

test('the ACL of the documentation suffices, whichever turn it is', async () => {
  const rights = /An ACL for one prefix: `(.*)`/.exec(readFileSync('docs/bus.md', 'utf8'))?.[1] ?? '';
  expect(rights).toContain('~P:*');
  await redis.command('ACL', 'SETUSER', 'tenant', 'on', '>secret', ...rights.replaceAll('P:', 'acl:').split(' '));
  const bus = await newBus('acl', redis.url.replace('//', '//tenant:secret@'));
  for (let turn = 0; turn < rememberedKeys + 2; turn++) {
    const sent = [publication(String(turn))];
    const keep = { size: 10, ttlSeconds: 10 };
    expect(await bus.log.append('a', sent, keep, keysOf(sent, [String(turn)]))).toMatchObject({ firstOffset: turn + 1 });
    await redis.command('HSET', 'acl:{a}:record', 'turnAt', '1');
  }
});

test('at the bound new keys are refused, and known keys and appends without one are taken', async () => {
  const script = readFileSync(new URL('../../core/redis/append.lua', import.meta.url), 'utf8');
  const names = ['record', 'history', ...Array.from({ length: rememberedKeys }, (_, index) => `keys:${index}`)].map(
    (name) => `full:{a}:${name}`,
  );
  let keysMax = 2;
  /** Runs the script with that bound. Publications are as text, since no byte of them is above 127. */
  const append = async (...texts: readonly string[]): Promise<string> => {
    const appends = texts.map((text) => ({
      publications: [publication(text, { acceptedAt: 0 })],
      keys: text === 'none' ? undefined : { windowSeconds: 300, keys: [{ id: text.padEnd(14, '.'), content: 'content.' }] },
    }));
    const publications = appends.flatMap((each) => each.publications);
    const [body, parts] = [encodeBody(publications), encodeParts(appends)].map((bytes) => bytes.toString('latin1'));
    const argv = [
      'reign',
      'epoch',
      '100',
      String(texts.length),
      'full:{a}:log',
      String(envelopeVersion),
      body,
      '0',
      '0',
      '100000',
      String(keysMax),
      parts,
    ];
    const reply = await redis.command('EVAL', script, String(names.length), ...names, ...argv.map(String));
    return /^\*5 (?:\$\d+ )?(\S* ?:\d+ :\d+) \*\d+ ((?::\d ?)+)/.exec(reply)?.slice(1).join('|') ?? reply;
  };
  expect(await append('one', 'none')).toBe('epoch :2 :2|:0 :0 ');
  expect(await append('two', 'three', 'none', 'one')).toBe('epoch :4 :2|:0 :2 :0 :0 ');
  expect(await append('three', 'two')).toBe(' :0 :0|:2 :0 ');
  expect(await redis.command('HGET', 'full:{a}:record', 'offset')).toBe('$1 4');
  // Another process may have remembered more than this one's bound.
  keysMax = 1;
  expect(await append('one', 'none', 'three')).toBe('epoch :5 :1|:0 :0 :2 ');
  const refused = resultsOf(
    [{ publications: [publication('x')], keys: keysOf([publication('x')], ['k']) }],
    [Buffer.from(''), 0, 0, [2], [Buffer.from('')]],
  );
  expect(refused).toEqual([new KeysRefused('full')]);
});

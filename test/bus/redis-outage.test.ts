import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { BusUnavailable } from '../../core/bus/bus.ts';
import { isOrderOf } from '../../core/publication.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { TestProcess } from '../support/process.ts';
import { freePort } from '../support/free-port.ts';
import { RedisServer, type DataFate } from '../support/redis-server.ts';
import { Load, expectOrderAroundPositions } from './load.ts';
import { AnsweringGateway, Listener, publication, question, until, untilUp } from './world.ts';

async function newRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  return redis;
}

function newBus(redis: RedisServer): RedisBus {
  const bus = createRedisBus({ url: redis.url, prefix: 'outage' });
  onTestFinished(() => bus.close());
  return bus;
}

test.each<DataFate>(['gone', 'kept', 'as-saved'])('Redis restarts under load, its data %s', async (fate) => {
  const redis = await newRedis();
  const publisher = newBus(redis);
  const gateway = newBus(redis);
  const listener = new Listener();
  await gateway.log.subscribe('a', listener);
  const load = new Load(publisher, 'a');
  await until('a few are appended', () => load.appended.length >= 50);
  if (fate === 'as-saved') {
    await redis.command('SAVE');
    const saved = load.appended.length;
    await until('some are appended that the snapshot lacks', () => load.appended.length >= saved + 50);
  }

  await redis.stop(fate);
  const before = load.appended.length;
  await until('appends fail', () => load.failures.length >= 10);
  expect(publisher.state().up).toBe(false);
  await redis.start();
  const returnedAt = performance.now();
  await until('appends work again', () => load.appended.length >= before + 50);
  expect(load.appended[before]!.at - returnedAt).toBeLessThan(5000);
  await until('the gateway is subscribed again', () => listener.resubscribed.length === 1);
  const resubscribedAt = listener.heard.length;
  await until('and hears', () => listener.heard.length > resubscribedAt + 20);
  await load.stop();

  load.check();
  const { epochs } = load;
  expect(epochs).toHaveLength(2);
  const lastOfFirst = load.appended.findLast(({ epoch }) => epoch === epochs[0])!.lastOffset;
  const firstOfSecond = load.appended.find(({ epoch }) => epoch === epochs[1])!.firstOffset;
  if (fate === 'kept') {
    expect(firstOfSecond).toBeGreaterThan(lastOfFirst);
    expect(await redis.command('HGET', 'outage:{a}:record', 'before')).toContain(epochs[0]);
  }
  if (fate !== 'kept') expect(firstOfSecond, 'without its epoch a place would have been given twice').toBeLessThanOrEqual(lastOfFirst);
  expect(listener.isAt(epochs[1])).toBe(true);
  expectOrderAroundPositions(listener);
});

test(
  'Redis hangs: appends fail in time, the bus is down within about 2 s, and up again with nothing missed',
  { timeout: 30_000 },
  async () => {
    const redis = await newRedis();
    const publisher = newBus(redis);
    const gateway = newBus(redis);
    const listener = new Listener();
    await gateway.log.subscribe('a', listener);
    await publisher.log.append('a', [publication('before')]);
    const subscribed = await gateway.log.subscribe('b', new Listener());
    expect(subscribed.offset).toBe(0);

    redis.pause();
    const pausedAt = performance.now();
    const [first] = await Promise.all([
      publisher.log.append('a', [publication('unknown')]).catch((error: unknown) => error),
      until('the publisher knows', () => !publisher.state().up),
      until('the gateway knows', () => !gateway.state().up),
    ]);
    expect(performance.now() - pausedAt).toBeLessThan(4500);
    expect(first).toBeInstanceOf(BusUnavailable);
    // Each connection finds out for itself: the one that appends may need another turn of its health timer.
    const refusal = async (): Promise<string> => {
      const [result] = await Promise.allSettled([publisher.log.append('a', [publication('late')])]);
      return result.status === 'rejected' ? String(result.reason) : 'appended';
    };
    await until('appends are refused at once', async () => (await refusal()).includes('Redis does not answer'));
    const startedAt = performance.now();
    expect(await refusal()).toContain('Redis does not answer');
    expect(await publisher.calls.call(1, question, 60_000)).toEqual({ kind: 'unanswered' });
    expect(performance.now() - startedAt).toBeLessThan(1000);
    await expect(gateway.log.subscribe('c', new Listener())).rejects.toThrow(BusUnavailable);

    redis.resume();
    await Promise.all([untilUp(publisher), untilUp(gateway)]);
    await publisher.log.append('a', [publication('after')]);
    await until('heard', () => listener.texts.at(-1) === 'after');
    // The append of unknown outcome was carried out after all; the connection held, so nothing is missing.
    expect(listener.texts.filter((text) => text !== 'late')).toEqual(['before', 'unknown', 'after']);
    expect(listener.offsets).toEqual(listener.texts.map((_, index) => index + 1));
    expect(listener.resubscribed).toEqual([]);
  },
);

test('Redis hangs for so long that the connections are given up: new ones take over by themselves', { timeout: 40_000 }, async () => {
  const redis = await newRedis();
  const bus = newBus(redis);
  const listener = new Listener();
  const position = await bus.log.subscribe('a', listener);
  redis.pause();
  await until('the connections are given up and tried again in vain', () => bus.figures().connectionErrors >= 1, 20_000);
  redis.resume();
  const resumedAt = performance.now();
  await untilUp(bus);
  const result = await bus.log.append('a', [publication('x')]);
  expect(performance.now() - resumedAt).toBeLessThan(5000);
  await until('heard', () => listener.texts.length === 1);
  expect(isOrderOf(position, result.epoch)).toBe(true);
  expect(listener.heard.map(({ kind }) => kind)).toEqual(['resubscribed', 'publication']);
});

test('thousands of channels are subscribed to again, those that were left meanwhile are not', { timeout: 30_000 }, async () => {
  const redis = await newRedis();
  const gateway = newBus(redis);
  await untilUp(gateway);
  const listeners = Array.from({ length: 2000 }, () => new Listener());
  await Promise.all(listeners.map((listener, index) => gateway.log.subscribe(`${index}`, listener)));
  await redis.stop('kept');
  await until('the gateway knows', () => !gateway.state().up);
  gateway.log.unsubscribe('0');
  await redis.start();
  await until('all are subscribed again', () => listeners.slice(1).every(({ resubscribed }) => resubscribed.length === 1));
  expect(listeners[0]!.heard).toEqual([]);
  expect(await redis.command('PUBSUB', 'SHARDCHANNELS', 'outage:{0}:log')).toBe('*0');
});

test('a subscription that was under way fails, and can be made again when Redis is back', { timeout: 30_000 }, async () => {
  const redis = await newRedis();
  const bus = newBus(redis);
  await untilUp(bus);
  redis.pause();
  const subscribing = bus.log.subscribe('a', new Listener());
  await expect(subscribing).rejects.toThrow(BusUnavailable);
  redis.resume();
  await untilUp(bus);
  const listener = new Listener();
  await bus.log.subscribe('a', listener);
  await bus.log.append('a', [publication('x')]);
  await until('heard', () => listener.texts.length === 1);
});

test('a process may start before Redis', async () => {
  const redis = await newRedis();
  await redis.stop('gone');
  const bus = newBus(redis);
  expect(bus.state()).toEqual({ up: false, reason: 'connecting to Redis' });
  await expect(bus.log.append('a', [publication('x')])).rejects.toThrow(BusUnavailable);
  await expect(bus.calls.serve(new AnsweringGateway('g'))).rejects.toThrow(BusUnavailable);
  await redis.start();
  await untilUp(bus);
  await bus.log.append('a', [publication('x')]);
  expect(await bus.calls.serve(new AnsweringGateway('g'))).toBeGreaterThan(0);
});

test('a gateway that waits for Redis says so at the beginning and then at growing distances', { timeout: 30_000 }, async () => {
  const port = await freePort();
  const gateway = new TestProcess('gateway/main.ts', { BARRAGE_REDIS_URL: `redis://127.0.0.1:${port}`, BARRAGE_GATEWAY_PORT: '0' });
  const told = (): readonly { readonly reason: string; readonly times: number }[] =>
    `${gateway.stdout}${gateway.stderr}`
      .split('\n')
      .filter((line) => line.includes('waiting for the bus'))
      .map((line) => JSON.parse(line) as { readonly reason: string; readonly times: number });
  await until('it says so three times', () => told().length === 3, 20_000);
  expect(told()[0]).toMatchObject({ times: 1, reason: expect.stringContaining('ECONNREFUSED') as unknown });
  // Two attempts a second, and lines at 0, 1 and 3 s.
  expect(told().reduce((sum, { times }) => sum + times, 0)).toBeGreaterThan(told().length);
});

test('a gateway keeps its number through a restart of Redis that forgets the lease, and is counted and called again', async () => {
  const redis = await newRedis();
  const publisher = newBus(redis);
  const gateway = newBus(redis);
  const server = new AnsweringGateway('g');
  server.members.set('a', { ready: 2, full: 0 });
  const number = await gateway.calls.serve(server);
  await expect.poll(() => publisher.calls.memberCounts('a'), { timeout: 5000 }).toEqual({ ready: 2, full: 0 });
  const owner = await redis.command('GET', `outage:gateway:${number}:lease`);
  await redis.restart('gone');
  await until('the lease is taken again', async () => (await redis.command('GET', `outage:gateway:${number}:lease`)) === owner);
  server.members.set('a', { ready: 3, full: 0 });
  await expect.poll(() => publisher.calls.memberCounts('a'), { timeout: 5000 }).toEqual({ ready: 3, full: 0 });
  await untilUp(publisher);
  await until('calls reach it', async () => (await publisher.calls.call(number, question, 1000)).kind === 'reply');
  await gateway.close();
  expect(await redis.command('KEYS', '*:lease')).toBe('*0');
});

test('a gateway keeps its number while Redis has no memory left', async () => {
  const redis = await newRedis();
  const number = await newBus(redis).calls.serve(new AnsweringGateway('g'));
  const lease = `outage:gateway:${number}:lease`;
  await redis.command('CONFIG', 'SET', 'maxmemory', '1');
  expect(await redis.command('SET', 'more', 'x')).toMatch(/^-OOM/);
  await redis.command('PEXPIRE', lease, '6000');
  await until('it is renewed', async () => Number((await redis.command('PTTL', lease)).slice(1)) > 6000);
});

test('a gateway whose number somebody else has taken is not called by it until it has it again', { timeout: 30_000 }, async () => {
  const redis = await newRedis();
  const publisher = newBus(redis);
  const gateway = newBus(redis);
  const number = await gateway.calls.serve(new AnsweringGateway('g'));
  const called = async (): Promise<string> => (await publisher.calls.call(number, question, 1000)).kind;
  expect(await called()).toBe('reply');
  await redis.command('SET', `outage:gateway:${number}:lease`, 'somebody');
  await until('it is not called', async () => (await called()) === 'unanswered');
  expect((await publisher.calls.callAll(question, 2000)).replies).toHaveLength(1);
  await redis.command('DEL', `outage:gateway:${number}:lease`);
  await until('it is called again', async () => (await called()) === 'reply');
});

test('a channel whose subscription Redis refuses after a restart is tried again, the others go on', { timeout: 20_000 }, async () => {
  const redis = await newRedis();
  const bus = newBus(redis);
  const [refused, well] = [new Listener(), new Listener()];
  await Promise.all([bus.log.subscribe('refused', refused), bus.log.subscribe('well', well)]);
  await redis.command('SET', 'outage:{refused}:record', 'not a record');
  await redis.restart('kept');
  await until('the other is subscribed again', () => well.resubscribed.length === 1);
  expect(refused.resubscribed).toEqual([]);
  await redis.command('DEL', 'outage:{refused}:record');
  await until('and this one too', () => refused.resubscribed.length === 1);
  await bus.log.append('refused', [publication('x')]);
  await until('it hears', () => refused.texts.length === 1);
});

test(
  'a gateway that hangs or died is named as unanswered; after 3 s it is not counted, alive again it is',
  { timeout: 30_000 },
  async () => {
    const redis = await newRedis();
    const publisher = newBus(redis);
    const gateway = newBus(redis);
    await gateway.calls.serve(new AnsweringGateway('alive'));
    const program = fileURLToPath(new URL('gateway-process.ts', import.meta.url));
    const other = spawn(process.execPath, [program, redis.url, 'outage', 'other'], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void other.kill('SIGKILL'));
    await once(other.stdout, 'data');
    const counts = (): unknown => publisher.calls.memberCounts('a');
    await expect.poll(counts, { timeout: 5000 }).toEqual({ ready: 5, full: 1 });
    const ask = () => publisher.calls.callAll(question, 500);
    await expect.poll(async () => (await ask()).replies.length, { timeout: 5000 }).toBe(2);

    other.kill('SIGSTOP');
    const withoutOther = { replies: [{ kind: 'done' }], unanswered: ['other'] };
    await expect.poll(ask).toMatchObject(withoutOther);
    await expect.poll(counts, { timeout: 5000 }).toEqual({ ready: 0, full: 0 });
    await expect.poll(ask).toMatchObject(withoutOther);
    other.kill('SIGCONT');
    await expect.poll(counts, { timeout: 5000 }).toEqual({ ready: 5, full: 1 });

    other.kill('SIGKILL');
    await once(other, 'exit');
    expect(await ask()).toMatchObject({ replies: [{ kind: 'done' }], unanswered: ['other'] });
    await expect.poll(counts, { timeout: 5000 }).toEqual({ ready: 0, full: 0 });
    expect(await ask()).toMatchObject({ replies: [{ kind: 'done' }], unanswered: [] });
  },
);

test('a server that was demoted and promoted again without a restart does not give again what it lost', { timeout: 30_000 }, async () => {
  const redis = await newRedis();
  const other = await RedisServer.start({ settings: ['--replicaof', `127.0.0.1 ${redis.port}`] });
  onTestFinished(() => other.dispose());
  const bus = newBus(redis);
  const listener = new Listener();
  await bus.log.subscribe('a', listener);
  const { epoch } = await bus.log.append('a', [publication('kept')]);
  const offsetAt = (server: RedisServer): Promise<string> => server.command('HGET', 'outage:{a}:record', 'offset');
  await until('the replica has it', async () => (await offsetAt(other)) === '$1 1');
  await other.command('REPLICAOF', 'NO', 'ONE');
  expect(await bus.log.append('a', [publication('lost')])).toMatchObject({ epoch, firstOffset: 2 });

  await redis.command('REPLICAOF', '127.0.0.1', `${other.port}`);
  await until('the bus knows', () => JSON.stringify(bus.state()).includes('the server is a replica'));
  await until("its data are the other one's", async () => (await offsetAt(redis)) === '$1 1');
  await redis.command('REPLICAOF', 'NO', 'ONE');
  await untilUp(bus);
  const again = await bus.log.append('a', [publication('new')]);
  expect(again.epoch).not.toBe(epoch);
  expect(again.firstOffset).toBe(2);
  await until('heard', () => listener.texts.at(-1) === 'new');
  expect(listener.texts).toEqual(['kept', 'lost', 'new']);
  expect(listener.isAt(again.epoch)).toBe(true);
});

test('a server that answers and is a replica is tried again at growing distances, as one that is away is', async () => {
  const redis = await newRedis();
  const replica = await RedisServer.start({ settings: ['--replicaof', `127.0.0.1 ${redis.port}`] });
  onTestFinished(() => replica.dispose());
  const received = async (): Promise<number> =>
    Number(/total_connections_received:(\d+)/.exec(await replica.command('INFO', 'stats'))?.[1]);
  const [before, startedAt] = [await received(), performance.now()];
  const bus = createRedisBus({ url: replica.url, prefix: 'outage', random: () => 0.5 });
  onTestFinished(() => bus.close());
  await until('20 attempts were made', () => bus.figures().connectionErrors >= 20, 20_000);
  const seconds = (performance.now() - startedAt) / 1000;
  // Ten of each of the two connections, at 75, 125, 225 and then 275 ms by this chance; at 50 ms each they would take
  // half a second.
  expect(seconds).toBeGreaterThan(1.5);
  expect(bus.state()).toEqual({ up: false, reason: 'Redis: the server is a replica' });
  process.stdout.write(`connections to a replica: ${(await received()) - before} in ${seconds.toFixed(1)} s\n`);
  await replica.command('REPLICAOF', 'NO', 'ONE');
  await untilUp(bus);
});

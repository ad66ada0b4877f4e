import { expect, onTestFinished, test } from 'vitest';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisServer } from '../support/redis-server.ts';
import type { Logger } from '../../core/process/logging.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { Load, expectOrderAroundPositions } from './load.ts';
import { AnsweringGateway, Listener, publication, question, until, untilUp } from './world.ts';

async function newRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  return redis;
}

function newBus(
  redis: RedisServer,
  more: { readonly username?: string; readonly password?: string; readonly logger?: Logger } = {},
): RedisBus {
  const { username, password, logger = recordedLog().logger } = more;
  const login = username === undefined || password === undefined ? {} : { username, password };
  const bus = createRedisBus({ url: redis.url, prefix: 'cut', ...login, logger });
  onTestFinished(() => bus.close());
  return bus;
}

test('a user who loses the right to bus channels: it is told, and made good when the right comes back', { timeout: 20_000 }, async () => {
  const redis = await newRedis();
  const rights = (...words: string[]): Promise<string> => redis.command('ACL', 'SETUSER', 'tenant', ...words);
  await rights('on', '>secret', '~*', '&*', '+@all');
  const { logger, lines: logged } = recordedLog();
  const [publisher, gateway] = [newBus(redis), newBus(redis, { username: 'tenant', password: 'secret', logger })];
  const [listener, other] = [new Listener(), new Listener()];
  await gateway.log.subscribe('a', listener);
  await gateway.log.subscribe('b', other);
  await publisher.log.append('a', [publication('before')]);
  await until('heard', () => listener.texts.length === 1);

  await rights('resetchannels', '&cut:{b}:*');
  await until('the server ended it', async () => (await redis.command('PUBSUB', 'SHARDNUMSUB', 'cut:{a}:log')).endsWith(':0'));
  await publisher.log.append('a', [publication('missed')]);
  await until('the metric tells', () => gateway.figures().subscriptions.waiting === 1 && gateway.figures().subscriptions.inForce === 1);
  await until('the log tells', () =>
    logged.some(({ event, reason }) => event === 'subscription-refused-by-redis' && /NOPERM/.test(String(reason))),
  );
  await publisher.log.append('b', [publication('of another channel')]);
  await until('the others go on', () => other.texts.length === 1);

  await rights('resetchannels', '&*');
  await until('subscribed again', () => listener.resubscribed.at(-1)?.offset === 2);
  await publisher.log.append('a', [publication('after')]);
  await until('heard', () => listener.texts.at(-1) === 'after');
  expect(listener.texts).toEqual(['before', 'after']);
});

test('connections are killed under load: all is subscribed again, and what was missed is told', { timeout: 20_000 }, async () => {
  const redis = await newRedis();
  const [publisher, gateway] = [newBus(redis), newBus(redis)];
  const listener = new Listener();
  await gateway.log.subscribe('a', listener);
  const number = await gateway.calls.serve(new AnsweringGateway('g'));
  const load = new Load(publisher, 'a');
  for (const round of [1, 2, 3]) {
    const appended = load.appended.length;
    await until('some are appended', () => load.appended.length > appended + 20);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until('subscribed again', () => listener.resubscribed.length >= round);
  }
  await redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
  await untilUp(publisher);
  const heard = listener.heard.length;
  await until('and hears', () => listener.heard.length > heard + 20);
  await load.stop();
  load.check();
  expectOrderAroundPositions(listener);
  await until('calls reach the gateway', async () => {
    return (await publisher.calls.call(number, question, 1000)).kind === 'reply';
  });
});

test.each(['WRITE', 'ALL'])('clients are paused for 3 s (%s): nothing is missed', { timeout: 20_000 }, async (mode) => {
  const redis = await newRedis();
  const [publisher, gateway] = [newBus(redis), newBus(redis)];
  const listener = new Listener();
  await gateway.log.subscribe('a', listener);
  await publisher.log.append('a', [publication('before')]);
  const append = (text: string): Promise<string> =>
    publisher.log.append('a', [publication(text)]).then(
      () => 'appended',
      (error: unknown) => String(error),
    );
  // With ALL even the goodbye of this connection waits for the end of the pause.
  const paused = redis.command('CLIENT', 'PAUSE', '3000', mode);
  await until('an append is late', async () => /in time|timed out/.test(await append('paused')));
  await until('appended', async () => (await append('after')) === 'appended');
  await paused;
  await until('heard', () => listener.texts.at(-1) === 'after');
  // An append that was given up may still be carried out.
  expect(listener.offsets).toEqual(listener.offsets.map((_, index) => index + 1));
  expect(listener.resubscribed).toEqual([]);
  expect(gateway.figures().subscriptionFaults).toEqual({ ended: 0, refused: 0, unproved: 0 });
});

test(
  'a master becomes a replica and a master again at once: subscriptions are made again in the new reign',
  { timeout: 20_000 },
  async () => {
    const [redis, other] = [await newRedis(), await newRedis()];
    const [publisher, gateway] = [newBus(redis), newBus(redis)];
    const listener = new Listener();
    await gateway.log.subscribe('a', listener);
    const { epoch } = await publisher.log.append('a', [publication('before')]);
    for (const round of [1, 2]) {
      await redis.command('REPLICAOF', other.host, `${other.port}`);
      await redis.command('REPLICAOF', 'NO', 'ONE');
      await until('subscribed again', () => listener.resubscribed.length >= round);
      await until('heard', async () => {
        await publisher.log.append('a', [publication(`${round}`)]).catch(() => undefined);
        return listener.texts.at(-1) === `${round}`;
      });
    }
    expect(listener.heard.at(-1)).not.toMatchObject({ epoch });
    expectOrderAroundPositions(listener);
  },
);

import { expect, onTestFinished, test } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { RedisServer } from '../support/redis-server.ts';
import { Listener, publication, until } from './world.ts';

const pushOfEnd = />3\r\n\$12\r\nsunsubscribe\r\n\$\d+\r\n[^\r]*\r\n:\d+\r\n/g;

/** The machine's clock, whose turns of the proof come when the test says so. */
class ProofClock {
  readonly #turns: (() => void)[] = [];
  readonly clock: Clock = {
    ...systemClock,
    every: (ms, callback) => {
      if (ms !== limits.subscriptionProofMsMax / 5) return systemClock.every(ms, callback);
      this.#turns.push(callback);
      return () => undefined;
    },
  };

  turn(): void {
    for (const turn of this.#turns) turn();
  }
}

async function newRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  return redis;
}

function newBus(url: string, more: { readonly clock?: Clock; readonly username?: string; readonly password?: string } = {}): RedisBus {
  const bus = createRedisBus({ url, prefix: 'proof', ...more });
  onTestFinished(() => bus.close());
  return bus;
}

test('a subscription that the server lost without a word is found within the bound, and made again', { timeout: 40_000 }, async () => {
  const redis = await newRedis();
  const proxy = await RedisProxy.before(redis, (text) => text.replaceAll(pushOfEnd, ''));
  onTestFinished(() => proxy.dispose());
  const [publisher, gateway] = [newBus(redis.url), newBus(proxy.url)];
  const [listener, other] = [new Listener(), new Listener()];
  await gateway.log.subscribe('a', listener);
  await gateway.log.subscribe('b', other);
  proxy.send('SUNSUBSCRIBE', 'proof:{a}:log');
  await until('it is lost', async () => (await redis.command('PUBSUB', 'SHARDNUMSUB', 'proof:{a}:log')).endsWith(':0'));
  await publisher.log.append('a', [publication('missed')]);
  await until('it is found', () => listener.resubscribed.length === 1, limits.subscriptionProofMsMax * 2);
  expect(listener.resubscribed[0]).toMatchObject({ offset: 1 });
  await publisher.log.append('a', [publication('heard')]);
  await until('heard', () => listener.texts.at(-1) === 'heard');
  expect(listener.texts).toEqual(['heard']);
  expect(gateway.figures().subscriptionFaults).toEqual({ ended: 0, refused: 0, unproved: 1 });
  expect(gateway.figures().subscriptions).toEqual({ inForce: 2, waiting: 0 });
});

test('while rooms come and go, and none is lost, every turn is a proof', { timeout: 20_000 }, async () => {
  const redis = await newRedis();
  const proofs = new ProofClock();
  const bus = newBus(redis.url, { clock: proofs.clock });
  const listeners = Array.from({ length: 200 }, () => new Listener());
  for (let round = 0; round < 20; round++) {
    const subscribed = listeners.map((listener, index) => bus.log.subscribe(`${index}`, listener));
    proofs.turn();
    if (round % 2 === 0) await Promise.all(subscribed);
    for (let index = 0; index < 200; index++) bus.log.unsubscribe(`${index}`);
    proofs.turn();
    await Promise.allSettled(subscribed);
  }
  await until('the server has none left', async () => (await redis.command('PUBSUB', 'SHARDCHANNELS', 'proof:*')) === '*0');
  expect(bus.figures().subscriptionFaults).toEqual({ ended: 0, refused: 0, unproved: 0 });
  expect(bus.figures().connectionErrors).toBe(0);
});

test('without a proof a connection lasts for the bound, and no longer', { timeout: 20_000 }, async () => {
  const redis = await newRedis();
  const proofs = new ProofClock();
  await redis.command('ACL', 'SETUSER', 'tenant', 'on', '>secret', '~*', '&*', '+@all');
  const bus = newBus(redis.url, { clock: proofs.clock, username: 'tenant', password: 'secret' });
  const listener = new Listener();
  await bus.log.subscribe('a', listener);
  /** How often Redis was asked for a proof, and refused it. */
  const asked = async (): Promise<readonly number[]> => {
    const [, ...counts] = /cmdstat_client\|info:calls=(\d+)\S*rejected_calls=(\d+)/.exec(await redis.command('INFO', 'commandstats'))!;
    return counts.map(Number);
  };
  const turn = async (outcome: 'proof' | 'refusal'): Promise<void> => {
    turns++;
    const before = await asked();
    proofs.turn();
    await until(outcome, async () => (await asked()).reduce((sum, count) => sum + count) > before.reduce((sum, count) => sum + count));
    expect((await asked())[1]! > before[1]!).toBe(outcome === 'refusal');
    // The answer has been taken in once a later one has.
    await bus.log.append('a', [publication('x')]);
    await until('heard', () => listener.texts.length === turns);
  };
  let turns = 0;
  await redis.command('ACL', 'SETUSER', 'tenant', '-client|info');
  for (let failed = 0; failed < 3; failed++) await turn('refusal');
  await redis.command('ACL', 'SETUSER', 'tenant', '+client|info');
  await turn('proof');
  await redis.command('ACL', 'SETUSER', 'tenant', '-client|info');
  for (let failed = 0; failed < 4; failed++) await turn('refusal');
  expect(bus.figures().subscriptionFaults.unproved).toBe(0);
  proofs.turn();
  expect(bus.figures().subscriptionFaults.unproved).toBe(1);
  await until('the bus says why it is down', () => /client\|info/.test(JSON.stringify(bus.state())));
  await redis.command('ACL', 'SETUSER', 'tenant', '+client|info');
  await until('subscribed again', () => listener.resubscribed.length > 0);
});

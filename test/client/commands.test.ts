import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type BarrageOptions } from '../../client/barrage.ts';
import { agreeable, ScriptedGateway, type Script } from './scripted-gateway.ts';

vi.setConfig({ testTimeout: 20_000 });

async function gatewayWith(script: Script = {}): Promise<ScriptedGateway> {
  const gateway = await ScriptedGateway.start(script);
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  return gateway;
}

function client(url: string, options: BarrageOptions = {}): Barrage {
  const barrage = new Barrage(url, options);
  onTestFinished(() => barrage.close());
  return barrage;
}

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 8000, interval: 2 });
}

const at = (offset: number) => ({ epoch: 'e', offset });

test('commands get the replies with their ids, in whatever order these come', async () => {
  const held: (() => void)[] = [];
  const gateway = await gatewayWith({
    answer: (command, connection) => {
      if (command.op === 'ping') return { result: {} };
      const result = command.op === 'publish' ? { epoch: 'e', offset: Number(command.data) } : { members: 7 };
      held.push(() => connection.send({ type: 'reply', id: command.id, result }));
      return undefined;
    },
  });
  const barrage = client(gateway.url);
  await until(() => barrage.state === 'open');
  const answers = Promise.all([barrage.publish('c', '1'), barrage.publish('c', '2'), barrage.counts('c')]);
  expect(await barrage.ping()).toBeGreaterThanOrEqual(0);
  await until(() => held.length === 3);
  for (const reply of held.toReversed()) reply();
  expect(await answers).toEqual([at(1), at(2), { members: 7 }]);
});

test('publish says what it was told to, bytes as base64; an error has its code', async () => {
  const gateway = await gatewayWith({ answer: () => ({ error: { code: 'forbidden', message: 'backends only', retry: false } }) });
  const barrage = client(gateway.url);
  await until(() => barrage.state === 'open');
  const options = { ttlMs: 5, conflateKey: 'like', conflate: 'Sum', count: 3 } as const;
  await expect(barrage.publish('c', Uint8Array.from([1, 2]), options)).rejects.toMatchObject({ name: 'BarrageError', code: 'forbidden' });
  expect(gateway.last.commands).toEqual([{ id: 1, op: 'publish', channel: 'c', data: 'AQI=', kind: 'binary', ...options }]);
});

test('a command without an answer fails when the connection breaks, and when the client is closed', async () => {
  const gateway = await gatewayWith({ answer: () => undefined });
  const barrage = client(gateway.url);
  await until(() => barrage.state === 'open');
  const broken = expect(barrage.counts('c')).rejects.toMatchObject({ code: 'disconnected', retry: true });
  await until(() => gateway.last.commands.length === 1);
  gateway.last.socket.terminate();
  await broken;
  await until(() => barrage.state === 'open');
  const ended = expect(barrage.counts('c')).rejects.toMatchObject({ code: 'closed', retry: false });
  barrage.close();
  await ended;
  await expect(barrage.ping()).rejects.toMatchObject({ code: 'closed' });
});

test('no more than 32 commands are in flight, however many subscriptions come back at once', async () => {
  const held: (() => void)[] = [];
  const gateway = await gatewayWith({
    answer: (command, connection) => {
      held.push(() => connection.send({ type: 'reply', id: command.id, result: { epoch: 'e', offset: 0 } }));
      return undefined;
    },
  });
  const barrage = client(gateway.url);
  const subscriptions = Array.from({ length: 100 }, (_, index) => barrage.subscribe(`c${index}`));
  await until(() => held.length === 32);
  let answered = 0;
  while (answered < subscriptions.length) {
    await until(() => held.length > answered);
    expect(held.length - answered).toBeLessThanOrEqual(32);
    held[answered++]?.();
  }
  await until(() => subscriptions.every(({ state }) => state === 'subscribed'));
});

test('density is asked for, remembered for the next connection, and the old one stays where it is refused', async () => {
  const gateway = await gatewayWith({
    answer: (command, connection) =>
      command.op === 'density' && command.density === 0
        ? { error: { code: 'bad_request', message: 'too low', retry: false } }
        : agreeable(command, connection),
  });
  const subscription = client(gateway.url).subscribe('c');
  await until(() => subscription.state === 'subscribed');
  await subscription.setDensity(20);
  await expect(subscription.setDensity(0)).rejects.toMatchObject({ code: 'bad_request' });
  expect(subscription.density).toBe(20);
  gateway.last.socket.terminate();
  await until(() => gateway.connections.length === 2 && subscription.state === 'subscribed');
  expect(gateway.last.commands[0]).toMatchObject({ op: 'subscribe', density: 20 });
});

test('nothing is delivered after unsubscribe, and the channel can be subscribed again', async () => {
  const gateway = await gatewayWith();
  const barrage = client(gateway.url);
  const subscription = barrage.subscribe('c');
  expect(() => barrage.subscribe('c')).toThrow('subscribed to already');
  let delivered = 0;
  subscription.on('publication', () => delivered++);
  await until(() => subscription.state === 'subscribed');
  const gone = subscription.unsubscribe();
  gateway.last.batch(0, 1);
  const again = barrage.subscribe('c');
  await gone;
  await until(() => again.state === 'subscribed');
  expect(gateway.last.ops()).toEqual(['subscribe', 'unsubscribe', 'subscribe']);
  expect([subscription.state, delivered]).toEqual(['unsubscribed', 0]);
});

test('a backend that subscribes this client in the middle of its own subscribe spares it a repetition', async () => {
  const gateway = await gatewayWith({
    answer: (command, connection) => {
      if (command.op !== 'subscribe') return agreeable(command, connection);
      connection.send({ type: 'subscribed', channel: 'c', epoch: 'e', offset: 0 });
      return { error: { code: 'already_subscribed', message: 'is', retry: false } };
    },
  });
  const barrage = client(gateway.url, { random: () => 0 });
  const subscription = barrage.subscribe('c');
  await until(() => subscription.state === 'subscribed');
  for (let count = 0; count < 5; count++) await barrage.ping();
  expect(gateway.last.ops()).toEqual(['subscribe', 'ping', 'ping', 'ping', 'ping', 'ping']);
});

test('a backend may begin and end subscriptions, and send to this client alone', async () => {
  const gateway = await gatewayWith();
  const barrage = client(gateway.url);
  const directs: unknown[] = [];
  const begun: string[] = [];
  const offsets: number[] = [];
  const errors: string[] = [];
  barrage.on('direct', ({ data }) => directs.push(data));
  barrage.on('subscription', (subscription) => {
    begun.push(subscription.channel);
    subscription.on('publication', ({ offset }) => offsets.push(offset));
    subscription.on('error', ({ message }) => errors.push(`${subscription.state}: ${message}`));
  });
  await until(() => barrage.state === 'open');
  const { last } = gateway;
  last.send({ type: 'direct', kind: 'text', data: 'hi' });
  last.send({ type: 'direct', kind: 'binary', data: 'AQI=' });
  last.send({ type: 'subscribed', channel: 'c', epoch: 'e', offset: 4 });
  last.batch(4, 5);
  last.send({ type: 'unsubscribed', channel: 'c', message: 'over' });
  last.batch(5, 6);
  await until(() => errors.length === 1);
  expect(directs).toEqual(['hi', Uint8Array.from([1, 2])]);
  expect([begun, offsets, errors]).toEqual([['c'], [5], ['unsubscribed: over']]);
});

import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type Batch, type Gap, type BarrageOptions, type BarrageState } from '../../client/barrage.ts';
import { encodeBinaryBatch } from '../../gateway/encoding/batch.ts';
import { agreeable, ScriptedGateway, type Answer, type Script } from './scripted-gateway.ts';

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

vi.setConfig({ testTimeout: 20_000 });

const at = (offset: number, epoch = 'e') => ({ epoch, offset });

test('a subscription gets batches with their span, in order, and knows its position', async () => {
  const gateway = await gatewayWith();
  const barrage = client(gateway.url);
  const states: BarrageState[] = [barrage.state];
  barrage.on('state', (state) => states.push(state));
  const subscription = barrage.subscribe('c', { density: 20 });
  const batches: Batch[] = [];
  const texts: unknown[] = [];
  subscription.on('batch', (batch) => batches.push(batch));
  subscription.on('publication', ({ data }) => texts.push(data));
  expect(subscription.state).toBe('subscribing');
  await until(() => subscription.state === 'subscribed');
  expect(gateway.last.commands).toEqual([{ id: 1, op: 'subscribe', channel: 'c', density: 20 }]);
  gateway.last.batch(0, 2);
  gateway.last.batch(2, 5, { offsets: [4] });
  await until(() => batches.length === 2);
  expect(batches[1]).toEqual({
    channel: 'c',
    epoch: 'e',
    after: 2,
    upto: 5,
    leftOut: 2,
    publications: [{ channel: 'c', offset: 4, data: 'p4' }],
  });
  expect(texts).toEqual(['p1', 'p2', 'p4']);
  expect(subscription.position).toEqual(at(5));
  expect(states).toEqual(['connecting', 'open']);
});

test('a batch in the same packet as the reply to the subscribe is not lost', async () => {
  const gateway = await gatewayWith({
    answer: (command, connection) => {
      // Written in one go: the client parses both before any promise of its own continues.
      const cork = (connection.socket as unknown as { _socket: { cork(): void; uncork(): void } })._socket;
      cork.cork();
      setImmediate(() => cork.uncork());
      connection.send({ type: 'reply', id: command.id, result: { epoch: 'e', offset: 3 } });
      connection.batch(3, 4);
      return undefined;
    },
  });
  const subscription = client(gateway.url).subscribe('c');
  const offsets: number[] = [];
  subscription.on('publication', ({ offset }) => offsets.push(offset));
  await until(() => offsets.length === 1);
  expect(offsets).toEqual([4]);
});

test('text and bytes of a binary batch arrive as what they were', async () => {
  const gateway = await gatewayWith();
  const subscription = client(gateway.url).subscribe('c');
  const data: unknown[] = [];
  subscription.on('publication', (publication) => data.push(publication.data));
  await until(() => subscription.state === 'subscribed');
  const publication = {
    priority: 'normal',
    acceptedAt: 0,
    ttlMs: 0,
    conflation: undefined,
    sender: undefined,
    traceparent: undefined,
  } as const;
  const frame = encodeBinaryBatch({ channel: 'c', epoch: 'e', after: 0, upto: 2, leftOut: 0 }, [
    { offset: 1, count: undefined, publication: { ...publication, kind: 'binary', payload: Buffer.from([0, 255, 1]) } },
    { offset: 2, count: undefined, publication: { ...publication, kind: 'text', payload: Buffer.from('弹幕') } },
  ]);
  // Without the WebSocket header, which `ws` writes itself.
  gateway.last.send(frame.subarray((frame[1] ?? 0) < 126 ? 2 : 4));
  await until(() => data.length === 2);
  expect(data).toEqual([Uint8Array.from([0, 255, 1]), '弹幕']);
});

test('what is lost, skipped or begun anew is a gap, on the subscription and on the client', async () => {
  const gateway = await gatewayWith();
  const barrage = client(gateway.url);
  const gaps: Gap[] = [];
  barrage.on('gap', (gap) => gaps.push(gap));
  const subscription = barrage.subscribe('c');
  await until(() => subscription.state === 'subscribed');
  const { last } = gateway;
  last.batch(0, 2);
  last.batch(4, 6);
  last.batch(5, 6);
  last.send({ type: 'gap', channel: 'c', epoch: 'e', after: 6, upto: 9, reason: 'slow' });
  last.batch(0, 1, { epoch: 'f' });
  await until(() => gaps.length === 3);
  expect(gaps).toEqual([
    { channel: 'c', from: at(2), to: at(4), reason: 'missed' },
    { channel: 'c', from: at(6), to: at(9), reason: 'slow' },
    { channel: 'c', from: at(9), to: at(0, 'f'), reason: 'epoch' },
  ]);
});

test('after a lost connection it comes back, resubscribes from its position, and reports a gap only where there is one', async () => {
  const answer: Answer = ({ op }, connection) => {
    if (op !== 'subscribe') return { result: {} };
    const offset = [0, 2, 7][gateway.connections.indexOf(connection)] ?? 0;
    return { result: { epoch: 'e', offset, ...(offset === 0 ? {} : { recovered: offset === 2 }) } };
  };
  const gateway: ScriptedGateway = await gatewayWith({ answer });
  const barrage = client(gateway.url);
  const states: BarrageState[] = [];
  const gaps: Gap[] = [];
  barrage.on('state', (state) => states.push(state));
  const subscription = barrage.subscribe('c');
  subscription.on('gap', (gap) => gaps.push(gap));
  await until(() => subscription.state === 'subscribed');
  gateway.last.batch(0, 2);
  await until(() => subscription.position?.offset === 2);
  gateway.last.socket.terminate();
  await until(() => gateway.connections.length === 2 && subscription.state === 'subscribed');
  expect(gateway.last.commands[0]).toMatchObject({ op: 'subscribe', since: at(2) });
  expect(gaps).toEqual([]);
  gateway.last.socket.close(1012);
  await until(() => gateway.connections.length === 3 && subscription.state === 'subscribed');
  expect(gaps).toEqual([{ channel: 'c', from: at(2), to: at(7), reason: 'reconnect' }]);
  expect(states).toEqual(['open', 'waiting', 'connecting', 'open', 'waiting', 'connecting', 'open']);
});

test('it waits for a gateway that is not there yet, and finds it again after a restart on the same port', async () => {
  const first = await ScriptedGateway.start();
  const { port, url } = first;
  const barrage = client(url);
  const subscription = barrage.subscribe('c');
  await until(() => subscription.state === 'subscribed');
  await first[Symbol.asyncDispose]();
  await until(() => barrage.state === 'waiting');
  await expect(barrage.publish('c', 'x')).rejects.toMatchObject({ code: 'disconnected', retry: true });
  const second = await gatewayWith({ port });
  await until(() => subscription.state === 'subscribed');
  expect(second.connections.length).toBe(1);
});

test.each([4500, 4501, 4502, 1008])('close code %i ends it for good, with an error', async (code) => {
  const gateway = await gatewayWith();
  const barrage = client(gateway.url);
  const errors: unknown[] = [];
  barrage.on('error', (error) => errors.push(error));
  const subscription = barrage.subscribe('c');
  const pending = barrage.subscribe('d');
  await until(() => subscription.state === 'subscribed');
  gateway.last.socket.close(code, 'no');
  await until(() => barrage.state === 'closed');
  expect(errors).toMatchObject([{ code: 'closed', retry: false }]);
  expect([subscription.state, pending.state]).toEqual(['failed', 'failed']);
  expect(() => barrage.subscribe('e')).toThrow('closed');
});

test('a gateway that accepts and drops at once is asked ever more rarely', async () => {
  const gateway = await gatewayWith({ hello: { backoff: { baseMs: 10, capMs: 100_000 } } });
  const delays: number[] = [];
  let droppedAt = 0;
  const barrage = client(gateway.url, { random: () => 0.999 });
  barrage.on('hello', () => {
    if (droppedAt !== 0) delays.push(performance.now() - droppedAt);
    gateway.last.socket.terminate();
  });
  barrage.on('state', (state) => {
    if (state === 'waiting') droppedAt = performance.now();
  });
  await until(() => delays.length === 5);
  // Timers may be late, never early by more than their millisecond.
  for (const [attempt, delay] of delays.entries()) expect(delay).toBeGreaterThan(9 * 2 ** attempt);
});

test('a half-open connection is given up when a ping is not answered', async () => {
  const gateway = await gatewayWith({
    hello: { pingIntervalMs: 30, pongTimeoutMs: 30 },
    answer: (command, connection) => {
      return command.op === 'ping' && gateway.connections[0] === connection ? undefined : agreeable(command, connection);
    },
  });
  const barrage = client(gateway.url);
  const errors: string[] = [];
  barrage.on('error', ({ message }) => errors.push(message));
  await until(() => gateway.connections.length === 2);
  // Before the second connection pings: a busy machine may be late to answer that one.
  expect(errors).toEqual(['nothing arrives any more']);
  await until(() => gateway.last.ops().includes('ping'));
});

test('a TCP server that never answers the handshake does not hang it for ever', { timeout: 30_000 }, async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as { port: number };
  const barrage = client(`ws://127.0.0.1:${port}/`);
  // Told of, not looked for: it may wait for less than a moment.
  await new Promise<void>((resolve) => {
    barrage.on('state', (state) => {
      if (state === 'waiting') resolve();
    });
  });
});

test.each([
  ['no JSON', 'no json'],
  ['a batch without a span', '{"type":"batch"}'],
  ['binary', Buffer.from([0, 0, 0, 9, 1])],
])('a malformed frame (%s) drops the connection, and it comes back', async (_what, frame) => {
  const gateway = await gatewayWith();
  const barrage = client(gateway.url);
  const errors: unknown[] = [];
  barrage.on('error', (error) => errors.push(error));
  await until(() => barrage.state === 'open');
  gateway.last.send(frame);
  await until(() => gateway.connections.length === 2 && barrage.state === 'open');
  expect(errors).toMatchObject([{ code: 'protocol', retry: true }]);
});

test('a token is sent before any subscribe, fresh for each connection; a refused one is final', async () => {
  const answer: Answer = (command, connection) =>
    command.op === 'auth' && command.token === 'token 3'
      ? { error: { code: 'not_authenticated', message: 'refused', retry: false } }
      : agreeable(command, connection);
  const gateway = await gatewayWith({ answer });
  let made = 0;
  const barrage = client(gateway.url, { token: () => Promise.resolve(`token ${++made}`) });
  const subscription = barrage.subscribe('c');
  for (const count of [1, 2]) {
    await until(() => gateway.connections.length === count && subscription.state === 'subscribed');
    expect(gateway.last.commands).toMatchObject([{ op: 'auth', token: `token ${count}` }, { op: 'subscribe' }]);
    gateway.last.socket.terminate();
  }
  await until(() => barrage.state === 'closed');
  expect(subscription.state).toBe('failed');
});

test('a token that can not be had is asked for again', async () => {
  const gateway = await gatewayWith();
  let asked = 0;
  const barrage = client(gateway.url, { token: () => (++asked < 3 ? Promise.reject(new Error('later')) : Promise.resolve('t')) });
  await until(() => barrage.state === 'open');
  expect(asked).toBe(3);
});

test('a refused subscribe is retried where that may help, and fails with its error where not', async () => {
  let refusals = 0;
  const gateway = await gatewayWith({
    answer: (command, connection) => {
      if (command.op !== 'subscribe') return agreeable(command, connection);
      if (command.channel === 'user:2') return { error: { code: 'forbidden', message: 'not yours', retry: false } };
      return ++refusals <= 2 ? { error: { code: 'unavailable', message: 'bus', retry: true } } : agreeable(command, connection);
    },
  });
  const barrage = client(gateway.url);
  const errors: unknown[] = [];
  const own = barrage.subscribe('c');
  const foreign = barrage.subscribe('user:2');
  foreign.on('error', (error) => errors.push(error));
  await until(() => own.state === 'subscribed' && foreign.state === 'failed');
  expect(errors).toMatchObject([{ code: 'forbidden', retry: false, message: 'not yours' }]);
  await expect(async () => {
    for await (const _ of foreign);
  }).rejects.toMatchObject({ code: 'forbidden' });
  expect(barrage.state).toBe('open');
});

test('a gateway that thinks the channel is subscribed already is told to forget it first', async () => {
  let subscribes = 0;
  const gateway = await gatewayWith({
    answer: (command, connection) =>
      command.op === 'subscribe' && ++subscribes === 1
        ? { error: { code: 'already_subscribed', message: 'is', retry: false } }
        : agreeable(command, connection),
  });
  const subscription = client(gateway.url).subscribe('c');
  await until(() => subscription.state === 'subscribed');
  expect(gateway.last.ops()).toEqual(['subscribe', 'unsubscribe', 'subscribe']);
});

test('a listener that throws harms neither the other listeners nor the client, and its error is not swallowed', async () => {
  const gateway = await gatewayWith();
  const barrage = client(gateway.url);
  const subscription = barrage.subscribe('c');
  // Vitest listens too, and would fail the run: its listeners are put aside for this test.
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const uncaught: unknown[] = [];
  process.on('uncaughtException', (error) => uncaught.push(error));
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of others) process.on('uncaughtException', listener);
  });
  const offsets: number[] = [];
  const remove = subscription.on('publication', () => {
    throw new Error('mine');
  });
  subscription.on('publication', ({ offset }) => offsets.push(offset));
  await until(() => subscription.state === 'subscribed');
  gateway.last.batch(0, 2);
  await until(() => offsets.length === 2 && uncaught.length === 2);
  remove();
  gateway.last.batch(2, 3);
  await until(() => offsets.length === 3);
  expect(uncaught).toEqual([new Error('mine'), new Error('mine')]);
});

test('an error that nobody listens for is written to the console, once for each code; one that is heard is not', async () => {
  const written: string[] = [];
  const spy = vi.spyOn(console, 'error').mockImplementation((line: string) => void written.push(line));
  onTestFinished(() => spy.mockRestore());
  const gateway = await gatewayWith({
    answer: (command, connection) =>
      command.op === 'subscribe' && command.channel.startsWith('user:')
        ? { error: { code: 'forbidden', message: 'not yours', retry: false } }
        : agreeable(command, connection),
  });
  const barrage = client(gateway.url);
  for (const count of [1, 2, 3]) {
    await until(() => gateway.connections.length === count && barrage.state === 'open');
    gateway.last.socket.terminate();
  }
  await until(() => gateway.connections.length === 4 && barrage.state === 'open');
  const unheard = [barrage.subscribe('user:1'), barrage.subscribe('user:2')];
  const heard = barrage.subscribe('user:3');
  heard.on('error', () => {});
  const looped = expect(barrage.subscribe('user:4')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'forbidden' });
  await until(() => [...unheard, heard].every(({ state }) => state === 'failed'));
  await looped;
  expect(written).toHaveLength(2);
  expect(written[0]).toMatch(
    /^Barrage: the client has an error that nobody listens for.*disconnected: the connection to ws:.*ended with 1006/,
  );
  expect(written[1]).toMatch(/^Barrage: the subscription to user:1 has an error .*forbidden: not yours/);
});

test('a listener that unsubscribes in the middle of a batch gets nothing more of it', async () => {
  const gateway = await gatewayWith();
  const subscription = client(gateway.url).subscribe('c');
  const offsets: number[] = [];
  subscription.on('publication', ({ offset }) => {
    offsets.push(offset);
    if (offset === 2) void subscription.unsubscribe();
  });
  await until(() => subscription.state === 'subscribed');
  gateway.last.batch(0, 5);
  await until(() => gateway.last.ops().includes('unsubscribe'));
  expect(offsets).toEqual([1, 2]);
});

test("a backend's unsubscribe that crosses a new subscribe ends the old subscription only", async () => {
  let subscribes = 0;
  const gateway = await gatewayWith({
    answer: (command, connection) => {
      // Sent before the answer, as one that was on its way already.
      if (command.op === 'subscribe' && ++subscribes === 2)
        connection.send({ type: 'unsubscribed', channel: 'c', message: 'by the backend' });
      return agreeable(command, connection);
    },
  });
  const barrage = client(gateway.url);
  const first = barrage.subscribe('c');
  await until(() => first.state === 'subscribed');
  void first.unsubscribe();
  const second = barrage.subscribe('c');
  const offsets: number[] = [];
  second.on('publication', ({ offset }) => offsets.push(offset));
  await until(() => second.state === 'subscribed');
  gateway.last.batch(0, 2);
  await until(() => offsets.length === 2);
  expect([first.state, second.state]).toEqual(['unsubscribed', 'subscribed']);
  gateway.last.send({ type: 'unsubscribed', channel: 'c', message: 'by the backend' });
  await until(() => second.state === 'unsubscribed');
});

import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BarrageBackend, BarrageBackendError } from '../../backend/backend.ts';
import { bodyBytesMax, callsMax } from '../../backend/requests.ts';
import { freePort } from '../support/free-port.ts';
import { TestStandalone } from '../support/standalone.ts';

const apiKey = 'sixteen-characters-at-least';
const policies = `
channels:
  - channel: kept:*
    history: { size: 100 }
  - channel: slow:*
    limits: { publicationsPerSecond: 1 }
  - channel: keyless:*
    idempotency: { windowSeconds: 0 }
  - channel: '*'
`;

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** A server that answers as the listener says. It ends with the test. */
async function scripted(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return urlOf((server.address() as AddressInfo).port);
}

/** The failure of a call. */
async function failureOf(call: Promise<unknown>): Promise<BarrageBackendError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BarrageBackendError);
  return error as BarrageBackendError;
}

test('what a backend can do, against a real process: publish, batch, broadcast, one client, history, recall, clear', async () => {
  const standalone = await TestStandalone.withPolicies(policies, { BARRAGE_API_KEYS: `another-key-of-somebody,${apiKey}` });
  const url = urlOf(standalone.publisherPort);
  const backend = new BarrageBackend({ url: new URL(`${url}/`), apiKey });
  const client = await standalone.v1();
  await client.subscribe('kept:1');

  const published = await backend.publish('kept:1', 'Hello, 弹幕!', { user: 'eve' });
  expect(published).toMatchObject({ offset: 1, replayed: false, full: 0, ready: expect.any(Number) });
  const bytes = new Uint8Array([9, 0, 1, 254, 255]).subarray(1);
  const waited = await backend.publish('kept:1', bytes, { priority: 'high', wait: 'delivered', waitMs: 5_000 });
  expect(waited).toEqual({
    offset: 2,
    epoch: published.epoch,
    replayed: false,
    sent: 1,
    notSent: 0,
    dropped: {},
    pending: 0,
    unanswered: [],
  });
  const sum = { conflateKey: 'like', conflate: 'Sum', count: 12, ttlMs: 60_000, priority: 'low' } as const;
  await backend.publish('kept:1', { like: true }, sum);
  await expect.poll(() => client.items('kept:1').map(({ data }) => data)).toEqual(['Hello, 弹幕!', Buffer.from(bytes), '{"like":true}']);

  const again = { idempotencyKey: 'a"b\\c' };
  const [first, second] = [await backend.publish('kept:1', 'once', again), await backend.publish('kept:1', 'once', again)];
  expect([first.replayed, second.replayed, second.offset]).toEqual([false, true, first.offset]);
  expect(await failureOf(backend.publish('kept:1', 'another', again))).toMatchObject({ code: 507, status: 422, published: 'no' });
  await backend.publish('keyless:1', 'no key', { idempotencyKey: null });
  expect(await failureOf(backend.publish('keyless:1', 'a key'))).toMatchObject({ code: 101 });

  const outcomes = await backend.publishBatch([
    { channel: 'room:1', data: 'one' },
    { channels: ['room:1', 'room:2'], data: { two: 2 }, priority: 'high' },
    { channel: 'keyless:1', data: 'refused: the request has a key' },
  ]);
  expect(outcomes.map(({ index, channel, published: place, error }) => [index, channel, place?.offset, error?.code])).toEqual([
    [0, 'room:1', 1, undefined],
    [1, 'room:1', 2, undefined],
    [1, 'room:2', 1, undefined],
    [2, 'keyless:1', undefined, 101],
  ]);

  const id = client.messages.find((message) => message.type === 'hello')?.client ?? '';
  await backend.setContextValue(id, 'uid', 'alice');
  await backend.setContext(id, { uid: 'alice', level: 3 });
  await backend.subscribe(id, ['user:alice', 'room:9']);
  await backend.unsubscribe(id, ['room:9']);
  await backend.reconnect(id, 'pull');
  await backend.send(id, { for: 'you' });
  const told = () => client.messages.filter(({ type }) => !['hello', 'reply', 'backoff'].includes(type));
  await expect.poll(told).toMatchObject([
    { type: 'subscribed', channel: 'user:alice' },
    { type: 'subscribed', channel: 'room:9' },
    { type: 'unsubscribed', channel: 'room:9' },
    { type: 'reconnect', transport: 'pull' },
    { type: 'direct', data: '{"for":"you"}' },
  ]);

  const history = await backend.history('kept:1', { since: 0, epoch: published.epoch, limit: 3 });
  expect(history).toMatchObject({ epoch: published.epoch, offset: 4, reach: 'more', next: 3 });
  const acceptedAt = expect.any(Number);
  expect(history.publications).toEqual([
    { offset: 1, acceptedAt, data: 'Hello, 弹幕!', user: 'eve' },
    { offset: 2, acceptedAt, data: bytes, priority: 'high' },
    { offset: 3, acceptedAt, data: '{"like":true}', ...sum },
  ]);
  expect(await backend.recall('kept:1', { user: 'eve' })).toMatchObject({ offset: 5, recalled: 1 });
  expect(await backend.recall('kept:1', { epoch: history.epoch, offsets: [2] })).toMatchObject({ offset: 6, recalled: 1, replayed: false });
  const cleared = { idempotencyKey: 'clear-once' };
  expect([await backend.clear('kept:1', cleared), await backend.clear('kept:1', cleared)]).toMatchObject([
    { offset: 7, replayed: false },
    { offset: 7, replayed: true },
  ]);
  const left = await backend.history('kept:1', { reverse: true });
  expect(left.publications).toMatchObject([{ recall: { upto: 6 } }, { recall: { offsets: [2] } }, { recall: { offsets: [1] } }]);
  expect(left.publications.map(({ data }) => data)).toEqual([undefined, undefined, undefined]);
  expect(await failureOf(backend.history('room:1'))).toMatchObject({ code: 506, status: 404 });

  const plain = await standalone.plain();
  await backend.kick(id, 'you were signed out');
  expect(await client.closed()).toEqual({ code: 4502, reason: 'you were signed out' });
  expect(plain.closing).toBe(undefined);
  expect(await failureOf(backend.kick(id))).toMatchObject({ code: 301, status: 409, retry: false });
  expect(await failureOf(backend.send(id, 'gone'))).toMatchObject({ code: 401, status: 404, published: 'no' });

  expect(await failureOf(new BarrageBackend({ url }).publish('room:1', 'x'))).toMatchObject({ code: 501, status: 401, attempts: 1 });
  expect(await failureOf(backend.publish('a b', 'x'))).toMatchObject({ code: 101, message: expect.stringMatching(/^c: /) });
});

test('a broadcast goes to more channels than one request takes, each once, however often it is repeated', async () => {
  const standalone = await TestStandalone.start();
  const backend = new BarrageBackend({ url: urlOf(standalone.publisherPort) });
  const channels = Array.from({ length: 1_001 }, (_, each) => `room:${each}`);
  const options = { idempotencyKey: 'the-same-notice' };
  const [first, second] = [await backend.broadcast(channels, 'x', options), await backend.broadcast(channels, 'x', options)];
  expect(first.map(({ channel }) => channel)).toEqual(channels);
  expect(new Set(first.map(({ published }) => published?.replayed))).toEqual(new Set([false]));
  expect(new Set(second.map(({ published }) => published?.replayed))).toEqual(new Set([true]));
  // 1 MiB for each of 20 channels is more than a request may have.
  const large = await TestStandalone.withPolicies("channels: [{ channel: '*', limits: { payloadBytesMax: 1048576 } }]");
  const outcomes = await new BarrageBackend({ url: urlOf(large.publisherPort) }).broadcast(channels.slice(0, 20), 'x'.repeat(1_048_576));
  expect(outcomes.filter(({ published }) => published !== undefined)).toHaveLength(20);
  expect(await backend.broadcast([], 'to nobody')).toEqual([]);
});

describe('repetitions', () => {
  test('a rate that is passed is waited for, in a batch too', async () => {
    const standalone = await TestStandalone.withPolicies(policies);
    const backend = new BarrageBackend({ url: urlOf(standalone.publisherPort) });
    await backend.publish('slow:1', 'one');
    const outcomes = await backend.publishBatch([
      { channel: 'room:1', data: 'at once' },
      { channel: 'slow:1', data: 'two' },
    ]);
    // The repetition finds the first one published already.
    expect(outcomes).toMatchObject([{ published: { offset: 1, replayed: true } }, { published: { offset: 2, replayed: false } }]);
  });

  test('a wait that the end of the call would cut off is the caller’s to make', async () => {
    const url = await scripted((_request, response) => {
      response.writeHead(429, { 'retry-after': '600' }).end('{"E":{"c":502,"m":"too many publications a second"}}');
    });
    const error = await failureOf(new BarrageBackend({ url, timeoutMs: 590_000 }).publish('a', 'x'));
    expect(error).toMatchObject({ code: 502, status: 429, retryAfterMs: 600_000, retry: true, published: 'no', attempts: 1 });
  });

  test('a lost answer is asked for again with the same key; a send is not', async () => {
    const keys: unknown[] = [];
    const url = await scripted((request, response) => {
      keys.push(request.headers['idempotency-key']);
      if (keys.length === 1) return request.socket.destroy();
      if (keys.length === 2) return response.writeHead(502, { 'content-type': 'text/html' }).end('<html>');
      if (keys.length === 3) return response.writeHead(503).end('{"E":{"c":503,"m":"away","published":"unknown"}}');
      if (keys.length === 4) return response.end('{"E":null,"r":{"s":1,"f":0,"epoch":"e","offset":1,"replayed":true}}');
      return request.socket.destroy();
    });
    const backend = new BarrageBackend({ url });
    expect(await backend.publish('a', 'x')).toMatchObject({ offset: 1, replayed: true });
    expect([keys.length, new Set(keys).size, keys[0]]).toEqual([4, 1, expect.stringMatching(/^"[\w-]{36}"$/)]);
    expect(await failureOf(backend.send(1, 'x'))).toMatchObject({ code: 'network', published: 'unknown', attempts: 1 });
    expect(await failureOf(backend.publish('a', 'x', { idempotencyKey: null }))).toMatchObject({ published: 'unknown', attempts: 1 });
    expect(keys).toHaveLength(6);
  });

  test('a publisher that is away is asked until the end of the call, also for a send', async () => {
    const backend = new BarrageBackend({ url: urlOf(await freePort()), timeoutMs: 500 });
    for (const call of [() => backend.publish('a', 'x'), () => backend.send(1, 'x')]) {
      const error = await failureOf(call());
      expect(error).toMatchObject({ code: 'network', published: 'no', retry: true });
      expect(error.attempts).toBeGreaterThan(1);
    }
  });

  test('an answer that does not come ends the request, and then the call', async () => {
    let requests = 0;
    const url = await scripted(() => requests++);
    const backend = new BarrageBackend({ url, requestTimeoutMs: 100, timeoutMs: 1_000 });
    const error = await failureOf(backend.publish('a', 'x'));
    expect(error).toMatchObject({ code: 'timeout', published: 'unknown', retry: true, attempts: requests });
    expect(requests).toBeGreaterThan(1);
  });

  test('a redirect takes the key nowhere', async () => {
    const asked: unknown[] = [];
    const url = await scripted((request, response) => {
      asked.push(request.url);
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    expect(await failureOf(new BarrageBackend({ url: `${url}/api/`, apiKey }).publish('a', 'x'))).toMatchObject({
      code: 'http',
      status: 307,
    });
    expect(asked).toEqual(['/api/v1/mesh/publish']);
  });
});

test('calls one after another find a connection that is kept', async () => {
  const sockets = new Set<unknown>();
  const url = await scripted((request, response) => {
    sockets.add(request.socket);
    response.end('{"E":null,"r":{"s":0,"f":0,"epoch":"e","offset":1}}');
  });
  const backend = new BarrageBackend({ url });
  for (let each = 0; each < 50; each++) await backend.publish('a', 'x');
  // An answer may be read before its connection is free again.
  expect(sockets.size).toBeLessThan(10);
});

describe('signals', () => {
  test('a call is rejected with the signal’s reason, before it begins and on its way', async () => {
    const url = await scripted(() => {});
    const backend = new BarrageBackend({ url });
    await expect(backend.publish('a', 'x', { signal: AbortSignal.abort('before') })).rejects.toBe('before');
    const caller = new AbortController();
    const call = backend.publish('a', 'x', { signal: caller.signal });
    setTimeout(() => caller.abort('on its way'), 50);
    await expect(call).rejects.toBe('on its way');
  });
});

describe('bounds', () => {
  test('no more requests than allowed are under way, and no more calls than allowed wait', async () => {
    const held: (() => void)[] = [];
    const url = await scripted((_request, response) => {
      held.push(() => response.end('{"E":null,"r":{"s":0,"f":0,"epoch":"e","offset":1}}'));
    });
    const backend = new BarrageBackend({ url, requestsMax: 3, requestTimeoutMs: 600_000, timeoutMs: 600_000 });
    const caller = new AbortController();
    const calls = Array.from({ length: callsMax }, () => backend.publish('a', 'x', { signal: caller.signal }));
    const ended = Promise.allSettled(calls);
    expect(await failureOf(backend.publish('a', 'x'))).toMatchObject({ code: 'too_many_calls', published: 'no', retry: true });
    await expect.poll(() => held.length).toBe(3);
    for (const answer of held.splice(0)) answer();
    await Promise.all(calls.slice(0, 3));
    await expect.poll(() => held.length).toBe(3);
    // There is room again for those that ended.
    const another = backend.publish('a', 'x', { signal: caller.signal });
    caller.abort('enough');
    await expect(another).rejects.toBe('enough');
    expect((await ended).filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(held).toHaveLength(3);
  });

  test('a call that gets no turn in time was not sent', async () => {
    const url = await scripted(() => {});
    const backend = new BarrageBackend({ url, requestsMax: 1, timeoutMs: 5_000 });
    const caller = new AbortController();
    const first = backend.publish('a', 'x', { signal: caller.signal });
    expect(await failureOf(backend.publish('a', 'x', { timeoutMs: 50 }))).toMatchObject({ code: 'timeout', published: 'no', attempts: 1 });
    caller.abort('enough');
    await expect(first).rejects.toBe('enough');
  });

  test('bodies of all calls are bounded together', async () => {
    const url = await scripted(() => {});
    const backend = new BarrageBackend({ url });
    const caller = new AbortController();
    const ended: Promise<unknown>[] = [];
    const one = 'x'.repeat(16 * 1_048_576);
    for (let bytes = 0; bytes + one.length < bodyBytesMax; bytes += one.length)
      ended.push(backend.publish('a', one, { signal: caller.signal }).catch(() => {}));
    expect(ended).toHaveLength(7);
    expect(await failureOf(backend.publish('a', one))).toMatchObject({ code: 'too_many_calls' });
    caller.abort();
    await Promise.all(ended);
  });
});

test.each([
  [{ url: 'localhost:6789' }, /url: must begin with http/],
  [{ url: undefined as unknown as string }, /url: must be the address of a publisher/],
  [{ url: 'no address' }, /url: must be the address of a publisher/],
  [{ url: 'nowhere' }, /url: must be the address of a publisher/],
  [{ url: 'http://user:password@localhost' }, /give the key as apiKey/],
  [{ url: 'http://localhost/?a=1' }, /no query/],
  [{ url: 'http://localhost', apiKey: 'short' }, /apiKey: must be 16 to 256/],
  [{ url: 'http://localhost', apiKey: 'a key of sixteen characters' }, /without spaces/],
  [{ url: 'http://localhost', timeoutMs: 0 }, /timeoutMs: must be a whole number from 1 to 600000/],
  [{ url: 'http://localhost', requestTimeoutMs: 600_001 }, /requestTimeoutMs/],
  [{ url: 'http://localhost', requestsMax: 1_001 }, /requestsMax: must be a whole number from 1 to 1000/],
])('options that can’t be used: %j', (options, message) => {
  expect(() => new BarrageBackend(options)).toThrow(message);
});

test.each([
  [undefined, {}, /data: must be/],
  [new Uint16Array(1), {}, /bytes must be a Uint8Array/],
  [12, {}, /data: must be/],
  ['x', { idempotencyKey: 'two words' }, /idempotencyKey: must be/],
  ['x', { idempotencyKey: 'x'.repeat(129) }, /idempotencyKey: must be/],
  ['x', { traceparent: 'two\nlines' }, TypeError],
  ['x', { timeoutMs: -1 }, /timeoutMs/],
])('a call that can’t be made is an error of the caller’s: %j %j', async (data, options, message) => {
  const backend = new BarrageBackend({ url: 'http://127.0.0.1:9' });
  const error: unknown = await backend.publish('a', data as string, options).catch((reason: unknown) => reason);
  expect(error).not.toBeInstanceOf(BarrageBackendError);
  expect(() => {
    throw error;
  }).toThrow(message);
});

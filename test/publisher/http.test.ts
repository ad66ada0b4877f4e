import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../support/fake-clock.ts';
import { BusUnavailable } from '../../core/bus/bus.ts';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { limits } from '../../core/limits.ts';
import { publisherBounds } from '../../publisher/bounds.ts';
import { Rig, StandInGateway, faultyCalls, faultyLog, type Answer } from './rig.ts';

/** For what takes milliseconds: how long a busy machine may make it. */
const soon = { timeout: 15_000 };

const clientOfGatewayOne = 2 ** 40 + 7;

/** Code and message of an answer that refuses; such an answer has no `r`. */
function refusalOf(answer: Answer): { readonly status: number; readonly c: number; readonly m: string } {
  expect(Object.keys(answer.body)).toEqual(['E']);
  expect(Object.keys(answer.body.E ?? {})).toEqual(['c', 'm']);
  return { status: answer.status, c: answer.body.E?.c ?? 0, m: answer.body.E?.m ?? '' };
}

describe('POST /v1/mesh/publish', () => {
  test('answers s, f, offset and epoch, and the log has what was published', async () => {
    const fixed = new FakeClock();
    await using rig = await Rig.start({ clock: fixed });
    rig.gateway.counts.set('video:1', { ready: 9, full: 2 });
    const log = await rig.logOf('video:1');
    const first = await rig.publish({ c: 'video:1', d: '{"text":"你好"}' });
    expect(first.status).toBe(200);
    expect(first.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(first.body).toEqual({ E: null, r: { s: 9, f: 2, offset: 1, epoch: expect.stringMatching(/./) } });
    const second = await rig.publish({ c: 'video:1', t: 'binary', d: 'AP8=', priority: 'high', ttlMs: 500 });
    expect(second.body.r).toEqual({ ...first.body.r, offset: 2 });
    expect(log).toMatchObject([
      { kind: 'text', priority: 'normal', ttlMs: 0, acceptedAt: fixed.wall(), sender: undefined },
      { kind: 'binary', priority: 'high', ttlMs: 500, acceptedAt: fixed.wall() },
    ]);
    expect(log.map(({ payload }) => payload.toString('latin1'))).toEqual([Buffer.from('{"text":"你好"}').toString('latin1'), '\0\xff']);
    expect(await rig.metric('barrage_publisher_publications_total', { result: 'accepted' })).toBe(2);
  });

  test('nobody there is no error', async () => {
    await using rig = await Rig.start();
    expect((await rig.publish({ c: 'video:nobody', d: '' })).body).toMatchObject({ E: null, r: { s: 0, f: 0 } });
  });

  test('conflation and the trace context of the request travel with the publication', async () => {
    await using rig = await Rig.start();
    const log = await rig.logOf('video:1');
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await rig.post('/v1/mesh/publish', { c: 'video:1', d: 'x', conflateKey: 'like', conflate: 'Sum', count: 3 }, { traceparent });
    await rig.post('/v1/mesh/publish', { c: 'video:1', d: 'x', conflateKey: 'price' }, { traceparent: 'no such thing' });
    // Nobody records it: it needs no bytes on the bus.
    await rig.post('/v1/mesh/publish', { c: 'video:1', d: 'x' }, { traceparent: traceparent.replace(/01$/, '00') });
    expect(log).toMatchObject([
      { conflation: { key: 'like', mode: 'Sum', count: 3 }, traceparent },
      { conflation: { key: 'price', mode: 'Latest', count: 1 }, traceparent: undefined },
      { conflation: undefined, traceparent: undefined },
    ]);
  });

  test('wait=delivered adds up what the gateways did, and names who did not answer', async () => {
    await using rig = await Rig.start();
    rig.gateway.reply = () => ({ kind: 'delivered', delivered: 7, dropped: { budget: 2, slow: 1 }, pending: 4 });
    const answer = await rig.post('/v1/mesh/publish?wait=delivered', { c: 'video:1', d: 'x' });
    expect(answer.body.r).toEqual({
      s: 7,
      f: 3,
      offset: 1,
      epoch: expect.any(String),
      dropped: { budget: 2, slow: 1 },
      pending: 4,
      unanswered: [],
    });
    expect(rig.gateway.requests).toEqual([{ method: 'delivered', channel: 'video:1', epoch: answer.body.r?.['epoch'], offset: 1 }]);
    rig.gateway.reply = () => new Promise(() => undefined);
    const late = await rig.post('/v1/mesh/publish?wait=delivered&waitMs=20', { c: 'video:1', d: 'x' });
    expect(late.body.r).toMatchObject({ s: 0, f: 0, offset: 2, pending: 0, unanswered: ['gateway-one'] });
  });

  test('wait=delivered counts over all gateways, and one that fails is named like one that is silent', async () => {
    await using rig = await Rig.start();
    const [two, three] = [new StandInGateway('gateway-two'), new StandInGateway('gateway-three')];
    await rig.bus.calls.serve(two);
    await rig.bus.calls.serve(three);
    rig.gateway.reply = () => ({ kind: 'delivered', delivered: 7, dropped: { budget: 2 }, pending: 0 });
    two.reply = () => ({ kind: 'delivered', delivered: 3, dropped: { budget: 1, expired: 1 }, pending: 2 });
    three.reply = () => ({ kind: 'failed', reason: 'out of order' });
    const answer = await rig.publish({ c: 'video:1', d: 'x', wait: 'delivered' });
    expect(answer.body.r).toMatchObject({
      s: 10,
      f: 4,
      dropped: { budget: 3, expired: 1 },
      pending: 2,
      unanswered: ['a gateway: out of order'],
    });
  });

  test('a bus that goes away while the results are gathered does not turn an accepted publication into an error', async () => {
    const bus = createMemoryBus();
    await using rig = await Rig.start({
      bus: { ...bus, calls: faultyCalls(bus, { callAll: () => Promise.reject(new BusUnavailable('gone')) }) },
    });
    const answer = await rig.post('/v1/mesh/publish?wait=delivered', { c: 'video:1', d: 'x' });
    expect(answer.body).toMatchObject({ E: null, r: { offset: 1, unanswered: ['every gateway: the bus is unavailable'] } });
  });

  test('without the bus the answer is a temporary error that invites to repeat', async () => {
    await using rig = await Rig.start();
    await rig.bus.close();
    const answers = [await rig.publish({ c: 'video:1', d: 'x' }), await rig.send({ c: clientOfGatewayOne, d: 'x' })];
    expect(answers.map(({ headers }) => headers['retry-after'])).toEqual(['1', '1']);
    expect(answers.map(({ body }) => body.E)).toEqual([
      {
        c: 503,
        m: 'temporarily unavailable: the bus cannot be reached. It was not published; repeat it after 1 s',
        published: 'no',
      },
      { c: 503, m: 'temporarily unavailable: the bus cannot be reached. Repeat the request after 1 s' },
    ]);
    expect(await rig.metric('barrage_publisher_publications_total', { result: 'unavailable' })).toBe(1);
  });

  test('a failure nobody thought of is an answer too', async () => {
    const bus = createMemoryBus();
    await using rig = await Rig.start({ bus: { ...bus, log: faultyLog(bus, () => Promise.reject(new Error('secret detail'))) } });
    expect(refusalOf(await rig.publish({ c: 'video:1', d: 'x' }))).toEqual({
      status: 500,
      c: 500,
      m: 'internal error; the publisher logged it',
    });
  });
});

describe('limits', () => {
  test('a payload is taken at the bound of its channel, and not one byte beyond; base64 is measured decoded', async () => {
    await using rig = await Rig.start({ channels: [{ channel: 'small:*', limits: { payloadBytesMax: 6 } }] });
    expect((await rig.publish({ c: 'small:1', d: '123456' })).status).toBe(200);
    expect((await rig.publish({ c: 'small:1', d: '你好' })).status).toBe(200);
    expect((await rig.publish({ c: 'small:1', d: Buffer.alloc(6).toString('base64'), t: 'binary' })).status).toBe(200);
    expect(refusalOf(await rig.publish({ c: 'small:1', d: '1234567' }))).toEqual({
      status: 413,
      c: 504,
      m: 'd: 7 bytes are more than the 6 that channel "small:1" takes',
    });
    expect(refusalOf(await rig.publish({ c: 'small:1', d: '你好!' })).c).toBe(504);
    expect((await rig.publish({ c: 'other:1', d: 'x'.repeat(65_536) })).status).toBe(200);
    expect((await rig.publish({ c: 'other:1', d: 'x'.repeat(65_537) })).status).toBe(413);
    expect(await rig.metric('barrage_publisher_publications_total', { result: 'too_large' })).toBe(3);
  });

  test('a body is read to its bound, and one byte beyond is refused, with and without a Content-Length', async () => {
    await using rig = await Rig.start({ channels: [{ channel: 'large:*', limits: { payloadBytesMax: limits.payloadBytesMax } }] });
    const body = (bytes: number) => {
      const head = '{"c":"large:1","d":"x"';
      return Buffer.from(`${head}${' '.repeat(bytes - head.length - 1)}}`);
    };
    const chunked = { 'transfer-encoding': 'chunked' };
    for (const headers of [{}, chunked]) {
      expect((await rig.post('/v1/mesh/publish', body(limits.requestBytesMax), headers)).status).toBe(200);
      const refused = await rig.post('/v1/mesh/publish', body(limits.requestBytesMax + 1), headers);
      expect(refusalOf(refused)).toMatchObject({ status: 413, c: 504, m: expect.stringContaining('2 MiB') });
      expect(refused.headers.connection).toBe('close');
    }
    expect((await rig.publish({ c: 'large:1', d: 'x'.repeat(limits.payloadBytesMax) })).status).toBe(200);
    expect((await rig.publish({ c: 'large:1', d: 'x'.repeat(limits.payloadBytesMax + 1) })).status).toBe(413);
  });

  test('who sends twelve megabytes before it reads gets to read why not', async () => {
    await using rig = await Rig.start();
    const body = Buffer.alloc(12_000_000, 0x20);
    const socket = await rig.raw();
    socket.pause();
    socket.write(
      `POST /v1/mesh/publish HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    await new Promise((resolve) => socket.write(body, resolve));
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1\.1 413 .*"c":504/s);
  });

  test('a body that says it is endless is answered and cut off', async () => {
    await using rig = await Rig.start();
    const socket = await rig.raw();
    socket.write(
      'POST /v1/mesh/publish HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n',
    );
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
    const filler = Buffer.alloc(1_000_000);
    const writing = setInterval(() => socket.writable && socket.write(filler), 5);
    await once(socket, 'close');
    clearInterval(writing);
  });

  test('publications a second are bounded for each channel by its policy, with the time to wait', async () => {
    const clock = new FakeClock();
    await using rig = await Rig.start({
      channels: [{ channel: 'video:*', limits: { publicationsPerSecond: 2 } }],
      clock,
    });
    const publish = (channel: string) => rig.publish({ c: channel, d: 'x' });
    expect((await publish('video:1')).status).toBe(200);
    expect((await publish('video:1')).status).toBe(200);
    const refused = await publish('video:1');
    expect(refusalOf(refused)).toEqual({ status: 429, c: 502, m: 'channel "video:1" takes 2 publications a second; the next in 500 ms' });
    expect(refused.headers['retry-after']).toBe('1');
    expect((await publish('video:2')).status).toBe(200);
    clock.time += 500;
    expect((await publish('video:1')).status).toBe(200);
    expect(await rig.metric('barrage_publisher_publications_total', { result: 'rate_limited' })).toBe(1);
  });
});

describe('bad input', () => {
  test.each([
    ['nothing', '', 'not JSON'],
    ['no JSON', 'hello', 'not JSON'],
    ['a list', '[]', 'not a JSON object'],
    ['a string', '"x"', 'not a JSON object'],
    ['a number', '5', 'not a JSON object'],
    ['JSON cut short', '{"c":"a"', 'not JSON'],
    ['two documents', '{}{}', 'not JSON'],
    ['JSON a million brackets deep', '['.repeat(1_000_000), 'nested deeper than 16'],
    ['valid JSON one level too deep', `{"c":${'['.repeat(16)}${']'.repeat(16)}}`, 'nested deeper than 16'],
    ['a lone surrogate', '{"c":"a","d":"\\ud800"}', 'lone surrogate'],
    ['a number for d', '{"c":"a","d":12345678901234567890}', 'd: must be a string'],
    ['a ttl beyond 2^53', '{"c":"a","d":"","ttlMs":9007199254740993}', 'ttlMs: must be an integer'],
    ['a ttl beyond all numbers', '{"c":"a","d":"","ttlMs":1e999}', 'ttlMs: must be an integer'],
  ])('%s is 101', async (_, body, words) => {
    await using rig = await Rig.start();
    expect(refusalOf(await rig.post('/v1/mesh/publish', Buffer.from(body)))).toMatchObject({
      status: 400,
      c: 101,
      m: expect.stringContaining(words),
    });
    expect(await rig.metric('barrage_publisher_publications_total', { result: 'invalid' })).toBe(1);
  });

  test('bytes that are not UTF-8 are 101 and never replaced', async () => {
    await using rig = await Rig.start();
    for (const byte of [0xff, 0xc0, 0xed]) {
      const body = Buffer.concat([Buffer.from('{"c":"a","d":"'), Buffer.from([byte, 0xa0, 0x80]), Buffer.from('"}')]);
      expect(refusalOf(await rig.post('/v1/mesh/publish', body))).toEqual({ status: 400, c: 101, m: 'the body is not UTF-8' });
    }
  });

  test('an unknown field or query parameter is named', async () => {
    await using rig = await Rig.start();
    expect(refusalOf(await rig.publish({ c: 'a', d: '', prio: 'high' })).m).toBe('unknown field "prio"');
    expect(refusalOf(await rig.post('/v1/mesh/publish?wiat=delivered', { c: 'a', d: '' })).m).toContain('"wiat"');
    expect(refusalOf(await rig.post('/v1/mesh/send?wait=delivered', { c: 5, d: '' })).m).toContain('"wait"');
    expect(refusalOf(await rig.send({ c: 5, d: '', priority: 'high' })).m).toBe('unknown field "priority"');
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=gbk', 'application/jsonp', undefined])(
    'content-type %s is 415',
    async (type) => {
      await using rig = await Rig.start();
      expect(refusalOf(await rig.post('/v1/mesh/publish', { c: 'a', d: '' }, { 'content-type': type }))).toMatchObject({
        status: 415,
        c: 101,
      });
    },
  );

  test('charset=utf-8 is welcome, a compressed body is 415', async () => {
    await using rig = await Rig.start();
    const body = { c: 'a', d: '' };
    expect((await rig.post('/v1/mesh/publish', body, { 'content-type': 'Application/JSON; charset="UTF-8"' })).status).toBe(200);
    expect((await rig.post('/v1/mesh/publish', body, { 'content-encoding': 'gzip' })).status).toBe(415);
  });

  test.each(['GET', 'PUT', 'DELETE', 'OPTIONS'])('%s is 405 and says what is allowed', async (method) => {
    await using rig = await Rig.start();
    const answer = await rig.ask(method, '/v1/mesh/publish');
    expect(refusalOf(answer)).toEqual({ status: 405, c: 505, m: 'use POST' });
    expect(answer.headers.allow).toBe('POST');
  });

  test.each(['/', '/v1/mesh/publish/', '/v1/mesh/broadcast', '//v1/mesh/publish', '/v1/mesh/%70ublish', '/ws/v1'])(
    '%s is 404',
    async (path) => {
      await using rig = await Rig.start();
      expect(refusalOf(await rig.post(path, {}))).toMatchObject({ status: 404, c: 505 });
    },
  );

  test('a body and headers that trickle are cut off in time, and nobody else waits for them', async () => {
    await using rig = await Rig.start({ requestMs: 300 });
    const head = 'POST /v1/mesh/publish HTTP/1.1\r\nhost: localhost\r\n';
    const cutOff = async (start: string, drop: string): Promise<string> => {
      const socket = await rig.raw();
      let answer = '';
      socket.on('data', (data) => (answer += data.toString()));
      socket.write(start);
      const dropping = setInterval(() => socket.writable && socket.write(drop), 10);
      await new Promise((resolve) => socket.once('close', resolve));
      clearInterval(dropping);
      return answer;
    };
    const trickling = [cutOff(head, 'x: y\r\n'), cutOff(`${head}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{`, ' ')];
    expect((await rig.publish({ c: 'video:1', d: 'x' })).status).toBe(200);
    for (const answer of await Promise.all(trickling)) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('bytes of unfinished requests are bounded for the process, and leave with their senders', async () => {
    await using rig = await Rig.start();
    const inFlight = () => rig.metric('barrage_publisher_request_bytes');
    const senders: Socket[] = [];
    const bytes = publisherBounds.requestBytesInFlightMax / limits.requestBytesMax;
    const unfinished = Buffer.alloc(limits.requestBytesMax - 1, 0x20);
    for (let sender = 0; sender < bytes; sender++) {
      const socket = await rig.raw();
      senders.push(socket);
      socket.write(
        `POST /v1/mesh/publish HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${limits.requestBytesMax}\r\n\r\n`,
      );
      socket.write(unfinished);
    }
    await expect.poll(inFlight, soon).toBe(bytes * unfinished.length);
    const refused = await rig.publish({ c: 'video:1', d: 'x'.repeat(bytes) });
    expect(refusalOf(refused)).toMatchObject({ status: 429, c: 502 });
    const connection = await rig.connect();
    expect((await connection.ask({ m: 'mesh.publish', p: { c: 'video:1', d: 'x'.repeat(bytes) }, i: 1 })).E?.c).toBe(502);
    for (const socket of senders) socket.destroy();
    await expect.poll(inFlight, soon).toBe(0);
    expect((await rig.publish({ c: 'video:1', d: 'x' })).status).toBe(200);
    expect((await rig.publish({ c: 'video:1' })).status).toBe(400);
    expect((await rig.post('/v1/mesh/publish', Buffer.alloc(limits.requestBytesMax + 1), { 'transfer-encoding': 'chunked' })).status).toBe(
      413,
    );
    expect((await connection.ask({ m: 'mesh.publish', p: { c: 'video:1', d: 'x' }, i: 1 })).E).toBe(null);
    expect(await inFlight()).toBe(0);
  });
});

describe('POST /v1/mesh/send', () => {
  test.each([
    ['a number', clientOfGatewayOne],
    ['a string', String(clientOfGatewayOne)],
  ])('a client id may be %s', async (_, client) => {
    await using rig = await Rig.start();
    expect((await rig.send({ c: client, d: '你好' })).body).toEqual({ E: null, r: { s: true } });
    expect(rig.gateway.requests).toEqual([
      { method: 'send', client: clientOfGatewayOne, kind: 'text', payload: Buffer.from('你好').toString('base64') },
    ]);
  });

  test.each([
    ['a channel name (the PHP client’s meshPublish)', 'video:1'],
    ['an id of CONNMIX beyond 2^53, as a string', '1463786910324359168'],
    ['an id beyond 2^53, as a number', 2 ** 60],
    ['no integer', 1.5],
    ['zero', 0],
    ['a negative number', -5],
    ['an id of no gateway', 5],
    ['nothing', ''],
  ])('%s is no client id: 401', async (_, client) => {
    await using rig = await Rig.start();
    expect(refusalOf(await rig.send({ c: client, d: '' }))).toMatchObject({
      status: 404,
      c: 401,
      m: expect.stringContaining('not a client id'),
    });
    expect(rig.gateway.requests).toEqual([]);
  });

  test('a client that is not there is 401 with the gateway’s reason, and so is a gateway that is not there', async () => {
    await using rig = await Rig.start();
    rig.gateway.reply = () => ({ kind: 'failed', reason: 'that client is not connected' });
    expect(refusalOf(await rig.send({ c: clientOfGatewayOne, d: '' }))).toEqual({ status: 404, c: 401, m: 'that client is not connected' });
    expect(refusalOf(await rig.send({ c: 5 * 2 ** 40 + 1, d: '' }))).toMatchObject({
      status: 404,
      c: 401,
      m: expect.stringContaining('is gone'),
    });
  });

  test('a payload is taken at the bound, and not one byte beyond', async () => {
    await using rig = await Rig.start();
    expect((await rig.send({ c: clientOfGatewayOne, d: 'x'.repeat(publisherBounds.directBytesMax) })).status).toBe(200);
    expect(refusalOf(await rig.send({ c: clientOfGatewayOne, d: 'x'.repeat(publisherBounds.directBytesMax + 1) })).c).toBe(504);
  });

  test.each([[{ d: '' }], [{ c: null, d: '' }], [{ c: 5 }], [{ c: 5, d: 5 }], [{ c: ['5'], d: '' }]])('%j is 101', async (body) => {
    await using rig = await Rig.start();
    expect(refusalOf(await rig.send(body))).toMatchObject({ status: 400, c: 101 });
  });
});

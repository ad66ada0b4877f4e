import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { closeCodes } from '../../../core/close-codes.ts';
import { limits } from '../../../core/limits.ts';
import { Random } from '../../simulation/random.ts';
import { clientFrame, rawSocket, rawWebSocket, readToEnd, upgradeRequest, written } from '../../support/raw-socket.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { TestClient, V1Client, refusedUpgrade, until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 30_000 });

/** A reader whose channel must go on as if nothing had happened: call what is returned at the end. */
async function bystander(barrage: TestStandalone): Promise<() => Promise<void>> {
  const reader = await barrage.v1();
  await reader.subscribe('video:bystander');
  let published = 0;
  let isOver = false;
  const publishing = (async () => {
    while (!isOver) await barrage.publish('video:bystander', String(++published));
  })();
  publishing.catch(() => {});
  onTestFinished(() => {
    isOver = true;
  });
  return async () => {
    isOver = true;
    await publishing;
    await barrage.publish('video:bystander', String(++published));
    await until(() => reader.items('video:bystander').length === published);
    expect(reader.items('video:bystander').map(({ data }) => Number(data))).toEqual(
      Array.from({ length: published }, (_, index) => index + 1),
    );
    expect(reader.closing).toBeUndefined();
  };
}

function closedMetric(barrage: TestStandalone, { code }: { readonly code: number }): Promise<number> {
  return barrage.metric('barrage_gateway_connections_closed_total', `code="${code}"`);
}

test('a frame at its limit is read, one byte more closes that connection as too large', async () => {
  const barrage = await TestStandalone.start();
  const unharmed = await bystander(barrage);
  const client = await barrage.v1();
  client.send('{"id":1,"op":"ping"}'.padEnd(limits.clientFrameBytesMax));
  await until(() => client.messages.some(({ type }) => type === 'reply'));
  client.send('{"id":2,"op":"ping"}'.padEnd(limits.clientFrameBytesMax + 1));
  expect(await client.closed()).toEqual({ code: 1009, reason: `a message may have at most ${limits.clientFrameBytesMax} bytes` });
  expect(await closedMetric(barrage, { code: 1009 })).toBe(1);
  await unharmed();
});

test('fragments count together, and too many of them end the connection', async () => {
  const barrage = await TestStandalone.start();
  const tooLong = await rawWebSocket(barrage.port);
  const part = Buffer.alloc(40_000, 0x20);
  tooLong.write(Buffer.concat([clientFrame('text', part, { isFinal: false }), clientFrame('continuation', part)]));
  expect((await readToEnd(tooLong)).readUInt16BE(2)).toBe(1009);
  const tooMany = await rawWebSocket(barrage.port);
  const crumb = clientFrame('continuation', ' ', { isFinal: false });
  tooMany.write(Buffer.concat([clientFrame('text', ' ', { isFinal: false }), ...Array.from({ length: 20_000 }, () => crumb)]));
  expect((await readToEnd(tooMany)).readUInt16BE(2)).toBe(1008);
  await until(async () => (await barrage.metric('barrage_gateway_connections')) === 0);
});

test('text that is not UTF-8 closes that connection with 1007', async () => {
  const barrage = await TestStandalone.start();
  const unharmed = await bystander(barrage);
  for (const open of [() => barrage.plain(), () => barrage.v1()]) {
    const client = await open();
    client.socket.send(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), { binary: false });
    expect(await client.closed()).toEqual({ code: 1007, reason: 'a text message must be UTF-8' });
  }
  expect(await closedMetric(barrage, { code: 1007 })).toBe(2);
  await unharmed();
});

test('frames that break RFC 6455 close that connection with 1002', async () => {
  const barrage = await TestStandalone.start();
  const unharmed = await bystander(barrage);
  const broken: readonly Buffer[] = [
    Buffer.from([0x81, 0x02, 0x7b, 0x7d]),
    Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
    Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
    clientFrame('continuation', 'x'),
    clientFrame('ping', Buffer.alloc(126)),
    Buffer.concat([Buffer.from([0x81, 0xff]), Buffer.alloc(8, 0xff)]),
  ];
  for (const bytes of broken) {
    const socket = await rawWebSocket(barrage.port);
    socket.write(bytes);
    const answer = await readToEnd(socket);
    expect([answer.readUInt8(0), answer.readUInt16BE(2)]).toEqual([0x88, bytes === broken.at(-1) ? 1009 : 1002]);
  }
  expect(await closedMetric(barrage, { code: 1002 })).toBe(broken.length - 1);
  await unharmed();
});

test('a channel name at its limit is taken, one byte more is refused', async () => {
  const barrage = await TestStandalone.start();
  const [v1, plain] = [await barrage.v1(), await barrage.plain()];
  const name = `video:${'x'.repeat(limits.channelNameBytesMax - 6)}`;
  expect((await v1.command('subscribe', { channel: name })).error).toBeUndefined();
  expect((await v1.command('subscribe', { channel: `${name}x` })).error).toMatchObject({ code: 'bad_request', message: /253 bytes/ });
  expect(await plain.ask({ op: 'subscribe', channel: `${name.slice(6)}@video` })).toBe('{"result":true}');
  plain.send({ op: 'subscribe', channel: `x${name.slice(6)}@video` });
  expect((await plain.closed()).code).toBe(closeCodes.badCommand.code);
});

test('JSON at the depth limit is read, one deeper closes that connection', async () => {
  const barrage = await TestStandalone.start();
  const nested = (depth: number): string => `{"id":1,"op":"ping","x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
  const client = await barrage.v1();
  client.send(nested(limits.jsonDepthMax));
  await until(() =>
    client.messages.some((message) => message.type === 'reply' && 'error' in message && message.error.code === 'bad_request'),
  );
  client.send(nested(limits.jsonDepthMax + 1));
  expect((await client.closed()).code).toBe(closeCodes.badCommand.code);
  const deep = await barrage.plain();
  deep.send('['.repeat(60_000));
  expect((await deep.closed()).code).toBe(closeCodes.badCommand.code);
  expect(await barrage.metric('barrage_gateway_commands_total', 'result="bad"')).toBe(2);
});

test('an unknown op, an unknown field and numbers beyond 2^53 get an error, and the connection stays', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.v1();
  expect((await client.command('shout')).error).toMatchObject({ code: 'unknown_op', retry: false });
  expect((await client.command('ping', { loud: true })).error).toMatchObject({ code: 'bad_request', message: /loud/ });
  const since = { epoch: 'e', offset: 9_007_199_254_740_992 };
  expect((await client.command('subscribe', { channel: 'c', since })).error?.code).toBe('bad_request');
  expect((await client.command('ping')).result).toEqual({ now: expect.any(Number) });
  expect(await barrage.metric('barrage_gateway_commands_total', 'result="refused"')).toBe(3);
  client.send('{"id":9007199254740993,"op":"ping"}');
  expect((await client.closed()).code).toBe(closeCodes.badCommand.code);
});

test('a million subscribes from one connection are cut off, and another client notices nothing', async () => {
  const barrage = await TestStandalone.start();
  const unharmed = await bystander(barrage);
  const socket = await rawWebSocket(barrage.port, 'barrage.v1');
  const said = readToEnd(socket);
  for (let sent = 0; sent < 1_000_000 && socket.writable;) {
    const frames = Array.from({ length: 10_000 }, () => clientFrame('text', `{"id":${sent},"op":"subscribe","channel":"c${sent++}"}`));
    await written(socket, Buffer.concat(frames));
  }
  const answers = (await said).toString('latin1');
  expect(answers).toContain(closeCodes.tooManyCommands.reason);
  expect(await closedMetric(barrage, closeCodes.tooManyCommands)).toBe(1);
  await until(async () => (await barrage.metric('barrage_gateway_connections')) === 1);
  expect(await barrage.metric('barrage_gateway_rooms')).toBe(1);
  await unharmed();
});

test('commands above the rate are refused with an id, and above twice the burst the connection is closed', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.v1();
  const codes = (code: string): number =>
    client.messages.filter((message) => message.type === 'reply' && 'error' in message && message.error.code === code).length;
  for (let id = 0; id < limits.commandsPerSecondMax + 60; id++) {
    client.send({ id, op: 'ping' });
    if (id % 30 === 29) await until(() => client.messages.filter(({ type }) => type === 'reply').length === id + 1);
  }
  await until(() => client.messages.filter(({ type }) => type === 'reply').length === limits.commandsPerSecondMax + 60);
  expect(codes('too_many_requests')).toBeGreaterThan(0);
  expect(await barrage.metric('barrage_gateway_commands_total', 'result="too_many"')).toBe(codes('too_many_requests'));
  const plain = await barrage.plain();
  for (let count = 0; count < 3 * limits.commandsPerSecondMax; count++) plain.send({ op: 'subscribe', channel: '1@video' });
  expect((await plain.closed()).code).toBe(closeCodes.tooManyCommands.code);
});

test('a client that resubscribes to all the channels it may have in one breath is served', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.v1();
  const channels = Array.from({ length: limits.subscriptionsPerConnectionMax }, (_, index) => `c${index}`);
  await Promise.all(channels.map((channel) => client.subscribe(channel)));
  expect(await barrage.metric('barrage_gateway_subscriptions')).toBe(channels.length);
});

test('128 subscriptions are taken, the 129th is refused, and after leaving one there is room again', async () => {
  const barrage = await TestStandalone.start();
  const [v1, plain] = [await barrage.v1(), await barrage.plain()];
  for (let index = 0; index < limits.subscriptionsPerConnectionMax; index++) {
    await v1.subscribe(`video:${index}`);
    expect(await plain.ask({ op: 'subscribe', channel: `${index}@video` })).toBe('{"result":true}');
  }
  expect((await v1.command('subscribe', { channel: 'video:128' })).error).toMatchObject({ code: 'limit_exceeded' });
  expect(JSON.parse(await plain.ask({ op: 'subscribe', channel: '128@video' }))).toEqual({ code: 1, msg: 'Too many subscriptions' });
  expect(await barrage.metric('barrage_gateway_rooms')).toBe(128);
  await v1.command('unsubscribe', { channel: 'video:0' });
  await v1.subscribe('video:128');
});

test('pings are answered, and a flood of them from one who reads nothing is cut off', async () => {
  const barrage = await TestStandalone.start();
  const unharmed = await bystander(barrage);
  const polite = await barrage.plain();
  polite.socket.ping('hello');
  const [data] = (await once(polite.socket, 'pong')) as [Buffer];
  expect(data.toString()).toBe('hello');
  const flood = await rawWebSocket(barrage.port);
  flood.pause();
  const pings = Buffer.concat(Array.from({ length: 1000 }, () => clientFrame('ping', Buffer.alloc(125))));
  for (let sent = 0; sent < 200 && flood.writable; sent++) await written(flood, pings);
  await until(async () => (await closedMetric(barrage, closeCodes.tooManyCommands)) === 1);
  await unharmed();
});

test('a gateway takes as many connections as it may, refuses the next with Retry-After, and takes one when one has left', async () => {
  const barrage = await TestStandalone.start({ BARRAGE_GATEWAY_CONNECTIONS_MAX: '3' });
  const clients = [await barrage.plain(), await barrage.v1(), await barrage.plain()];
  const refused = await refusedUpgrade(barrage.port);
  expect(refused.status).toBe(503);
  expect(Number(refused.retryAfter)).toBeGreaterThanOrEqual(1);
  expect(Number(refused.retryAfter)).toBeLessThanOrEqual(10);
  expect(await barrage.metric('barrage_gateway_connections_refused_total', 'reason="full"')).toBe(1);
  await clients[0]?.leave();
  await until(async () => (await barrage.metric('barrage_gateway_connections')) === 2);
  await barrage.plain();
});

test('a foreign Host or Origin is refused and counted, and the socket does not stay', async () => {
  const barrage = await TestStandalone.start();
  expect(await refusedUpgrade(barrage.port, { host: 'evil.example' })).toMatchObject({ status: 403, body: /BARRAGE_GATEWAY_HOST/ });
  expect(await refusedUpgrade(barrage.port, { origin: 'https://evil.example' })).toMatchObject({
    status: 403,
    body: /BARRAGE_GATEWAY_ORIGINS/,
  });
  const own = await TestClient.open(barrage.port, { headers: { origin: `http://127.0.0.1:${barrage.port}` } });
  onTestFinished(() => own.socket.terminate());
  // A page of a developer's own server.
  const neighbour = await TestClient.open(barrage.port, { headers: { origin: 'http://localhost:5173' } });
  onTestFinished(() => neighbour.socket.terminate());
  for (const reason of ['host', 'origin'])
    expect(await barrage.metric('barrage_gateway_connections_refused_total', `reason="${reason}"`)).toBe(1);
  const lingering = await rawSocket(barrage.port);
  lingering.write(`${upgradeRequest(barrage.port, ['Origin: https://evil.example'])}\r\n`);
  expect((await readToEnd(lingering)).toString()).toMatch(/^HTTP\/1.1 403 /);
  // A server that kept its side would take what is written now; one that is gone answers with a reset.
  await until(() => {
    lingering.write('x');
    return lingering.destroyed;
  });
});

test('what is no WebSocket request is answered by HTTP', async () => {
  const barrage = await TestStandalone.start();
  for (const [request, status] of [
    ['GARBAGE\r\n\r\n', 400],
    [upgradeRequest(barrage.port).replace('Version: 13', 'Version: 12').concat('\r\n'), 400],
    [upgradeRequest(barrage.port).replace('dGhl', 'x').concat('\r\n'), 400],
    // A body is no part of a handshake: the request is answered as any other.
    ...['Content-Length: 5', 'Transfer-Encoding: chunked'].map(
      (header) => [`${upgradeRequest(barrage.port, [header, 'Connection: close'])}\r\n5\r\nhello\r\n0\r\n\r\n`, 200] as const,
    ),
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`, undefined],
  ] as const) {
    const socket = await rawSocket(barrage.port);
    socket.write(request);
    const answer = (await readToEnd(socket)).toString();
    if (status !== undefined) expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  }
  expect(await (await barrage.v1()).command('ping')).toEqual({ result: { now: expect.any(Number) } });
});

test('ten thousand frames of garbage leave the gateway as it was', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  console.info(`seed ${seed}`);
  const random = new Random(seed);
  const barrage = await TestStandalone.start();
  const unharmed = await bystander(barrage);
  const words = [
    '{',
    '}',
    '"id":1',
    '"op":"subscribe"',
    '"channel":"a@b"',
    '[',
    ']',
    ',',
    ':',
    '\u0000',
    '弹',
    '"op":"auth"',
    'null',
    '1e999',
  ];
  const text = (): string => Array.from({ length: random.below(12) }, () => random.pick(words)).join('');
  const garbage = (): Buffer => {
    const bytes = Buffer.from(Array.from({ length: random.below(200) }, () => random.below(256)));
    switch (random.below(4)) {
      case 0:
        return bytes;
      case 1:
        return clientFrame(random.pick(['text', 'binary', 'continuation', 'ping', 'pong', 'close']), bytes.subarray(0, 120));
      case 2:
        return clientFrame('text', text());
      default:
        return clientFrame(
          'text',
          `{"id":${random.below(9)},"op":"${random.pick(['subscribe', 'counts', 'x'])}","channel":${JSON.stringify(text())}}`,
        );
    }
  };
  for (let round = 0; round < 10; round++) {
    const sockets = await Promise.all(
      Array.from({ length: 25 }, () => rawWebSocket(barrage.port, random.chance(0.5) ? 'barrage.v1' : undefined)),
    );
    for (const socket of sockets) {
      socket.resume();
      for (let count = 0; count < 40; count++) socket.write(garbage());
      socket.end();
    }
    await Promise.all(sockets.map((socket) => once(socket, 'close')));
  }
  await until(async () => (await barrage.metric('barrage_gateway_connections')) === 1);
  expect(await barrage.metric('barrage_gateway_rooms')).toBe(1);
  await unharmed();
  expect(await (await V1Client.open(barrage.port)).command('ping')).toEqual({ result: { now: expect.any(Number) } });
});

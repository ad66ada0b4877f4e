import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { isStreamRequest, readStreamCommands, readStreamQuery } from '../../../gateway/streams/stream-request.ts';

const secret = `${2 ** 40 + 7}.${'s'.repeat(22)}`;

function body(commands: unknown, stream: unknown = secret): string {
  return JSON.stringify({ stream, commands });
}

function ofQuery(query: string): unknown {
  const read = readStreamQuery(`/v1/stream?${query}`, undefined);
  return read.kind === 'read' ? read.value : read.message;
}

function pings(count: number): readonly object[] {
  return Array.from({ length: count }, (_, id) => ({ id, op: 'ping' }));
}

/** A command of exactly this many bytes of JSON. */
function commandOf(bytes: number): object {
  const empty = { id: 1, op: 'publish', channel: 'video:1', data: '' };
  return { ...empty, data: 'x'.repeat(bytes - JSON.stringify(empty).length) };
}

test('the path is that of streams alone', () => {
  expect(['/v1/stream', '/v1/stream?channel=a', '/v1/streams', '/v1/stream/x', '/', undefined].map(isStreamRequest)).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test('a query names channels, each once, and what is for all of them', () => {
  expect(ofQuery('channel=video:1&channel=user%3A7&channel=video:1&density=20&rewind=5&lastEventId=abc&sdk=0.1.0')).toEqual({
    channels: ['video:1', 'user:7'],
    density: 20,
    rewind: 5,
    lastEventId: 'abc',
    sdk: '0.1.0',
  });
  expect(ofQuery('')).toEqual({ channels: [], density: undefined, rewind: undefined, lastEventId: undefined, sdk: undefined });
  expect(readStreamQuery('/v1/stream?lastEventId=abc', 'def')).toMatchObject({ value: { lastEventId: 'def' } });
});

test.each([
  ['chanel=video:1', '"chanel" is not known here'],
  ['channel=', 'the channel name is empty'],
  ['channel=a%20b', 'no spaces'],
  ['channel=video:1&density=many', 'density: must be a number'],
  ['density=4', 'density: must be at least 5'],
  ['channel=video:1&density=', 'density: must be a number'],
  ['channel=video:1&density=1e2', 'density: must be a number'],
  ['channel=video:1&density=0x10', 'density: must be a number'],
  ['channel=video:1&rewind=0', 'rewind: must be at least 1'],
  ['channel=video:1&rewind=1.5', 'rewind: must be a whole number'],
  ['channel=video:1&rewind=3&rewind=4', 'rewind: give it once'],
])('the query %s is refused with what is wrong', (query, words) => {
  expect(ofQuery(query)).toContain(words);
});

test('as many channels as one query may have, and one more', () => {
  const channels = Array.from({ length: limits.streamChannelsMax + 1 }, (_, index) => `channel=video:${index}`);
  expect(ofQuery(channels.slice(1).join('&'))).toMatchObject({ density: undefined });
  expect(ofQuery(channels.join('&'))).toContain(`the query may have ${limits.streamChannelsMax}`);
});

test('commands are read with the gateway and the client that they are for', () => {
  expect(readStreamCommands(body([{ id: 1, op: 'ping' }]))).toEqual({
    kind: 'read',
    value: { gateway: 1, client: 2 ** 40 + 7, secret: 's'.repeat(22), commands: ['{"id":1,"op":"ping"}'] },
  });
  // What is only wrong is answered on the stream.
  expect(readStreamCommands(body([{ id: 1, op: 'sing' }]))).toMatchObject({ kind: 'read' });
});

test.each([
  ['not JSON', 'not JSON'],
  ['[]', 'not a JSON object'],
  ['{"commands":[]}', 'stream must be'],
  [body([{ id: 1, op: 'ping' }], 7), 'stream must be'],
  [body([{ id: 1, op: 'ping' }], '0.abc'), 'stream must be'],
  [body([{ id: 1, op: 'ping' }], `1.${'s'.repeat(65)}`), 'stream must be'],
  [body([]), 'commands must be a list'],
  [body({}), 'commands must be a list'],
  [body([{ op: 'ping' }]), 'commands[0]: id is missing'],
  [body([{ id: 1, op: 'ping' }, 'ping']), 'commands[1]: not a JSON object'],
  ['{"stream":"1.a","commands":[],"more":1}', '"more" is not known here'],
])('the body %s is refused with what is wrong', (text, words) => {
  expect(readStreamCommands(text)).toEqual({ kind: 'fault', message: expect.stringContaining(words) });
});

test('as many commands as one request may have, and one more; a command at its bound, and one byte more', () => {
  expect(readStreamCommands(body(pings(limits.streamCommandsMax)))).toMatchObject({ kind: 'read' });
  expect(readStreamCommands(body(pings(limits.streamCommandsMax + 1)))).toMatchObject({
    kind: 'fault',
    message: expect.stringContaining('129'),
  });
  expect(readStreamCommands(body([commandOf(limits.clientFrameBytesMax)]))).toMatchObject({ kind: 'read' });
  expect(readStreamCommands(body([commandOf(limits.clientFrameBytesMax + 1)]))).toMatchObject({
    message: expect.stringContaining('65537 bytes'),
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import type { Command } from '../../../core/protocol/barrage-v1.ts';
import { parseCommand } from '../../../gateway/commands/v1-command.ts';

const id = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const channel = fc.constantFrom('video:1', 'x', '弹幕:房间', 'c'.repeat(limits.channelNameBytesMax));
const density = fc.option(fc.double({ min: 5, max: 1_000_000, noNaN: true }), { nil: undefined });
const op = <Name extends string>(name: Name): fc.Arbitrary<Name> => fc.constant(name);

const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ id, op: op('auth'), token: fc.string({ maxLength: 200 }) }),
  fc.record(
    { id, op: op('subscribe'), channel, density, since: fc.record({ epoch: fc.string({ minLength: 1, maxLength: 64 }), offset: id }) },
    { requiredKeys: ['id', 'op', 'channel'] },
  ),
  fc.record({ id, op: op('unsubscribe'), channel }),
  fc.record({ id, op: op('density'), channel, density }, { requiredKeys: ['id', 'op', 'channel'] }),
  fc.record(
    {
      id,
      op: op('publish'),
      channel,
      data: fc.string({ unit: 'grapheme' }),
      kind: fc.constantFrom('text' as const, 'binary' as const),
      ttlMs: fc.integer({ min: 1, max: limits.ttlMsMax }),
      conflateKey: fc.string({ minLength: 1, maxLength: 40 }),
      conflate: fc.constantFrom('Latest' as const),
    },
    { requiredKeys: ['id', 'op', 'channel', 'data', 'conflateKey'] },
  ),
  fc.record(
    {
      id,
      op: op('publish'),
      channel,
      data: fc.string(),
      conflateKey: fc.constant('likes'),
      conflate: fc.constant('Sum' as const),
      count: fc.integer({ min: 1, max: 1000 }),
    },
    { requiredKeys: ['id', 'op', 'channel', 'data', 'conflateKey', 'conflate'] },
  ),
  fc.record({ id, op: op('publish'), channel, data: fc.string() }),
  fc.record({ id, op: op('counts'), channel }),
  fc.record({ id, op: op('ping') }),
);

test('every command is read as it was written', () => {
  fc.assert(
    fc.property(anyCommand, (command) => {
      const text = JSON.stringify(command);
      expect(parseCommand(text)).toEqual({ kind: 'command', command: JSON.parse(text) });
    }),
  );
});

test('no text makes it throw, and an error always has an id to answer to', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.anything().map((value) => {
      try {
        return JSON.stringify({ id: 1, op: 'subscribe', channel: value }) ?? '';
      } catch {
        return '';
      }
    }),
    anyCommand.chain((command) => {
      const text = JSON.stringify(command);
      return fc.nat({ max: text.length }).map((at) => text.slice(0, at));
    }),
  );
  fc.assert(
    fc.property(anything, (text) => {
      const parsed = parseCommand(text);
      if (parsed.kind === 'error') expect(Number.isSafeInteger(parsed.id) && parsed.error.message.length <= 500).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test('what has no id that fits into 2^53 can not be answered', () => {
  const ids = ['-1', '1.5', '"1"', 'null', '9007199254740992', '1e400', '{}'];
  for (const bad of ids)
    expect(parseCommand(`{"id":${bad},"op":"ping"}`)).toEqual({
      kind: 'garbage',
      reason: 'id must be a whole number from 0 to 2^53-1: send {"id":1,"op":"ping"}',
    });
  for (const [text, wrong] of [
    ['', 'not JSON'],
    ['{"id":1,"op":"ping"', 'not JSON'],
    ['[]', 'not a JSON object'],
    ['null', 'not a JSON object'],
    ['1', 'not a JSON object'],
    ['"ping"', 'not a JSON object'],
    ['{"op":"ping"}', 'id is missing: every command has one,'],
    ['['.repeat(20), 'JSON is nested deeper than 16'],
  ] as const) {
    const parsed = parseCommand(text);
    expect(parsed).toEqual({ kind: 'garbage', reason: expect.stringMatching(/send \{"id":1,"op":"ping"\}$/) });
    expect(parsed.kind === 'garbage' && parsed.reason.startsWith(wrong), text).toBe(true);
  }
  expect(parseCommand('{"id":9007199254740991,"op":"ping"}').kind).toBe('command');
});

test('an unknown op, names of the prototype among them, and an unknown field are named', () => {
  for (const name of ['PING', '', 'constructor', '__proto__', 'toString', 'hasOwnProperty'])
    expect(parseCommand(JSON.stringify({ id: 3, op: name }))).toMatchObject({ kind: 'error', id: 3, error: { code: 'unknown_op' } });
  expect(parseCommand('{"id":3}')).toMatchObject({ error: { code: 'unknown_op' } });
  expect(parseCommand('{"id":3,"op":"ping","extra":1}')).toMatchObject({
    error: { code: 'bad_request', message: 'unknown field "extra"' },
  });
  const missing = { code: 'bad_request', message: 'channel: is missing, and must be a text' };
  expect(parseCommand('{"id":3,"op":"counts"}')).toMatchObject({ error: missing });
});

test('each field is held to its bounds', () => {
  const bad: readonly object[] = [
    { op: 'subscribe', channel: 'c'.repeat(limits.channelNameBytesMax + 1) },
    { op: 'subscribe', channel: '' },
    { op: 'subscribe', channel: 'video:*' },
    { op: 'subscribe', channel: 7 },
    { op: 'subscribe', channel: 'c', density: 4.9 },
    { op: 'subscribe', channel: 'c', density: 1_000_001 },
    { op: 'subscribe', channel: 'c', since: { epoch: 'e', offset: 2 ** 53 } },
    { op: 'subscribe', channel: 'c', since: { epoch: 'e', offset: -1 } },
    { op: 'subscribe', channel: 'c', since: { epoch: '', offset: 1 } },
    { op: 'auth' },
    { op: 'auth', token: 'x'.repeat(16_385) },
    { op: 'publish', channel: 'c' },
    { op: 'publish', channel: 'c', data: '\ud800' },
    { op: 'publish', channel: 'c', data: '', ttlMs: limits.ttlMsMax + 1 },
    { op: 'publish', channel: 'c', data: '', ttlMs: 0 },
    { op: 'publish', channel: 'c', data: '', count: 1001 },
    { op: 'publish', channel: 'c', data: '', conflateKey: '' },
    { op: 'publish', channel: 'c', data: '', conflateKey: 'like\ud83d' },
    { op: 'publish', channel: 'c', data: '\udc4d' },
    { op: 'publish', channel: 'c', data: '', conflateKey: '弹'.repeat(43) },
    { op: 'publish', channel: 'c', data: '', priority: 'high' },
    { op: 'publish', channel: 'c', data: '', idempotencyKey: '' },
    { op: 'publish', channel: 'c', data: '', idempotencyKey: 'x'.repeat(129) },
  ];
  for (const fields of bad)
    expect(parseCommand(JSON.stringify({ id: 1, ...fields })), JSON.stringify(fields)).toMatchObject({
      kind: 'error',
      error: { code: 'bad_request' },
    });
});

test.each([
  [{ count: 5, conflate: 'Sum' }, 'conflate: needs conflateKey'],
  [{ conflate: 'Latest' }, 'conflate: needs conflateKey'],
  [{ count: 5 }, 'count: needs conflate "Sum"'],
  [{ count: 5, conflateKey: 'likes' }, 'count: needs conflate "Sum"'],
  [{ count: 5, conflateKey: 'likes', conflate: 'Latest' }, 'count: needs conflate "Sum"'],
])('a field of publish that would be ignored without another one is refused: %j', (fields, message) => {
  const command = { id: 1, op: 'publish', channel: 'video:1', data: 'like' };
  expect(parseCommand(JSON.stringify({ ...command, ...fields }))).toMatchObject({ kind: 'error', error: { code: 'bad_request', message } });
  expect(parseCommand(JSON.stringify({ ...command, conflateKey: 'likes', conflate: 'Sum', count: 5 })).kind).toBe('command');
});

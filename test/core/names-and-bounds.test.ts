import fc from 'fast-check';
import { expect, test } from 'vitest';
import { channelNameFault, channelOwner, parsePlainChannel, userChannel } from '../../core/channel.ts';
import { ClientIds, gatewayNumberMax, gatewayNumberOf, parseClientId } from '../../core/client-id.ts';
import { closeCodes, reconnectsAfter } from '../../core/close-codes.ts';
import { parseJson, parseJsonObject } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { frame, frameHeaderLength } from '../../gateway/encoding/frame.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import { readFrames } from '../support/frames.ts';

test('a channel name may have 253 bytes, and not 254', () => {
  expect(channelNameFault('x'.repeat(253))).toBeUndefined();
  expect(channelNameFault('x'.repeat(254))).toMatch(/253/);
  expect(channelNameFault(`${'弹'.repeat(84)}x`)).toBeUndefined();
  expect(channelNameFault(`${'弹'.repeat(84)}xx`)).toMatch(/253/);
});

test('a channel name has nothing that is ambiguous or invisible', () => {
  for (const name of ['', 'a b', 'a*', 'a@b', 'a\tb', 'a\u0000', 'a\u200b', 'a\u2028', '\ud800', 'a\u202e', 'a\u3000b'])
    expect(channelNameFault(name), JSON.stringify(name)).toBeDefined();
  for (const name of ['a', 'video:1', '弹幕', 'user:', 'a:b:c', 'ex:BTC/USDT', '{x}', '🎉']) expect(channelNameFault(name)).toBeUndefined();
});

test('the plain protocol names Y:X by X@Y, and nothing else', () => {
  expect(parsePlainChannel('100001@video')).toEqual({ kind: 'channel', name: 'video:100001' });
  expect(parsePlainChannel('@user')).toEqual({ kind: 'own-user' });
  expect(parsePlainChannel('1001@user')).toEqual({ kind: 'own-user' });
  for (const text of ['', '@', 'video', '1@', '@video', 'a@b@c', '@@', '1@user@', 'a b@video', '1@vi*deo', `${'x'.repeat(248)}@video`])
    expect(parsePlainChannel(text), text).toEqual({ kind: 'invalid' });
  expect(parsePlainChannel(`${'x'.repeat(247)}@video`).kind).toBe('channel');
});

test('whatever the plain protocol names is a good channel name, and never a user channel', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.tuple(fc.string(), fc.constantFrom('user', 'user ', 'video', '')).map(([x, y]) => `${x}@${y}`),
      ),
      (text) => {
        const parsed = parsePlainChannel(text);
        if (parsed.kind !== 'channel') return;
        expect(channelNameFault(parsed.name)).toBeUndefined();
        expect(channelOwner(parsed.name)).toBeUndefined();
      },
    ),
  );
});

test('a user channel has one owner', () => {
  expect(channelOwner(userChannel('a:b'))).toBe('a:b');
  expect(channelOwner('users:1')).toBeUndefined();
  expect(channelOwner('xuser:1')).toBeUndefined();
});

test('client ids are below 2^53, tell their gateway, and survive as JSON number and string', () => {
  const ids = new ClientIds(gatewayNumberMax, Date.UTC(2040, 0, 1));
  let last = 0;
  for (let count = 0; count < 1000; count++) {
    const id = ids.next();
    expect(id).toBeGreaterThan(last);
    expect(Number.isSafeInteger(id)).toBe(true);
    expect(gatewayNumberOf(id)).toBe(gatewayNumberMax);
    expect([parseClientId(JSON.parse(JSON.stringify(id))), parseClientId(String(id))]).toEqual([id, id]);
    last = id;
  }
});

test('a gateway that takes over a number goes on behind its predecessor', () => {
  const first = new ClientIds(3, Date.UTC(2026, 5, 1));
  let last = 0;
  for (let count = 0; count < 4000; count++) last = first.next();
  expect(new ClientIds(3, Date.UTC(2026, 5, 1) + 1000).next()).toBeGreaterThan(last);
});

test('what is no client id is none', () => {
  for (const value of [
    '',
    '0',
    'x',
    '1.5',
    '-1',
    '1e3',
    ' 1',
    '9007199254740992',
    '99999999999999999',
    0,
    -1,
    1.5,
    2 ** 53,
    NaN,
    null,
    undefined,
    [],
    {},
  ])
    expect(parseClientId(value)).toBeUndefined();
});

test('JSON may be nested 16 deep, and not 17', () => {
  for (const [start, end] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const nested = (depth: number): string => `${start.repeat(depth)}1${end.repeat(depth)}`;
    expect(parseJson(nested(limits.jsonDepthMax)).kind).toBe('value');
    expect(parseJson(nested(limits.jsonDepthMax + 1)).kind).toBe('fault');
  }
  expect(parseJson('['.repeat(1_000_000)).kind).toBe('fault');
  expect(parseJson(JSON.stringify('[{'.repeat(100))).kind).toBe('value');
  expect(parseJson(JSON.stringify(`\\"${'['.repeat(100)}`)).kind).toBe('value');
});

test('any text is JSON or a fault, and valid JSON that is not too deep is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      parseJson(text);
      const object = parseJsonObject(text);
      if (object.kind === 'object') expect(typeof object.value).toBe('object');
    }),
  );
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), (text) => {
      expect(parseJson(text)).toEqual({ kind: 'value', value: JSON.parse(text) });
    }),
  );
  for (const text of ['[]', 'null', '1', '"x"', '']) expect(parseJsonObject(text).kind).toBe('fault');
});

test('frame headers change their length at 126 and 65,536 bytes', () => {
  const lengths: readonly (readonly [payload: number, header: number])[] = [
    [0, 2],
    [125, 2],
    [126, 4],
    [65_535, 4],
    [65_536, 10],
    [70_000, 10],
  ];
  for (const [length, header] of lengths) {
    expect(frameHeaderLength(length)).toBe(header);
    for (const kind of ['text', 'binary'] as const) {
      const bytes = frame(kind, [Buffer.alloc(length, 7)]);
      expect(bytes.length).toBe(header + length);
      expect(readFrames(bytes)).toEqual([{ opcode: kind === 'text' ? 1 : 2, payload: Buffer.alloc(length, 7) }]);
    }
  }
});

test('a token bucket gives its burst, then its rate, and takes debts', () => {
  const bucket = new TokenBucket(10, 0);
  expect(bucket.available(0, 5, 10)).toBe(10);
  expect(bucket.take(12)).toBe(-2);
  expect(bucket.available(400, 5, 10)).toBe(0);
  expect(bucket.available(600, 5, 10)).toBe(1);
  expect(bucket.available(100, 5, 10)).toBe(1);
  expect(bucket.available(1_000_000, 5, 10)).toBe(10);
});

test('a token bucket says how long to wait for one token, to the millisecond', () => {
  const bucket = new TokenBucket(2, 0);
  expect(bucket.tryTake(0, 4, 2)).toBe(true);
  expect(bucket.waitMs(4)).toBe(0);
  expect(bucket.tryTake(0, 4, 2)).toBe(true);
  expect(bucket.tryTake(0, 4, 2)).toBe(false);
  expect(bucket.waitMs(4)).toBe(250);
  expect(bucket.tryTake(249, 4, 2)).toBe(false);
  expect(bucket.waitMs(4)).toBe(1);
  expect(bucket.tryTake(250, 4, 2)).toBe(true);
});

test('over any time a token bucket gives at most its burst and its rate', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.array(fc.integer({ min: 0, max: 2000 }), { maxLength: 100 }), (rate, waits) => {
      const bucket = new TokenBucket(rate, 0);
      let [at, taken] = [0, 0];
      for (const wait of waits) {
        at += wait;
        const available = bucket.available(at, rate, rate);
        bucket.take(available);
        taken += available;
        expect(taken).toBeLessThanOrEqual(rate + (at * rate) / 1000 + 1e-6);
      }
    }),
  );
});

test('close codes say by their number whether to come back', () => {
  const codes = Object.values(closeCodes);
  expect(new Set(codes.map(({ code }) => code)).size).toBe(codes.length);
  for (const { code, reason, reconnect } of codes) {
    expect(reconnectsAfter(code)).toBe(reconnect);
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
  }
  for (const code of [1001, 1006, 4000, 4499, 3000]) expect(reconnectsAfter(code)).toBe(true);
  for (const code of [1000, 1002, 1007, 4500, 4999]) expect(reconnectsAfter(code)).toBe(false);
});

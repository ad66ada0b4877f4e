import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  bufferMaxOf,
  channelOf,
  delayOf,
  densityOf,
  getStateOf,
  handedData,
  optionsOf,
  rewindOf,
  tokenOf,
  transportsOf,
  webSocketOf,
} from '../../../client/arguments.ts';
import { publishCommand, toBase64 } from '../../../client/publishing.ts';

const bytes = Uint8Array.from([0, 128, 255, 1]);
const publishing = (data: unknown, options: unknown = {}): object => publishCommand('c', handedData(data), options);

test.each<readonly [string, unknown, object]>([
  ['text', '弹幕', { data: '弹幕' }],
  ['no text', '', { data: '' }],
  ['an ArrayBuffer', bytes.buffer, { data: 'AID/AQ==', kind: 'binary' }],
  ['bytes', bytes, { data: 'AID/AQ==', kind: 'binary' }],
  ['a part of bytes', bytes.subarray(1, 3), { data: 'gP8=', kind: 'binary' }],
  ['a DataView', new DataView(bytes.buffer, 2), { data: '/wE=', kind: 'binary' }],
  ['a view of numbers', Uint16Array.from([0x41_42]), { data: 'QkE=', kind: 'binary' }],
  ['no bytes', new Uint8Array(), { data: '', kind: 'binary' }],
  ['an object', { text: '弹幕' }, { data: '{"text":"弹幕"}' }],
  ['an empty object', {}, { data: '{}' }],
  ['an object without a prototype', Object.create(null), { data: '{}' }],
  ['a list', [1, 2], { data: '[1,2]' }],
  ['an object that says its JSON', { toJSON: () => ({ a: 1 }) }, { data: '{"a":1}' }],
  [
    'an object of a class',
    new (class {
      text = 'hi';
    })(),
    { data: '{"text":"hi"}' },
  ],
])('publish takes %s', (_what, data, payload) => {
  expect(publishing(data)).toEqual({ op: 'publish', channel: 'c', ...payload });
});

const circular: Record<string, unknown> = {};
circular['self'] = circular;

test.each<readonly [string, unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a number', 42],
  ['NaN', Number.NaN],
  ['a boolean', true],
  ['a bigint', 1n],
  ['a symbol', Symbol('x')],
  ['a function', (): number => 1],
  ['a Map', new Map([['a', 1]])],
  ['a Blob', new Blob(['x'])],
  ['a Promise', Promise.resolve('x')],
  ['a circle', circular],
  ['an object with a bigint', { a: 1n }],
  ['an object without JSON', { toJSON: (): undefined => undefined }],
])('publish refuses %s, and says what it takes', (_what, data) => {
  expect(() => publishing(data)).toThrow(TypeError);
  expect(() => publishing(data)).toThrow('publish takes text, bytes (an ArrayBuffer or a view of one), or an object');
});

test.each<readonly [string, () => unknown]>([
  ['no channel', (): unknown => channelOf(undefined)],
  ['an empty channel', (): unknown => channelOf('')],
  ['a number as a channel', (): unknown => channelOf(7)],
  ['options that are text', (): unknown => optionsOf('x')],
  ['options that are null', (): unknown => publishing('x', null)],
  ['a density that is text', (): unknown => densityOf('20')],
  ['a density of NaN', (): unknown => densityOf(Number.NaN)],
  ['a density of null', (): unknown => densityOf(null)],
  ['a buffer of nothing', (): unknown => bufferMaxOf(0)],
  ['half a place', (): unknown => bufferMaxOf(1.5)],
  ['a token that is an object', (): unknown => tokenOf({})],
  ['a delay that is a number', (): unknown => delayOf(5)],
  ['a getState that is text', (): unknown => getStateOf('state')],
  ['half a rewind', (): unknown => rewindOf(0.5)],
  ['no transports', (): unknown => transportsOf([])],
  ['an unknown transport', (): unknown => transportsOf(['websocket', 'http'])],
  ['a webSocket that is an address', (): unknown => webSocketOf('ws://a', undefined, ['websocket'])],
  ['no WebSocket where one is needed', (): unknown => webSocketOf(undefined, undefined, ['sse', 'websocket'])],
  ['a ttl that is text', (): unknown => publishing('x', { ttlMs: '5' })],
  ['a key that is a number', (): unknown => publishing('x', { conflateKey: 1 })],
  ['an unknown way to conflate', (): unknown => publishing('x', { conflate: 'sum' })],
  ['a count of Infinity', (): unknown => publishing('x', { count: Infinity })],
])('%s is a TypeError', (_what, call) => {
  expect(call).toThrow(TypeError);
});

test('good arguments are handed on as they are', () => {
  const options = { ttlMs: 5, conflateKey: 'like', conflate: 'Sum', count: 3 };
  expect(publishing('x', { ...options, other: 1 })).toEqual({ op: 'publish', channel: 'c', data: 'x', ...options });
  expect([channelOf('video:1'), densityOf(undefined), densityOf(5), bufferMaxOf(undefined), bufferMaxOf(1), tokenOf('t')]).toEqual([
    'video:1',
    undefined,
    5,
    1000,
    1,
    't',
  ]);
});

test('the WebSocket that is given is taken, then that of the platform; where none is needed there may be none', () => {
  class Own {}
  class Given {}
  const classes = { own: Own as never, given: Given as never };
  expect(webSocketOf(classes.given, classes.own, ['websocket'])).toBe(Given);
  expect(webSocketOf(undefined, classes.own, ['websocket'])).toBe(Own);
  expect(webSocketOf(undefined, undefined, ['sse', 'pull'])).toBeUndefined();
});

test('bytes become the base64 that everybody else makes of them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
    }),
  );
  const large = new Uint8Array(100_000).fill(200);
  expect(toBase64(large)).toBe(Buffer.from(large).toString('base64'));
});

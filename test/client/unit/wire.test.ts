import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BarrageError } from '../../../client/errors.ts';
import { readMessage } from '../../../client/wire.ts';
import type { PlacedPublication } from '../../../core/publication.ts';
import { encodeBinaryBatch, encodeTextBatch, encodeTextItem } from '../../../gateway/encoding/batch.ts';

interface Given {
  readonly offset: number;
  readonly kind: 'text' | 'binary';
  readonly payload: Buffer;
  readonly acceptedAt: number;
  readonly count?: number;
}

function placed({ offset, count, ...given }: Given): PlacedPublication {
  const rest = { priority: 'normal', ttlMs: 0, conflation: undefined, sender: undefined, traceparent: undefined } as const;
  return { offset, publication: { ...rest, ...given }, count };
}

/** Times of publishers whose clocks differ: some lie near each other, some go back. */
const time = fc.oneof(fc.nat(20), fc.nat(2 ** 45)).map((ms) => 1_790_000_000_000 + ms);

/** What a WebSocket gives for one unmasked frame. */
function payloadOf(frame: Buffer): Buffer {
  const short = frame[1] ?? 0;
  return frame.subarray(short < 126 ? 2 : short === 126 ? 4 : 10);
}

function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

function fault(data: unknown): unknown {
  try {
    readMessage(data);
  } catch (error) {
    return error;
  }
  return undefined;
}

test('text batches come back as the gateway encoded them', () => {
  const texts = fc.array(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 300 }), time), { maxLength: 8 });
  fc.assert(
    fc.property(texts, fc.nat(1000), (all, after) => {
      const span = { channel: 'video:1', epoch: 'e', after, upto: after + all.length, leftOut: 0 };
      const items = all.map(([text, acceptedAt], index) =>
        placed({ offset: after + 1 + index, kind: 'text', payload: Buffer.from(text), acceptedAt, ...(index === 0 ? { count: 7 } : {}) }),
      );
      const frame = encodeTextBatch(
        span,
        items,
        items.map((item) => encodeTextItem(item)),
      );
      expect(readMessage(payloadOf(frame).toString())).toEqual({
        type: 'batch',
        channel: 'video:1',
        epoch: 'e',
        after,
        upto: after + all.length,
        publications: all.map(([data, acceptedAt], index) => ({
          channel: 'video:1',
          offset: after + 1 + index,
          data,
          acceptedAt,
          ...(index === 0 ? { count: 7 } : {}),
        })),
      });
    }),
  );
});

test('binary batches come back as the gateway encoded them, text as text and bytes as bytes', () => {
  const payload = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'grapheme' }));
  const payloads = fc.array(fc.tuple(payload, time), { maxLength: 8 });
  fc.assert(
    fc.property(payloads, (all) => {
      const span = { channel: 'c', epoch: 'e', after: 0, upto: all.length, leftOut: 0 };
      const frame = encodeBinaryBatch(
        span,
        all.map(([data, acceptedAt], index) =>
          placed({
            offset: index + 1,
            kind: typeof data === 'string' ? 'text' : 'binary',
            payload: Buffer.from(data as string),
            acceptedAt,
          }),
        ),
      );
      const message = readMessage(arrayBuffer(payloadOf(frame)));
      expect(message.type === 'batch' && message.publications.map(({ data, acceptedAt }) => [data, acceptedAt])).toEqual(all);
    }),
  );
});

test('nothing that a peer can send does more than a protocol error', () => {
  const check = (data: unknown): void => {
    const error = fault(data);
    if (error !== undefined) expect(error).toMatchObject({ name: 'BarrageError', code: 'protocol', retry: true });
  };
  const types = fc.constantFrom('hello', 'reply', 'batch', 'gap', 'reconnect', 'unsubscribed', 'subscribed', 'direct', 'news');
  fc.assert(fc.property(fc.string(), check));
  fc.assert(fc.property(fc.json(), check));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => check(arrayBuffer(bytes))));
  fc.assert(fc.property(types, fc.dictionary(fc.string(), fc.jsonValue()), (type, rest) => check(JSON.stringify({ ...rest, type }))));
});

const hello = {
  type: 'hello',
  client: '1',
  pingIntervalMs: 1,
  pongTimeoutMs: 1,
  backoff: { baseMs: 1, capMs: 1 },
  limits: { frameBytesMax: 1, subscriptionsMax: 1, commandsPerSecondMax: 1 },
};

test('gateways of an older version tell no times, and are read all the same', () => {
  expect(readMessage(JSON.stringify(hello))).toEqual(hello);
  const batch = { type: 'batch', channel: 'c', epoch: 'e', after: 1, upto: 3, leftOut: 0, items: [{ offset: 2, data: 'x' }] };
  expect(readMessage(JSON.stringify(batch))).toMatchObject({ publications: [{ channel: 'c', offset: 2, data: 'x' }] });
});

test('equal times take no room for each publication', () => {
  const items = [1, 2, 3].map((offset) => placed({ offset, kind: 'text', payload: Buffer.from('x'), acceptedAt: 1_790_000_000_000 }));
  const span = { channel: 'c', epoch: 'e', after: 0, upto: 3, leftOut: 0 };
  const frame = encodeTextBatch(
    span,
    items,
    items.map((item) => encodeTextItem(item)),
  );
  expect(payloadOf(frame).toString()).toContain('"leftOut":0,"at":1790000000000,"items":[');
  expect(payloadOf(encodeTextBatch(span, [], [])).toString()).toContain('"leftOut":0,"items":[]');
});

test('what is malformed is refused, and a type of a later version is passed over', () => {
  const batch = { type: 'batch', channel: 'c', epoch: 'e', after: 1, upto: 3, leftOut: 0, items: [{ offset: 2, data: '' }] };
  expect(fault(JSON.stringify(batch))).toBeUndefined();
  const bad: readonly unknown[] = [
    'no json',
    '[]',
    'null',
    '{"type":7}',
    { ...batch, after: 4 },
    { ...batch, after: -1 },
    { ...batch, upto: 2 ** 60 },
    { ...batch, leftOut: undefined },
    { ...batch, items: {} },
    { ...batch, items: [null] },
    { ...batch, items: [{ offset: 1, data: '' }] },
    { ...batch, items: [{ offset: 4, data: '' }] },
    { ...batch, items: [...batch.items, ...batch.items] },
    { ...batch, items: [{ offset: 2 }] },
    { ...batch, at: -1 },
    { ...batch, at: '1790000000000' },
    { ...batch, dt: [] },
    { ...batch, at: 1, dt: [1] },
    { ...batch, at: 1, dt: {} },
    { ...batch, at: 1, dt: [0.5], items: [...batch.items, { offset: 3, data: '' }] },
    { type: 'hello', client: '1' },
    { ...hello, now: 'noon' },
    { type: 'reply', id: 1 },
    { type: 'reply', id: 1, error: { code: 'x' } },
    { type: 'reconnect', afterMs: -1 },
    { type: 'backoff', baseMs: 0, capMs: 1 },
    { type: 'backoff', baseMs: 1 },
    { type: 'direct', kind: 'binary', data: '*' },
    arrayBuffer(Buffer.from([0, 0])),
    arrayBuffer(Buffer.from([0, 0, 0, 9, 0x7b])),
    7,
  ];
  for (const data of bad) {
    const sent = typeof data === 'object' && !(data instanceof ArrayBuffer) ? JSON.stringify(data) : data;
    expect(fault(sent), JSON.stringify(data)).toBeInstanceOf(BarrageError);
  }
  expect(readMessage('{"type":"news"}')).toEqual({ type: 'unknown' });
  const news = Buffer.from('{"type":"news"}');
  expect(readMessage(arrayBuffer(Buffer.concat([Buffer.from([0, 0, 0, news.length]), news, Buffer.from('payload')])))).toEqual({
    type: 'unknown',
  });
  const gap = Buffer.from('{"type":"gap"}');
  expect(fault(arrayBuffer(Buffer.concat([Buffer.from([0, 0, 0, gap.length]), gap])))).toBeInstanceOf(BarrageError);
});

test('payloads of a binary batch that are shorter or longer than it says are refused', () => {
  const frame = payloadOf(
    encodeBinaryBatch({ channel: 'c', epoch: 'e', after: 0, upto: 1, leftOut: 0 }, [
      placed({ offset: 1, kind: 'binary', payload: Buffer.from('abc'), acceptedAt: 1 }),
    ]),
  );
  expect(fault(arrayBuffer(frame))).toBeUndefined();
  expect(fault(arrayBuffer(frame.subarray(0, -1)))).toBeInstanceOf(BarrageError);
  expect(fault(arrayBuffer(Buffer.concat([frame, Buffer.from('x')])))).toBeInstanceOf(BarrageError);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BarrageError } from '../../../client/errors.ts';
import { readMessage, toBase64 } from '../../../client/wire.ts';
import type { PlacedPublication } from '../../../core/publication.ts';
import { encodeBinaryBatch, encodeTextBatch, encodeTextItem } from '../../../gateway/encoding/batch.ts';

function placed(offset: number, kind: 'text' | 'binary', payload: Buffer, count?: number): PlacedPublication {
  const publication = { kind, payload, priority: 'normal', acceptedAt: 0, ttlMs: 0, conflation: undefined, sender: undefined } as const;
  return { offset, publication: { ...publication, traceparent: undefined }, count };
}

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
  const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 300 }), { maxLength: 8 });
  fc.assert(
    fc.property(texts, fc.nat(1000), (all, after) => {
      const span = { channel: 'video:1', epoch: 'e', after, upto: after + all.length, leftOut: 0 };
      const items = all.map((text, index) =>
        encodeTextItem(placed(after + 1 + index, 'text', Buffer.from(text), index === 0 ? 7 : undefined)),
      );
      expect(readMessage(payloadOf(encodeTextBatch(span, items)).toString())).toEqual({
        type: 'batch',
        channel: 'video:1',
        epoch: 'e',
        after,
        upto: after + all.length,
        publications: all.map((data, index) => ({
          channel: 'video:1',
          offset: after + 1 + index,
          data,
          ...(index === 0 ? { count: 7 } : {}),
        })),
      });
    }),
  );
});

test('binary batches come back as the gateway encoded them, text as text and bytes as bytes', () => {
  const payloads = fc.array(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'grapheme' })), { maxLength: 8 });
  fc.assert(
    fc.property(payloads, (all) => {
      const span = { channel: 'c', epoch: 'e', after: 0, upto: all.length, leftOut: 0 };
      const frame = encodeBinaryBatch(
        span,
        all.map((data, index) => placed(index + 1, typeof data === 'string' ? 'text' : 'binary', Buffer.from(data as string))),
      );
      const message = readMessage(arrayBuffer(payloadOf(frame)));
      expect(message.type === 'batch' && message.publications.map(({ data }) => data)).toEqual(all);
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
    { type: 'hello', client: '1' },
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
    encodeBinaryBatch({ channel: 'c', epoch: 'e', after: 0, upto: 1, leftOut: 0 }, [placed(1, 'binary', Buffer.from('abc'))]),
  );
  expect(fault(arrayBuffer(frame))).toBeUndefined();
  expect(fault(arrayBuffer(frame.subarray(0, -1)))).toBeInstanceOf(BarrageError);
  expect(fault(arrayBuffer(Buffer.concat([frame, Buffer.from('x')])))).toBeInstanceOf(BarrageError);
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

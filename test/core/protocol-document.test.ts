import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { publicationsAfter } from '../../client/sums.ts';
import { readMessage } from '../../client/wire.ts';
import { closeCodes, reconnectsAfter } from '../../core/close-codes.ts';
import { encodeBinaryBatch, encodePlainBatch, encodeTextBatch, encodeTextItem } from '../../gateway/encoding/batch.ts';
import type { PlacedPublication, Publication } from '../../core/publication.ts';
import { tombstone } from '../../core/recall.ts';
import { v1Encoding } from '../../gateway/encoding/encodings.ts';
import { identifiedStreamEncoding } from '../../gateway/encoding/event-stream.ts';
import { parseCommand } from '../../gateway/commands/v1-command.ts';
import { readFrames } from '../support/frames.ts';

const document = readFileSync('docs/protocol.md', 'utf8');
const vectors = new Map(
  [...document.matchAll(/```vector (\S+) (hex|json)\n([\s\S]*?)```/g)].map((match) => [`${match[1]} ${match[2]}`, match[3]?.trim() ?? '']),
);

function bytes(name: string): Buffer {
  return Buffer.from(text(`${name} hex`).replaceAll('\n', ''), 'hex');
}

function text(key: string): string {
  const vector = vectors.get(key);
  if (vector === undefined) throw new Error(`docs/protocol.md has no vector ${key}`);
  return vector;
}

const acceptedAt = 1_790_000_000_000;

function publication(payload: Buffer, kind: Publication['kind'], laterMs: number): Publication {
  const rest = { priority: 'normal', ttlMs: 0, conflation: undefined, sender: undefined, traceparent: undefined } as const;
  return { ...rest, kind, payload, acceptedAt: acceptedAt + laterMs };
}

const comment = publication(Buffer.from('{"text":"弹幕"}'), 'text', 0);
const like = publication(Buffer.from('like'), 'text', 40);
const voice = publication(Buffer.from([0x00, 0x01, 0xfe, 0xff]), 'binary', 40);
const span = { channel: 'video:1', epoch: 'e1', after: 6, upto: 9, leftOut: 1 };
const first: PlacedPublication = { offset: 7, publication: comment, count: undefined };

function payloadOf(frameBytes: Buffer): Buffer {
  const frames = readFrames(frameBytes);
  expect(frames).toHaveLength(1);
  return frames[0]?.payload ?? Buffer.alloc(0);
}

test('the document has all the vectors', () => {
  expect(vectors.size).toBe(28);
});

test('a text batch is written as documented, and read by the SDK as what was published', () => {
  const placed = [first, { offset: 9, publication: like, count: 1000 }];
  const written = encodeTextBatch(
    span,
    placed,
    placed.map((item) => encodeTextItem(item)),
  );
  expect(written).toEqual(bytes('batch-text'));
  expect(payloadOf(written).toString()).toBe(text('batch-text json'));
  expect(readMessage(payloadOf(written).toString())).toMatchObject({
    type: 'batch',
    channel: 'video:1',
    epoch: 'e1',
    after: 6,
    upto: 9,
    publications: [
      { channel: 'video:1', offset: 7, data: '{"text":"弹幕"}', acceptedAt },
      { channel: 'video:1', offset: 9, data: 'like', count: 1000, acceptedAt: acceptedAt + 40 },
    ],
  });
});

test('a sum is written with its parts as documented, and the SDK counts only what is new of it', () => {
  const likes: PlacedPublication = { offset: 9, publication: like, count: 1000, parts: [7, 300, 8, 200, 9, 500] };
  const handover = v1Encoding.handover.batch({ ...span, leftOut: 2 }, [likes]);
  expect(payloadOf(handover ?? Buffer.alloc(0)).toString()).toBe(text('batch-parts json'));
  const message = readMessage(text('batch-parts json'));
  if (message.type !== 'batch') throw new Error('no batch');
  const told = { channel: 'video:1', offset: 9, data: 'like', acceptedAt: acceptedAt + 40 };
  expect(publicationsAfter(message.publications, 6)).toEqual([{ ...told, count: 1000 }]);
  expect(publicationsAfter(message.publications, 7)).toEqual([{ ...told, count: 700 }]);
  expect(publicationsAfter(message.publications, 8)).toEqual([{ ...told, count: 500 }]);
  expect(publicationsAfter(message.publications, 9)).toEqual([]);
});

test('a binary batch is written as documented, and read by the SDK as what was published', () => {
  const written = encodeBinaryBatch(span, [first, { offset: 9, publication: voice, count: undefined }]);
  expect(written).toEqual(bytes('batch-binary'));
  const message = readMessage(new Uint8Array(payloadOf(written)).buffer);
  expect(message).toMatchObject({
    type: 'batch',
    after: 6,
    upto: 9,
    publications: [
      { offset: 7, data: '{"text":"弹幕"}', acceptedAt },
      { offset: 9, acceptedAt: acceptedAt + 40 },
    ],
  });
  if (message.type === 'batch') expect(Buffer.from(message.publications[1]?.data ?? '')).toEqual(voice.payload);
});

test('a recall is written as documented, in text and in binary batches, and read by the SDK', () => {
  const recalling = tombstone({ kind: 'offsets', offsets: [2, 5] }, acceptedAt + 40);
  const clearing = tombstone({ kind: 'all' }, acceptedAt + 40);
  const textBatch = v1Encoding.batch(span, [first, { offset: 9, publication: recalling, count: undefined }]);
  expect(payloadOf(textBatch ?? Buffer.alloc(0)).toString()).toBe(text('batch-recall json'));
  const clear = v1Encoding.batch({ ...span, after: 8, leftOut: 0 }, [{ offset: 9, publication: clearing, count: undefined }]);
  expect(payloadOf(clear ?? Buffer.alloc(0)).toString()).toBe(text('batch-clear json'));
  expect(readMessage(text('batch-recall json'))).toMatchObject({
    publications: [{ offset: 7, data: '{"text":"弹幕"}', acceptedAt }],
    tombstones: [{ offset: 9, offsets: [2, 5] }],
  });
  expect(readMessage(text('batch-clear json'))).toMatchObject({ publications: [], tombstones: [{ offset: 9, upto: 8 }] });
  const voices = [voice, clearing, voice].map((publication, index) => ({ offset: 7 + index, publication, count: undefined }));
  const binary = readMessage(new Uint8Array(payloadOf(encodeBinaryBatch(span, voices))).buffer);
  // The voice before the clear is not told any more.
  expect(binary).toMatchObject({ publications: [{ offset: 9, acceptedAt: acceptedAt + 40 }], tombstones: [{ offset: 8, upto: 7 }] });
});

test('a plain batch is written as documented: each payload verbatim in a frame of its own', () => {
  const written = encodePlainBatch([comment, voice].map((publication, index) => ({ offset: index + 1, publication, count: undefined })));
  expect(written).toEqual(bytes('plain-batch'));
  expect(readFrames(written)).toEqual([
    { opcode: 1, payload: comment.payload },
    { opcode: 2, payload: voice.payload },
  ]);
});

test('an event is written as documented: the message of a text frame, with the place as its id', () => {
  const later = { offset: 9, publication: publication(like.payload, 'text', 0), count: undefined };
  const place = { ...span, after: 8, leftOut: 0 };
  const written = identifiedStreamEncoding.batch(place, [later]);
  expect(written).toEqual(bytes('batch-event'));
  const [, json = ''] = /^id: .*\ndata: (.*)\n\n$/.exec(written?.toString() ?? '') ?? [];
  expect(json).toBe(payloadOf(encodeTextBatch(place, [later], [encodeTextItem(later)])).toString());
});

test.each([...vectors.keys()].filter((key) => key.startsWith('command-')))('the gateway takes %s', (key) => {
  expect(parseCommand(text(key))).toEqual({ kind: 'command', command: JSON.parse(text(key)) });
});

test.each([...vectors.keys()].filter((key) => key.startsWith('message-')))('the SDK reads %s', (key) => {
  const { type } = JSON.parse(text(key)) as { type: string };
  expect(readMessage(text(key))).toMatchObject({ type });
});

test('the close codes are those of the table', () => {
  const rows = [...document.matchAll(/^\| (\d{4}) \| (.+?) \| (yes|no) \|$/gm)].map((row) => [Number(row[1]), row[2], row[3] === 'yes']);
  const table = Object.values(closeCodes).map(({ code, reason, reconnect }) => [code, reason, reconnect]);
  expect(rows).toEqual(table.toSorted((a, b) => Number(a[0]) - Number(b[0])));
});

test('reconnecting follows the table and the ranges', () => {
  for (const { code, reconnect } of Object.values(closeCodes)) expect(reconnectsAfter(code), String(code)).toBe(reconnect);
  for (const code of [1001, 1005, 1006, 1012, 4000, 4499]) expect(reconnectsAfter(code), String(code)).toBe(true);
  for (const code of [1000, 1002, 1007, 4500, 4999]) expect(reconnectsAfter(code), String(code)).toBe(false);
});

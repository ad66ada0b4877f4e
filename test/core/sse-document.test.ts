import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { closeCodes } from '../../core/close-codes.ts';
import { limits } from '../../core/limits.ts';
import type { Hello } from '../../core/protocol/barrage-v1.ts';
import type { PlacedPublication, Publication } from '../../core/publication.ts';
import { closeEvent, identifiedStreamEncoding, streamEncoding } from '../../gateway/encoding/event-stream.ts';
import { refusals } from '../../gateway/streams/refusals.ts';
import { StreamLines } from '../../gateway/streams/stream-lines.ts';
import { readStreamCommands } from '../../gateway/streams/stream-request.ts';

const document = readFileSync('docs/sse.md', 'utf8');
const vectors = new Map(
  [...document.matchAll(/```vector (\S+) (?:text|json)\n([\s\S]*?)```/g)].map((match) => [match[1], match[2]?.trim()]),
);

function event(name: string): string {
  return `${vectors.get(name)}\n\n`;
}

const acceptedAt = 1_790_000_000_000;

function publication(payload: Buffer, kind: Publication['kind'], laterMs: number): Publication {
  const rest = { priority: 'normal', ttlMs: 0, conflation: undefined, sender: undefined, traceparent: undefined } as const;
  return { ...rest, kind, payload, acceptedAt: acceptedAt + laterMs };
}

const first: PlacedPublication = { offset: 7, publication: publication(Buffer.from('{"text":"弹幕"}'), 'text', 0), count: undefined };
const likes: PlacedPublication = { offset: 9, publication: publication(Buffer.from('like'), 'text', 40), count: 1000 };
const voice: PlacedPublication = { offset: 9, publication: publication(Buffer.from([0, 1, 0xfe, 0xff]), 'binary', 40), count: undefined };
const span = { channel: 'video:1', epoch: 'e1', after: 6, upto: 9, leftOut: 1 };
const hello: Hello = JSON.parse(/data: (.*)/.exec(event('hello'))?.[1] ?? '{}') as Hello;

test('the document has all the vectors', () => {
  expect(new Set(vectors.keys())).toEqual(
    new Set(['hello', 'subscribed', 'unsubscribed', 'batch', 'binary', 'batch-of-several', 'close', 'close-for-good', 'commands']),
  );
});

test('batches are written as documented, once for all streams of one channel', () => {
  expect(identifiedStreamEncoding.batch(span, [first, likes])?.toString()).toBe(event('batch'));
  expect(identifiedStreamEncoding.batch(span, [first, voice])?.toString()).toBe(event('binary'));
});

test('with several channels the id is the own of a stream, and the rest is shared', () => {
  const positions = new Map([
    ['video:1', { epoch: 'e1', offset: 6 }],
    ['user:7', { epoch: 'e7', offset: 4 }],
  ]);
  const lines = new StreamLines([...positions.keys()], positions, 0.5);
  expect(lines.encodingOf('video:1')).toBe(streamEncoding);
  const own = lines.before('video:1', 'e1', 9)?.toString() ?? '';
  expect(own + streamEncoding.batch(span, [first, likes])?.toString()).toBe(event('batch-of-several'));
  expect(lines.before('video:2', 'e1', 9)).toBeUndefined();
});

test('hello, the beginnings of channels and the end are written as documented', () => {
  const lines = new StreamLines(['video:1', 'user:7'], new Map(), 0.5);
  const written = (message: Parameters<StreamLines['message']>[0]): string => lines.message(message)?.toString() ?? '';
  expect(written(hello)).toBe(event('hello'));
  expect(written({ type: 'subscribed', channel: 'video:1', epoch: 'e1', offset: 6 })).toBe(event('subscribed'));
  expect(written({ type: 'backoff', baseMs: 5_000, capMs: 20_000 })).toBe(
    'retry: 5000\ndata: {"type":"backoff","baseMs":5000,"capMs":20000}\n\n',
  );
  const message = 'subscribe needs an identity: send auth with a token first';
  expect(written({ type: 'unsubscribed', channel: 'user:7', message })).toBe(event('unsubscribed'));
  expect(closeEvent(closeCodes.goingAway).toString()).toBe(event('close'));
  expect(closeEvent(closeCodes.forbidden).toString()).toBe(event('close-for-good'));
});

test('the gateway takes the documented commands', () => {
  const text = vectors.get('commands') ?? '';
  const { commands } = JSON.parse(text) as { readonly commands: readonly object[] };
  expect(readStreamCommands(text)).toEqual({
    kind: 'read',
    value: {
      gateway: 1,
      client: 1_099_523_260_416,
      secret: '8mEwJrkqTt6n5Jm1x0qS0A',
      commands: commands.map((each) => JSON.stringify(each)),
    },
  });
});

test('the bounds are the documented ones', () => {
  const figures = [limits.streamChannelsMax, limits.streamCommandsMax, limits.streamBodyBytesMax, limits.streamRequestsPerSecondMax];
  for (const figure of figures) expect(document).toContain(figure.toLocaleString('en'));
});

test('every refusal is in the table', () => {
  const rows = [...document.matchAll(/^\| (\d{3}) \| `(\w+)` \|/gm)].map(([, status, code]) => `${status} ${code}`);
  const all = [
    refusals.request(''),
    refusals.unauthenticated(''),
    refusals.ended(),
    refusals.method(),
    refusals.bytes(1),
    refusals.internal(),
  ];
  const busy = [refusals.rate(), refusals.crowded(), refusals.auth(), refusals.unanswered()];
  const codes = [...all, ...busy].map(({ status, code }) => `${status} ${code}`);
  expect(new Set([...codes, '403 forbidden', '503 full'])).toEqual(new Set(rows));
});

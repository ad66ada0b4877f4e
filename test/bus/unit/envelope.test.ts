import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EnvelopeError, decodeEnvelope, tombstoneBackMs, type Envelope } from '../../../core/bus/envelope.ts';
import { limits } from '../../../core/limits.ts';
import type { Publication, Recall } from '../../../core/publication.ts';
import { tombstone } from '../../../core/recall.ts';
import { encodeEnvelope, publication } from '../world.ts';

const whole = fc.maxSafeNat();
const text = (bytesMax: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme', maxLength: bytesMax }).filter((value) => Buffer.byteLength(value) <= bytesMax);

const anyPublication: fc.Arbitrary<Publication> = fc.record({
  kind: fc.constantFrom('text', 'binary'),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  priority: fc.constantFrom('high', 'normal', 'low'),
  acceptedAt: whole,
  ttlMs: fc.nat(limits.ttlMsMax),
  conflation: fc.option(
    fc.record({
      key: text(limits.conflateKeyBytesMax),
      mode: fc.constantFrom('Latest' as const, 'Sum' as const),
      // Nobody publishes a count of 0: it is the mark of a tombstone.
      count: fc.integer({ min: 1, max: limits.conflateCountMax }),
    }),
    { nil: undefined },
  ),
  sender: fc.option(whole, { nil: undefined }),
  traceparent: fc.option(text(128), { nil: undefined }),
});

const anyEnvelope: fc.Arbitrary<Envelope> = fc.record({
  epoch: fc.stringMatching(/^[0-9A-Za-z]{1,32}$/),
  firstOffset: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1000 }),
  publications: fc.array(anyPublication, { minLength: 1, maxLength: 20 }),
});

test('what is decoded is what was encoded', () => {
  fc.assert(
    fc.property(anyEnvelope, (envelope) => {
      expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope);
    }),
  );
});

test.each<Recall>([{ kind: 'all' }, { kind: 'offsets', offsets: [1, 7, 2 ** 53 - 2] }])(
  'a tombstone is decoded as it was encoded: %o',
  (recall) => {
    const sent = tombstone(recall, 1_790_000_000_000);
    const bytes = encodeEnvelope({ epoch: 'e', firstOffset: 9, publications: [publication('a'), sent] });
    expect(decodeEnvelope(bytes).publications).toEqual([publication('a'), sent]);
  },
);

test('a gateway of an older version takes a tombstone for a publication that has expired', () => {
  const acceptedAt = 1_790_000_000_000;
  const bytes = encodeEnvelope({ epoch: 'e', firstOffset: 1, publications: [tombstone({ kind: 'all' }, acceptedAt)] });
  // Without its mark, the count 0, it is read as the older version reads it.
  expect(bytes.readUInt32BE(27)).toBe(0);
  bytes.writeUInt32BE(1, 27);
  const [read] = decodeEnvelope(bytes).publications;
  expect(read).toMatchObject({ kind: 'text', priority: 'high', conflation: { key: '', mode: 'Latest', count: 1 }, sender: undefined });
  // Its clock may be behind by 5 s all but 1 ms.
  expect(read!.ttlMs).toBeGreaterThan(0);
  expect(read!.acceptedAt + read!.ttlMs).toBe(acceptedAt - tombstoneBackMs + 1);
});

test('a tombstone that does not say what it recalls is refused', () => {
  const sent = { ...tombstone({ kind: 'all' }, 1_790_000_000_000), payload: Buffer.from('{"offsets":[2,1]}') };
  expect(() => decodeEnvelope(encodeEnvelope({ epoch: 'e', firstOffset: 9, publications: [sent] }))).toThrow(EnvelopeError);
});

test('arbitrary bytes are an envelope or an EnvelopeError, never another failure', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, ours) => {
      const message = Buffer.from(bytes);
      // Half of them get beyond the version.
      if (ours && message.length > 0) message[0] = 1;
      expectDecodedOrRefused(message);
    }),
    { numRuns: 2000 },
  );
});

test('an envelope with one byte changed, cut off or too many is another envelope or an EnvelopeError', () => {
  fc.assert(
    fc.property(anyEnvelope, fc.nat(), fc.nat(255), (envelope, at, value) => {
      const bytes = encodeEnvelope(envelope);
      const changed = Buffer.from(bytes);
      changed[at % bytes.length] = value;
      expectDecodedOrRefused(changed);
      expect(() => decodeEnvelope(bytes.subarray(0, at % bytes.length))).toThrow(EnvelopeError);
      expect(() => decodeEnvelope(Buffer.concat([bytes, Buffer.from([value])]))).toThrow(EnvelopeError);
    }),
  );
});

test('the first version is frozen: these bytes are this envelope', () => {
  const envelope = {
    epoch: 'Ab3',
    firstOffset: 258,
    publications: [
      publication('hi', { priority: 'low', acceptedAt: 1024, ttlMs: 5, conflation: { key: 'k', mode: 'Sum', count: 3 }, sender: 2 }),
    ],
  } as const;
  const bytes = Buffer.from(
    '01' +
      '03' +
      '416233' +
      '0000000000000102' +
      '0001' +
      '3c' +
      '4090000000000000' +
      '00000005' +
      '4000000000000000' +
      '016b00000003' +
      '000000026869',
    'hex',
  );
  expect(encodeEnvelope(envelope).toString('hex')).toBe(bytes.toString('hex'));
  expect(decodeEnvelope(bytes)).toEqual(envelope);
});

test.each([
  ['another version', '02', 0],
  ['an epoch that is no letters and digits', '22', 2],
  ['an offset of zero', '00', 12],
  ['an offset beyond 2^53', 'ff', 5],
  ['no publications', '0000', 13],
  ['more publications than a batch has', '01f5', 13],
  ['an unused flag', 'bc', 15],
  ['a priority that is none', '3e', 15],
  ['a sum of nothing', '34', 15],
  ['a time that is no whole number', '3fe0', 16],
  ['a time to live beyond the bound', 'ff', 24],
  ['a payload beyond the bound', '7f', 42],
])('%s is refused', (_, patch, at) => {
  const bytes = Buffer.from(
    '0103416233' +
      '0000000000000001' +
      '0001' +
      '3c' +
      '4090000000000000' +
      '00000005' +
      '4000000000000000' +
      '016b00000003' +
      '000000026869',
    'hex',
  );
  decodeEnvelope(bytes);
  Buffer.from(patch, 'hex').copy(bytes, at);
  expect(() => decodeEnvelope(bytes)).toThrow(EnvelopeError);
});

function expectDecodedOrRefused(bytes: Buffer): void {
  try {
    const { publications } = decodeEnvelope(bytes);
    expect(publications.length).toBeGreaterThan(0);
  } catch (error) {
    expect(error).toBeInstanceOf(EnvelopeError);
  }
}

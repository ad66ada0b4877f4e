import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { limits } from '../limits.ts';
import type { Conflation, Publication } from '../publication.ts';
import { readRecall } from '../recall.ts';

/**
 * One batch as it travels on a bus channel, all numbers big-endian:
 *
 *     version u8 | epoch length u8 | epoch ASCII | first offset u64 |     ← head: the script that assigns offsets
 *     publications u16 | publication …                                    ← body: the publisher
 *
 *     publication: flags u8 | accepted at f64 (ms) | ttl u32 (ms) | [sender f64]
 *                  | [key length u8, key, mode in flags, count u32]
 *                  | [traceparent length u8, traceparent] | payload length u32 | payload
 *
 * Flags: 1 binary, 2 and 4 priority (0 high, 1 normal, 2 low), 8 conflated, 16 by sum, 32 sender, 64 traceparent, 128
 * must be 0.
 *
 * A tombstone travels as a publication that gateways of an older version leave out as expired: its time to live is
 * 1 ms, and its time is `tombstoneBackMs` earlier, so that their clocks may be behind. Its mark is a conflation key
 * without a letter and with the count 0, which nobody can publish; its payload says what it recalls (`core/recall.ts`).
 *
 * `user` does not travel: only a history keeps it.
 */
export const envelopeVersion = 1;

/** How much earlier than it was accepted a tombstone's time is on the bus, in milliseconds. */
export const tombstoneBackMs = 5_000;

/** A message that is no envelope, or an envelope of a version unknown to this process. */
export class EnvelopeError extends Error {
  override readonly name = 'EnvelopeError';
}

/** A batch without its channel's name, which the bus channel implies. */
export interface Envelope {
  readonly epoch: string;
  readonly firstOffset: number;
  readonly publications: readonly Publication[];
}

const flag = { binary: 1, conflated: 8, sum: 16, sender: 32, traceparent: 64, unused: 128 } as const;
const priorityCodes = ['high', 'normal', 'low'] as const;
const epochBytesMax = 32;
/** A W3C traceparent has 55 characters; future versions may append to it. */
const traceparentBytesMax = 128;

/** Encodes the body of an envelope: the part that the publisher hands to the script. */
export function encodeBody(publications: readonly Publication[]): Buffer {
  assert(publications.length >= 1 && publications.length <= limits.appendPublicationsMax);
  let length = 2;
  for (const publication of publications) length += publicationLength(publication);
  const body = Buffer.allocUnsafe(length);
  let at = body.writeUInt16BE(publications.length, 0);
  for (const publication of publications) at = writePublication(body, at, publication);
  assert(at === length);
  return body;
}

/**
 * Decodes an envelope. Payloads are views of `bytes`, not copies.
 * @throws EnvelopeError
 */
export function decodeEnvelope(bytes: Buffer): Envelope {
  const reader = new Reader(bytes);
  const version = reader.uint8();
  if (version !== envelopeVersion) throw new EnvelopeError(`envelope version ${version} is not known here`);
  const epoch = reader.text(reader.uint8(), epochBytesMax);
  if (!/^[0-9A-Za-z]+$/.test(epoch)) throw new EnvelopeError('the epoch is not letters and digits');
  const firstOffset = reader.uint64();
  const count = reader.uint16();
  if (count < 1 || count > limits.appendPublicationsMax) throw new EnvelopeError(`${count} publications in one envelope`);
  if (firstOffset < 1 || !Number.isSafeInteger(firstOffset + count)) throw new EnvelopeError('the offset is out of range');
  const publications: Publication[] = [];
  for (let index = 0; index < count; index++) publications.push(readPublication(reader));
  reader.end();
  return { epoch, firstOffset, publications };
}

/** The form in which a publication travels. */
function travelling(publication: Publication): Publication {
  if (publication.recall === undefined) return publication;
  const acceptedAt = Math.max(0, publication.acceptedAt - tombstoneBackMs);
  return { ...publication, acceptedAt, ttlMs: 1, conflation: { key: '', mode: 'Latest', count: 0 } };
}

/** The publication that came: a tombstone where it has the mark of one. */
function arrived(publication: Publication): Publication {
  const { conflation } = publication;
  if (conflation?.key !== '' || conflation.count !== 0) return publication;
  const recall = readRecall(publication.payload);
  if (recall === undefined) throw new EnvelopeError('a tombstone that does not say what it recalls');
  return { ...publication, acceptedAt: publication.acceptedAt + tombstoneBackMs, ttlMs: 0, conflation: undefined, recall };
}

/** Bytes of a publication in the body of an envelope. */
export function publicationLength(publication: Publication): number {
  const { conflation, sender, traceparent, payload } = travelling(publication);
  let length = 1 + 8 + 4 + 4 + payload.length;
  if (sender !== undefined) length += 8;
  if (conflation !== undefined) length += 1 + Buffer.byteLength(conflation.key) + 4;
  if (traceparent !== undefined) length += 1 + Buffer.byteLength(traceparent);
  return length;
}

function writePublication(target: Buffer, start: number, given: Publication): number {
  const publication = travelling(given);
  const { conflation, sender, traceparent, payload } = publication;
  assert(payload.length <= limits.payloadBytesMax);
  let flags = priorityCodes.indexOf(publication.priority) << 1;
  if (publication.kind === 'binary') flags |= flag.binary;
  if (conflation !== undefined) flags |= flag.conflated | (conflation.mode === 'Sum' ? flag.sum : 0);
  if (sender !== undefined) flags |= flag.sender;
  if (traceparent !== undefined) flags |= flag.traceparent;
  let at = target.writeUInt8(flags, start);
  at = target.writeDoubleBE(publication.acceptedAt, at);
  at = target.writeUInt32BE(publication.ttlMs, at);
  if (sender !== undefined) at = target.writeDoubleBE(sender, at);
  if (conflation !== undefined) {
    at = writeShortText(target, at, conflation.key, limits.conflateKeyBytesMax);
    at = target.writeUInt32BE(conflation.count, at);
  }
  if (traceparent !== undefined) at = writeShortText(target, at, traceparent, traceparentBytesMax);
  at = target.writeUInt32BE(payload.length, at);
  return at + payload.copy(target, at);
}

function writeShortText(target: Buffer, at: number, text: string, bytesMax: number): number {
  const written = target.write(text, at + 1);
  assert(written <= bytesMax, `a text of ${written} bytes where ${bytesMax} are allowed`);
  target[at] = written;
  return at + 1 + written;
}

function readPublication(reader: Reader): Publication {
  const flags = reader.uint8();
  const priority = priorityCodes[(flags >> 1) & 3];
  if (priority === undefined || (flags & flag.unused) !== 0 || (flags & (flag.conflated | flag.sum)) === flag.sum)
    throw new EnvelopeError(`flags ${flags} are not known here`);
  const acceptedAt = reader.wholeNumber();
  const ttlMs = reader.uint32Max(limits.ttlMsMax);
  const sender = (flags & flag.sender) === 0 ? undefined : reader.wholeNumber();
  const conflation = (flags & flag.conflated) === 0 ? undefined : readConflation(reader, (flags & flag.sum) !== 0);
  const traceparent = (flags & flag.traceparent) === 0 ? undefined : reader.text(reader.uint8(), traceparentBytesMax);
  const payload = reader.bytes(reader.uint32Max(limits.payloadBytesMax));
  const kind = (flags & flag.binary) === 0 ? 'text' : 'binary';
  return arrived({ kind, payload, priority, acceptedAt, ttlMs, conflation, sender, traceparent });
}

function readConflation(reader: Reader, sum: boolean): Conflation {
  const key = reader.text(reader.uint8(), limits.conflateKeyBytesMax);
  return { key, mode: sum ? 'Sum' : 'Latest', count: reader.uint32Max(limits.conflateCountMax) };
}

/** Reads fields from the front. A missing field, or one beyond its bounds, is an EnvelopeError. */
class Reader {
  readonly #source: Buffer;
  #at = 0;

  constructor(source: Buffer) {
    this.#source = source;
  }

  uint8(): number {
    return this.#source.readUInt8(this.#advance(1));
  }

  uint16(): number {
    return this.#source.readUInt16BE(this.#advance(2));
  }

  uint64(): number {
    return Number(this.#source.readBigUInt64BE(this.#advance(8)));
  }

  uint32Max(maximum: number): number {
    const value = this.#source.readUInt32BE(this.#advance(4));
    if (value > maximum) throw new EnvelopeError(`${value} where at most ${maximum} is allowed`);
    return value;
  }

  /** A whole number of 0 to 2^53 − 1, encoded as a double. */
  wholeNumber(): number {
    const value = this.#source.readDoubleBE(this.#advance(8));
    if (!Number.isSafeInteger(value) || value < 0) throw new EnvelopeError('not a whole number');
    return value;
  }

  text(length: number, bytesMax: number): string {
    if (length > bytesMax) throw new EnvelopeError(`a text of ${length} bytes where at most ${bytesMax} are allowed`);
    const bytes = this.bytes(length);
    if (!isUtf8(bytes)) throw new EnvelopeError('a text is not UTF-8');
    return bytes.toString();
  }

  bytes(length: number): Buffer {
    const start = this.#advance(length);
    return this.#source.subarray(start, start + length);
  }

  end(): void {
    if (this.#at !== this.#source.length) throw new EnvelopeError(`${this.#source.length - this.#at} bytes too many`);
  }

  #advance(length: number): number {
    const start = this.#at;
    if (length > this.#source.length - start) throw new EnvelopeError('the envelope ends too early');
    this.#at = start + length;
    return start;
  }
}

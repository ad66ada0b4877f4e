import assert from 'node:assert/strict';
import { resultOf } from '../bus/append-result.ts';
import { KeysRefused, type AppendResult } from '../bus/bus.ts';
import { publicationLength } from '../bus/envelope.ts';
import { keyContentBytes, keyIdBytes, type AppendKeys, type IdempotencyKey } from '../idempotency-key.ts';
import type { Position, Publication } from '../publication.ts';

/** One append of a batch, as far as its keys matter. */
export interface KeyedAppend {
  readonly publications: readonly Publication[];
  readonly keys: AppendKeys | undefined;
}

/** What `append.lua` answers for a batch with keys. */
export type KeyedReply = readonly [epoch: Buffer, offset: number, appended: number, verdicts: readonly number[], known: readonly Buffer[]];

const partBytes = 1 + 4 + keyIdBytes + keyContentBytes;
const flag = { last: 1, key: 2 } as const;

/** The parts of a batch as `append.lua` reads them: what belongs to which append, and its key. */
export function encodeParts(appends: readonly KeyedAppend[]): Buffer {
  const parts = appends.flatMap(({ publications, keys }) =>
    publications.map((publication, index) => ({ publication, key: keys?.keys[index], isLast: index === publications.length - 1 })),
  );
  const bytes = Buffer.alloc(parts.length * partBytes);
  let at = 0;
  for (const { publication, key, isLast } of parts) {
    bytes.writeUInt8((isLast ? flag.last : 0) | (key === undefined ? 0 : flag.key), at);
    bytes.writeUInt32BE(publicationLength(publication), at + 1);
    if (key !== undefined) writeKey(bytes, at + 5, key);
    at += partBytes;
  }
  return bytes;
}

function writeKey(bytes: Buffer, at: number, { id, content }: IdempotencyKey): void {
  assert(id.length === keyIdBytes && content.length === keyContentBytes);
  bytes.write(id + content, at, 'latin1');
}

/** The results of the appends of a batch, in their order. */
export function resultsOf(appends: readonly KeyedAppend[], reply: KeyedReply): readonly (AppendResult | KeysRefused)[] {
  const [epoch, offset, appended, verdicts, values] = reply;
  let lastOffset = offset - appended;
  let first = 0;
  return appends.map(({ publications, keys }, index) => {
    const known = new Map<number, Position>();
    const reused: number[] = [];
    for (const [place, value] of values.slice(first, first + publications.length).entries()) {
      if (value.length === 0) continue;
      known.set(place, placeIn(value));
      if (value.toString('latin1', 0, keyContentBytes) !== keys?.keys[place]?.content) reused.push(place);
    }
    first += publications.length;
    if (reused.length > 0) return new KeysRefused('reused', reused);
    if (verdicts[index] !== 0) return new KeysRefused('full');
    if (known.size === publications.length) return resultOf(undefined, known);
    const firstOffset = lastOffset + 1;
    lastOffset += publications.length - known.size;
    return resultOf({ epoch: epoch.toString(), firstOffset, lastOffset }, known);
  });
}

function placeIn(value: Buffer): Position {
  return { offset: Number(value.readBigUInt64BE(keyContentBytes)), epoch: value.toString('latin1', keyContentBytes + 8) };
}

import { limits } from './limits.ts';
import type { Publication, Recall } from './publication.ts';

const nothing = Buffer.alloc(0);

/**
 * A tombstone: the publication that recalls others. Its payload is the form in which a bus carries it.
 * @param recall offsets in rising order, at most `limits.recallOffsetsMax` of them
 */
export function tombstone(recall: Recall, acceptedAt: number): Publication {
  return {
    kind: 'text',
    payload: Buffer.from(JSON.stringify(recall.kind === 'all' ? { all: true } : { offsets: recall.offsets })),
    priority: 'high',
    acceptedAt,
    ttlMs: 0,
    conflation: undefined,
    sender: undefined,
    traceparent: undefined,
    recall,
  };
}

/** Reads the payload of a tombstone; `undefined` for anything else. */
export function readRecall(payload: Buffer): Recall | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(payload.toString());
  } catch {
    return undefined;
  }
  if (typeof fields !== 'object' || fields === null) return undefined;
  const { all, offsets } = fields as { readonly all?: unknown; readonly offsets?: unknown };
  if (all === true) return { kind: 'all' };
  const isGood = Array.isArray(offsets) && offsets.length >= 1 && offsets.length <= limits.recallOffsetsMax && isRising(offsets);
  return isGood ? { kind: 'offsets', offsets } : undefined;
}

function isRising(offsets: readonly unknown[]): offsets is readonly number[] {
  let last = 0;
  return offsets.every((offset) => {
    if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset <= last) return false;
    last = offset;
    return true;
  });
}

/** What is left of a recalled publication: its place, and when it was accepted. A tombstone stays what it is. */
export function withoutContent(publication: Publication): Publication {
  if (publication.recall !== undefined || publication.isRecalled === true) return publication;
  const { priority, acceptedAt } = publication;
  return {
    kind: 'text',
    payload: nothing,
    priority,
    acceptedAt,
    ttlMs: 0,
    conflation: undefined,
    sender: undefined,
    traceparent: undefined,
    isRecalled: true,
  };
}

/** What a tombstone recalls, as clients are told: offsets, or every offset up to one. */
export type ToldRecall = { readonly offsets: readonly number[] } | { readonly upto: number };

/** What the tombstone at an offset tells clients. */
export function toldRecall(offset: number, recall: Recall): ToldRecall {
  return recall.kind === 'all' ? { upto: offset - 1 } : { offsets: recall.offsets };
}

/** Calls with each offset of `(after, upto]` that the tombstone at an offset recalls. */
export function eachRecalled(
  { offset, recall }: { readonly offset: number; readonly recall: Recall },
  { after, upto }: { readonly after: number; readonly upto: number },
  call: (offset: number) => void,
): void {
  if (recall.kind === 'all') for (let each = after + 1; each <= Math.min(upto, offset - 1); each++) call(each);
  else for (const each of recall.offsets) if (each > after && each <= upto && each < offset) call(each);
}

import type { KeptPublication } from '../../core/history.ts';
import { toldRecall } from '../../core/recall.ts';
import { segmentOffsets, type Order, type Span } from './segments.ts';

/** Milliseconds that a client waits before it asks for the head again, by the silence of the channel. */
const waits = [
  { quietMs: 10_000, waitMs: 1_000 },
  { quietMs: 60_000, waitMs: 2_000 },
  { quietMs: Number.POSITIVE_INFINITY, waitMs: 5_000 },
] as const;

/** How long a client waits before it asks again, in milliseconds. @param quietMs since the newest publication */
export function waitMsOf(quietMs: number): number {
  return waits.find((each) => quietMs < each.quietMs)?.waitMs ?? 5_000;
}

interface DocumentPart {
  readonly channel: string;
  readonly epoch: string;
  readonly kept: readonly KeptPublication[];
}

/** A closed segment, or a part of one: a batch of barrage.v1 that leaves out what was recalled, and nothing else. */
export function segmentDocument(part: DocumentPart & { readonly after: number }): string {
  return `${JSON.stringify(batchOf(part, { after: part.after, upto: part.kept.at(-1)?.offset ?? part.after }))}\n`;
}

/** The head of a channel. `kept`: the publications of its open segment. */
export function headDocument(
  { channel, order, kept }: { readonly channel: string; readonly order: Order; readonly kept: readonly KeptPublication[] },
  quietMs: number,
): string {
  const { epoch, offset, earlier } = order;
  const first = kept[0]?.offset;
  const span = { after: first === undefined ? offset : first - 1, upto: kept.at(-1)?.offset ?? offset };
  const head = { channel, epoch, offset, ...(earlier === undefined ? {} : { earlier }), segmentOffsets, waitMs: waitMsOf(quietMs) };
  return `${JSON.stringify({ ...head, open: batchOf({ channel, epoch, kept }, span) })}\n`;
}

function batchOf({ channel, epoch, kept: all }: DocumentPart, { after, upto }: Span): Readonly<Record<string, unknown>> {
  const kept = all.filter(({ publication }) => publication.isRecalled !== true);
  return { type: 'batch', channel, epoch, after, upto, leftOut: all.length - kept.length, ...timesOf(kept), items: kept.map(itemOf) };
}

/** When the publications were accepted, as in every batch of barrage.v1. */
function timesOf(kept: readonly KeptPublication[]): { readonly at?: number; readonly dt?: readonly number[] } {
  const [at, ...later] = kept.map(({ publication }) => publication.acceptedAt);
  if (at === undefined) return {};
  const dt = later.map((time, index) => time - (later[index - 1] ?? at));
  return dt.every((difference) => difference === 0) ? { at } : { at, dt };
}

/**
 * A publication with what a reader needs to leave it out by itself: documents are the same at any time, so they can't
 * leave out what has expired.
 */
function itemOf({ offset, publication }: KeptPublication): Readonly<Record<string, unknown>> {
  const { kind, payload, ttlMs, conflation, recall } = publication;
  if (recall !== undefined) return { offset, recall: toldRecall(offset, recall) };
  return {
    offset,
    ...(ttlMs === 0 ? {} : { ttlMs }),
    ...(conflation?.mode === 'Sum' ? { count: conflation.count } : {}),
    ...(kind === 'binary' ? { kind, data: payload.toString('base64') } : { data: payload.toString() }),
  };
}

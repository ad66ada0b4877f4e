import type { Position } from '../../core/publication.ts';
import { recalledBy } from '../recalls.ts';
import { isRecord, isOffset, readBatch, type ReceivedBatch } from '../wire.ts';
import type { Followed, Head } from './follower.ts';

/** Reads a segment; publications whose time to live has passed at `now` (Unix milliseconds) are left out. */
export function readSegment(document: unknown, now: number | undefined): ReceivedBatch {
  const message = isRecord(document) ? document : {};
  const batch = readBatch(message, undefined);
  if (now === undefined) return batch;
  const items = message['items'] as readonly { readonly offset: number; readonly ttlMs?: unknown }[];
  const ttls = new Map(items.map(({ offset, ttlMs }) => [offset, ttlMs]));
  const isAlive = (ttlMs: unknown, acceptedAt: number | undefined): boolean =>
    typeof ttlMs !== 'number' || acceptedAt === undefined || acceptedAt + ttlMs >= now;
  return { ...batch, publications: batch.publications.filter(({ offset, acceptedAt }) => isAlive(ttls.get(offset), acceptedAt)) };
}

/** Reads a head; `undefined` for anything else. @throws BarrageError `protocol` for an open segment that is no batch */
export function readHead(document: unknown, now: number | undefined): Head<ReceivedBatch> | undefined {
  if (!isRecord(document)) return undefined;
  const { epoch, offset, earlier, segmentOffsets, waitMs, open } = document;
  const isGood =
    typeof epoch === 'string' && isOffset(offset) && isOffset(waitMs) && isOffset(segmentOffsets) && segmentOffsets > 0 && isRecord(open);
  if (!isGood || !(earlier === undefined || isPosition(earlier))) return undefined;
  return { epoch, offset, earlier, segmentOffsets, waitMs, open: readSegment(open, now) };
}

/**
 * Steps of one release, without what a tombstone of a later one recalls: a cache may have kept segments from before it.
 */
export function withoutRecalled(steps: readonly Followed<ReceivedBatch>[]): readonly Followed<ReceivedBatch>[] {
  const batches = steps.flatMap((step) => (step.kind === 'batch' && step.batch.tombstones !== undefined ? [step.batch] : []));
  if (batches.length === 0) return steps;
  return steps.map((step) => {
    if (step.kind !== 'batch') return step;
    const { epoch, publications } = step.batch;
    const isRecalled = recalledBy(batches.flatMap((batch) => (batch.epoch === epoch ? (batch.tombstones ?? []) : [])));
    return { kind: 'batch', batch: { ...step.batch, publications: publications.filter(({ offset }) => !isRecalled(offset)) } };
  });
}

/** The code of an error that a gateway answered; empty for anything else. */
export function codeOf(document: unknown): string {
  const error = isRecord(document) ? document['error'] : undefined;
  const code = isRecord(error) ? error['code'] : undefined;
  return typeof code === 'string' ? code : '';
}

function isPosition(value: unknown): value is Position {
  return isRecord(value) && typeof value['epoch'] === 'string' && isOffset(value['offset']);
}

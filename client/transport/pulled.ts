import type { Position } from '../../core/publication.ts';
import { isRecord, isTime, readBatch, type ReceivedBatch } from '../wire.ts';
import type { Head } from './follower.ts';

/** Reads a segment; publications whose time to live has passed at `now` (Unix milliseconds) are left out. */
export function readSegment(document: unknown, now: number | undefined): ReceivedBatch {
  const message = isRecord(document) ? document : {};
  const batch = readBatch(message, undefined);
  if (now === undefined) return batch;
  const items = message['items'] as readonly { readonly ttlMs?: unknown }[];
  const isAlive = (ttlMs: unknown, acceptedAt: number | undefined): boolean =>
    typeof ttlMs !== 'number' || acceptedAt === undefined || acceptedAt + ttlMs >= now;
  return { ...batch, publications: batch.publications.filter(({ acceptedAt }, index) => isAlive(items[index]?.ttlMs, acceptedAt)) };
}

/** Reads a head; `undefined` for anything else. @throws BarrageError `protocol` for an open segment that is no batch */
export function readHead(document: unknown, now: number | undefined): Head<ReceivedBatch> | undefined {
  if (!isRecord(document)) return undefined;
  const { epoch, offset, earlier, segmentOffsets, waitMs, open } = document;
  const isGood =
    typeof epoch === 'string' && isTime(offset) && isTime(waitMs) && isTime(segmentOffsets) && segmentOffsets > 0 && isRecord(open);
  if (!isGood || !(earlier === undefined || isPosition(earlier))) return undefined;
  return { epoch, offset, earlier, segmentOffsets, waitMs, open: readSegment(open, now) };
}

/** The code of an error that a gateway answered; empty for anything else. */
export function codeOf(document: unknown): string {
  const error = isRecord(document) ? document['error'] : undefined;
  const code = isRecord(error) ? error['code'] : undefined;
  return typeof code === 'string' ? code : '';
}

function isPosition(value: unknown): value is Position {
  return isRecord(value) && typeof value['epoch'] === 'string' && isTime(value['offset']);
}

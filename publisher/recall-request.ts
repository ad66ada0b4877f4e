import { z } from 'zod';
import { channelNameFault } from '../core/channel.ts';
import { keyFault, keyOfHeader } from '../core/idempotency-key.ts';
import { issueWords } from '../core/issue-words.ts';
import { limits } from '../core/limits.ts';
import { faultOf, user, type Parsed } from './request.ts';

/** An operation that takes publications back. */
export type RecallOperation = 'recall' | 'clear';

/** What is to be taken back. */
export type RecallTarget =
  /** Offsets in rising order. */
  | { readonly kind: 'offsets'; readonly epoch: string; readonly offsets: readonly number[] }
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'all' };

export interface RecallRequest {
  readonly channel: string;
  readonly target: RecallTarget;
  readonly idempotencyKey: string | undefined;
}

const path = /^\/v1\/channels\/([^/]*)\/(recall|clear)$/;

/** The operation that a path asks for; `undefined`: another one. */
export function recallOperationOf(requestPath: string): RecallOperation | undefined {
  return path.exec(requestPath)?.[2] as RecallOperation | undefined;
}

const most = limits.recallOffsetsMax;
const offset = z.int({ error: 'must be an offset, which is a whole number from 1' }).min(1, { error: 'must be an offset from 1' });
const recallSchema = z.strictObject({
  epoch: z
    .string({ error: 'must be a string' })
    .regex(/^[0-9A-Za-z]{1,32}$/, { error: 'must be the epoch of an answer' })
    .optional(),
  offsets: z
    .array(offset, { error: 'must be a list of offsets' })
    .min(1, { error: 'names no offset' })
    .max(most, { error: `names more than ${most} offsets: send several requests` })
    .optional(),
  user: user.optional(),
});
const clearSchema = z.strictObject({});

/**
 * Reads `POST /v1/channels/{channel}/recall` or `…/clear`.
 * @param requestPath a path that has a `recallOperationOf`
 * @param key the header `Idempotency-Key`
 */
export function readRecallRequest(requestPath: string, fields: unknown, key: string | undefined): Parsed<RecallRequest> {
  const [, encoded = '', operation] = path.exec(requestPath) ?? [];
  const channel = decoded(encoded);
  if (channel === undefined) return fault('channel: the path is not percent-encoded UTF-8');
  const channelWords = channelNameFault(channel);
  if (channelWords !== undefined) return fault(`channel: ${channelWords}`);
  const idempotencyKey = key === undefined ? undefined : keyOfHeader(key);
  const keyWords = idempotencyKey === undefined ? undefined : keyFault(idempotencyKey);
  if (keyWords !== undefined) return fault(`Idempotency-Key: ${keyWords}`);
  const target = operation === 'clear' ? readClear(fields) : readTarget(fields);
  return target.kind === 'fault' ? target : { kind: 'valid', value: { channel, target: target.value, idempotencyKey } };
}

function readClear(fields: unknown): Parsed<RecallTarget> {
  const read = clearSchema.safeParse(fields, { error: issueWords });
  return read.success ? { kind: 'valid', value: { kind: 'all' } } : fault(faultOf(read.error));
}

function readTarget(fields: unknown): Parsed<RecallTarget> {
  const read = recallSchema.safeParse(fields, { error: issueWords });
  if (!read.success) return fault(faultOf(read.error));
  const { epoch, offsets, user: name } = read.data;
  if (name !== undefined) {
    if (epoch !== undefined || offsets !== undefined) return fault('user: stands alone, without epoch and offsets');
    return { kind: 'valid', value: { kind: 'user', user: name } };
  }
  if (offsets === undefined) return fault('name what to recall: epoch and offsets, or user');
  if (epoch === undefined) return fault('epoch: is missing: offsets mean nothing without their epoch, which answers and batches tell');
  return { kind: 'valid', value: { kind: 'offsets', epoch, offsets: [...new Set(offsets)].toSorted((a, b) => a - b) } };
}

function fault(message: string): { readonly kind: 'fault'; readonly message: string } {
  return { kind: 'fault', message };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

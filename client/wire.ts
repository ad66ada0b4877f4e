import {
  binaryHeaderLengthBytes,
  type Batch,
  type BatchItem,
  type Direct,
  type ServerMessage,
  type SubscribeResult,
} from '../core/protocol/barrage-v1.ts';
import { BarrageError } from './errors.ts';
import type { Span } from './position.ts';
import { recalledBy, type Tombstone } from './recalls.ts';

/** One publication in the subscriber's form. */
export interface Publication {
  readonly channel: string;
  readonly offset: number;
  /** Text as it was published; bytes for a binary publication. */
  readonly data: string | Uint8Array;
  /** The sum of counts (a thousand likes); absent for a publication that was not summed. */
  readonly count?: number;
  /**
   * Time at which a publisher accepted it, in Unix milliseconds by that machine's clock; of several that were summed or
   * conflated the newest's. Absent when the gateway is of a version that does not tell times.
   */
  readonly acceptedAt?: number;
}

/** A publication as it arrived, with the parts of its sum. */
export interface ReceivedPublication extends Publication {
  readonly parts?: readonly number[];
}

/** A batch with its payloads decoded. */
export interface ReceivedBatch extends Span {
  readonly type: 'batch';
  readonly channel: string;
  /** Without those that a tombstone of the same batch recalls. */
  readonly publications: readonly ReceivedPublication[];
  /** In the order of their offsets; absent where there is none. */
  readonly tombstones?: readonly Tombstone[];
}

/** A payload sent to this connection alone. */
interface ReceivedDirect {
  readonly type: 'direct';
  readonly data: string | Uint8Array;
}

/** A gateway's message, checked. A type that this client does not know is `unknown`, and is ignored. */
export type Received = Exclude<ServerMessage, Batch | Direct> | ReceivedBatch | ReceivedDirect | { readonly type: 'unknown' };

/**
 * Reads one WebSocket message of the gateway.
 * @throws BarrageError `protocol` for anything but a message of `barrage.v1`
 */
export function readMessage(data: unknown): Received {
  if (typeof data === 'string') return read(data);
  if (!(data instanceof ArrayBuffer)) fault('neither text nor an ArrayBuffer');
  if (data.byteLength < binaryHeaderLengthBytes) fault('header');
  const start = binaryHeaderLengthBytes + new DataView(data).getUint32(0);
  if (start > data.byteLength) fault('header');
  const header = utf8(new Uint8Array(data, binaryHeaderLengthBytes, start - binaryHeaderLengthBytes));
  return read(header, new Uint8Array(data, start));
}

function read(text: string, payloads?: Uint8Array): Received {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    fault('not JSON');
  }
  if (!isRecord(message) || !isText(message['type'])) fault('type');
  const { type } = message;
  if (type === 'batch') return readBatch(message, payloads);
  const isGood = Object.hasOwn(shapes, type) ? shapes[type] : undefined;
  if (isGood === undefined) return { type: 'unknown' };
  if (payloads !== undefined || !isGood(message)) fault(type);
  if (type !== 'direct') return message as unknown as Exclude<Received, ReceivedBatch | ReceivedDirect>;
  const { kind, data } = message as unknown as Direct;
  return { type, data: kind === 'text' ? data : fromBase64(data) };
}

/**
 * Reads a batch. Binary payloads follow the header, or stand in the items as base64 where a transport is text only.
 * @throws BarrageError `protocol` for anything else
 */
export function readBatch(message: Record<string, unknown>, payloads: Uint8Array | undefined): ReceivedBatch {
  if (!isBatch(message)) fault('batch');
  const { channel, epoch, after, upto, items, at, dt } = message as unknown as Batch;
  if (dt !== undefined && (at === undefined || dt.length !== items.length - 1)) fault('dt');
  let acceptedAt = at;
  let last = after;
  let start = 0;
  const tombstones: Tombstone[] = [];
  const publications = items.flatMap((item: BatchItem, index): ReceivedPublication | readonly never[] => {
    if (!isItem(item) || item.offset <= last || item.offset > upto) fault('item');
    const { offset, count, parts, recall, kind, size } = item;
    last = offset;
    if (acceptedAt !== undefined && index > 0) acceptedAt += dt?.[index - 1] ?? 0;
    if (recall !== undefined) {
      tombstones.push(readTombstone(offset, recall));
      return [];
    }
    let data: unknown = item.data;
    if (payloads !== undefined) {
      if (!isOffset(size) || start + size > payloads.length) fault('size');
      const bytes = payloads.subarray(start, (start += size));
      // A copy: a subscriber that keeps one small publication must not keep its whole frame.
      data = kind === 'binary' ? bytes.slice() : utf8(bytes);
    } else if (!isText(data)) fault('data');
    else if (kind === 'binary') data = fromBase64(data);
    return {
      channel,
      offset,
      data: data as string | Uint8Array,
      ...(count === undefined ? {} : { count }),
      ...(parts === undefined ? {} : { parts }),
      ...(acceptedAt === undefined ? {} : { acceptedAt }),
    };
  });
  if (payloads !== undefined && start !== payloads.length) fault('size');
  const batch: ReceivedBatch = { type: 'batch', channel, epoch, after, upto, publications };
  if (tombstones.length === 0) return batch;
  const isRecalled = recalledBy(tombstones);
  return { ...batch, publications: publications.filter(({ offset }) => !isRecalled(offset)), tombstones };
}

function readTombstone(offset: number, recall: object): Tombstone {
  const { offsets, upto } = recall as Record<string, unknown>;
  const isBelow = (value: unknown): value is number => isOffset(value) && value < offset;
  if (isBelow(upto) && offsets === undefined) return { offset, upto };
  if (!Array.isArray(offsets) || upto !== undefined || !offsets.every(isOffset)) fault('recall');
  return { offset, offsets: offsets.filter(isBelow) };
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    fault('not base64');
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
function utf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Whether a value is an object with fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Whether a value is a whole number from 0 on: an offset, a number of bytes, or a time in Unix milliseconds. */
export function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isAmount(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) >= 0;
}

function isPositive(value: unknown): value is number {
  return isAmount(value) && value > 0;
}

function isFlag(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

/** Whether a value is a list of counts, with a step of at least one offset between each two. */
function areParts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length % 2 === 1 && value.every((each, index) => isAmount(each) && (index % 2 === 0 || each >= 1));
}

type Check = (value: unknown) => boolean;

function optional(isGood: Check): Check {
  return (value) => value === undefined || isGood(value);
}

/** Whether a value has these fields, and perhaps others. */
function record(fields: Readonly<Record<string, Check>>): Check {
  const checks = Object.entries(fields);
  return (value) => isRecord(value) && checks.every(([name, isGood]) => isGood(value[name]));
}

const place = { epoch: isText, offset: isOffset };
const subscription = { ...place, recovered: optional(isFlag), density: optional(isAmount) };
const isResult = record(subscription);
const spanFields = record({ channel: isText, epoch: isText, after: isOffset, upto: isOffset });
const isSpan: Check = (value) => spanFields(value) && (value as Span).after <= (value as Span).upto;
const isItem = record({ offset: isOffset, count: optional(isAmount), parts: optional(areParts), recall: optional(isRecord) });
const batchFields = record({
  leftOut: isOffset,
  items: Array.isArray,
  at: optional(isOffset),
  dt: optional((value) => Array.isArray(value) && value.every(Number.isSafeInteger)),
});
const isBatch: Check = (value) => isSpan(value) && batchFields(value);
const isReply = record({
  id: isOffset,
  result: optional(isRecord),
  error: optional(record({ code: isText, message: isText, retry: isFlag })),
});

/** Whether an object has the bounds of a back-off. */
export const isBackoff: Check = record({ baseMs: isPositive, capMs: isPositive });

/** Whether this is the result of a subscribe. */
export function isSubscribeResult(result: object): result is SubscribeResult {
  return isResult(result);
}

/** What each message must have that comes as text only. A binary frame of an unknown type is ignored. */
const shapes: Readonly<Record<string, Check>> = {
  hello: record({
    client: isText,
    now: optional(isOffset),
    pingIntervalMs: isPositive,
    pongTimeoutMs: isPositive,
    backoff: isBackoff,
    limits: record({ frameBytesMax: isPositive, commandsPerSecondMax: isPositive }),
  }),
  reply: (value) => isReply(value) && ('result' in (value as object) || 'error' in (value as object)),
  gap: isSpan,
  epoch: record({ channel: isText, epoch: isText, before: record(place) }),
  reconnect: record({ url: optional(isText), afterMs: isAmount, transport: optional(isText) }),
  backoff: isBackoff,
  unsubscribed: record({ channel: isText }),
  subscribed: record({ channel: isText, ...subscription }),
  direct: record({ kind: (value) => value === 'text' || value === 'binary', data: isText }),
};

/** The other end does not speak barrage.v1. @param what the part of its message that is malformed */
function fault(what: string): never {
  throw new BarrageError('protocol', `the gateway sent a malformed message: ${what}`, true);
}

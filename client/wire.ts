import {
  binaryHeaderLengthBytes,
  type Batch,
  type BatchItem,
  type CommandError,
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
  if (data.byteLength < binaryHeaderLengthBytes) fault('a binary frame without a header');
  const start = binaryHeaderLengthBytes + new DataView(data).getUint32(0);
  if (start > data.byteLength) fault('a header longer than its frame');
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
  if (!isRecord(message) || typeof message['type'] !== 'string') fault('not an object with a type');
  const type = message['type'] as ServerMessage['type'];
  if (payloads !== undefined && type !== 'batch' && textTypes.has(type)) fault(`a binary frame with a ${type}`);
  switch (type) {
    case 'batch':
      return readBatch(message, payloads);
    case 'hello':
      return checked(message, isHello);
    case 'reply':
      return checked(message, isReply);
    case 'gap':
      return checked(message, isSpanOfChannel);
    case 'epoch':
      return checked(message, isEpochChange);
    case 'reconnect':
      return checked(message, ({ url, afterMs, transport }) => isText(url) && isText(transport) && isAmount(afterMs));
    case 'unsubscribed':
      return checked(message, ({ channel }) => typeof channel === 'string');
    case 'subscribed':
      return checked(message, (record) => typeof record['channel'] === 'string' && isSubscribeResult(record));
    case 'backoff':
      return checked(message, isBackoff);
    case 'direct':
      return readDirect(message);
    default:
      return { type: 'unknown' };
  }
}

/** Messages that come as text only. A binary frame of any type but a batch is ignored. */
const textTypes = new Set<ServerMessage['type']>([
  'hello',
  'reply',
  'gap',
  'epoch',
  'reconnect',
  'backoff',
  'unsubscribed',
  'subscribed',
  'direct',
]);

function readDirect({ kind, data }: Record<string, unknown>): ReceivedDirect {
  if ((kind !== 'text' && kind !== 'binary') || typeof data !== 'string') fault('a direct that lacks something');
  return { type: 'direct', data: kind === 'text' ? data : fromBase64(data) };
}

/**
 * Reads a batch. Binary payloads follow the header, or stand in the items as base64 where a transport is text only.
 * @throws BarrageError `protocol` for anything else
 */
export function readBatch(message: Record<string, unknown>, payloads: Uint8Array | undefined): ReceivedBatch {
  const { items } = message;
  if (!isSpanOfChannel(message) || !isOffset(message['leftOut']) || !Array.isArray(items)) fault('a batch without its span or items');
  const { channel, epoch, after, upto } = message as unknown as Batch;
  const times = readTimes(message['at'], message['dt'], items.length);
  let last = after;
  let at = 0;
  const tombstones: Tombstone[] = [];
  const publications = (items as readonly BatchItem[]).flatMap((item, index): ReceivedPublication | readonly never[] => {
    if (!isRecord(item) || !isOffset(item['offset']) || item['offset'] <= last || item['offset'] > upto) {
      fault('offsets of a batch that do not rise within its span');
    }
    const { offset, count, parts, recall } = item as unknown as BatchItem;
    if (recall !== undefined) {
      last = offset;
      tombstones.push(readTombstone(offset, recall));
      return [];
    }
    if (count !== undefined && !isAmount(count)) fault('a count that is not a number');
    if (parts !== undefined && !areParts(parts)) fault('parts of a sum that are no counts and steps');
    last = offset;
    let data: unknown = item['data'];
    if (payloads !== undefined) {
      const { kind, size } = item as unknown as BatchItem;
      if (!isOffset(size) || at + size > payloads.length) fault('payloads shorter than the batch says');
      const bytes = payloads.subarray(at, (at += size));
      // A copy: a subscriber that keeps one small publication must not keep its whole frame.
      data = kind === 'binary' ? bytes.slice() : utf8(bytes);
    } else if (typeof data !== 'string') fault('an item without data');
    else if (item['kind'] === 'binary') data = fromBase64(data);
    return {
      channel,
      offset,
      data: data as string | Uint8Array,
      ...(count === undefined ? {} : { count }),
      ...(parts === undefined ? {} : { parts }),
      ...(times === undefined ? {} : { acceptedAt: times[index] as number }),
    };
  });
  if (payloads !== undefined && at !== payloads.length) fault('payloads longer than the batch says');
  if (tombstones.length === 0) return { type: 'batch', channel, epoch, after, upto, publications };
  const isRecalled = recalledBy(tombstones);
  const left = publications.filter(({ offset }) => !isRecalled(offset));
  return { type: 'batch', channel, epoch, after, upto, publications: left, tombstones };
}

function readTombstone(offset: number, recall: object): Tombstone {
  if (!isRecord(recall)) fault('a recall that says nothing');
  const { offsets, upto } = recall;
  const isBelow = (value: unknown): value is number => isOffset(value) && value < offset;
  if (isBelow(upto) && offsets === undefined) return { offset, upto };
  if (!Array.isArray(offsets) || upto !== undefined || !offsets.every(isOffset)) fault('a recall of no offsets');
  return { offset, offsets: offsets.filter(isBelow) };
}

/** Whether this is the result of a subscribe. */
export function isSubscribeResult(result: object): result is SubscribeResult {
  const { epoch, offset, recovered, density } = result as Record<string, unknown>;
  return (
    typeof epoch === 'string' &&
    isOffset(offset) &&
    (recovered === undefined || typeof recovered === 'boolean') &&
    (density === undefined || isAmount(density))
  );
}

/** Bytes as base64. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  // Converted in parts, since a call's arguments are bounded.
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
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

function checked<T extends ServerMessage>(message: Record<string, unknown>, isGood: (message: Record<string, unknown>) => boolean): T {
  if (!isGood(message)) fault(`a ${String(message['type'])} that lacks something`);
  return message as unknown as T;
}

function isHello({ client, now, pingIntervalMs, pongTimeoutMs, backoff, limits }: Record<string, unknown>): boolean {
  return (
    typeof client === 'string' &&
    (now === undefined || isTime(now)) &&
    isPositive(pingIntervalMs) &&
    isPositive(pongTimeoutMs) &&
    isRecord(backoff) &&
    isBackoff(backoff) &&
    isRecord(limits) &&
    isPositive(limits['frameBytesMax']) &&
    isPositive(limits['commandsPerSecondMax'])
  );
}

/** Whether an object has the bounds of a back-off. */
export function isBackoff({ baseMs, capMs }: Record<string, unknown>): boolean {
  return isPositive(baseMs) && isPositive(capMs);
}

function isReply({ id, result, error }: Record<string, unknown>): boolean {
  return isOffset(id) && (isRecord(result) || isCommandError(error));
}

function isCommandError(error: unknown): error is CommandError {
  return (
    isRecord(error) && typeof error['code'] === 'string' && typeof error['message'] === 'string' && typeof error['retry'] === 'boolean'
  );
}

function isSpanOfChannel({ channel, epoch, after, upto }: Record<string, unknown>): boolean {
  return typeof channel === 'string' && typeof epoch === 'string' && isOffset(after) && isOffset(upto) && after <= upto;
}

function isEpochChange({ channel, epoch, before }: Record<string, unknown>): boolean {
  return (
    typeof channel === 'string' &&
    typeof epoch === 'string' &&
    isRecord(before) &&
    typeof before['epoch'] === 'string' &&
    isOffset(before['offset'])
  );
}

/** Whether a value is an object with fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value is a list of counts, with a step of at least one offset between each two. */
function areParts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length % 2 === 1 && value.every((each, index) => isAmount(each) && (index % 2 === 0 || each >= 1));
}

/** The time of each item: `at` is the first one's, and `dt` has the difference of each further one from the last. */
function readTimes(at: unknown, dt: unknown, items: number): readonly number[] | undefined {
  if (at === undefined && dt === undefined) return undefined;
  const isGood = isTime(at) && (dt === undefined || (Array.isArray(dt) && dt.length === items - 1 && dt.every(Number.isSafeInteger)));
  if (!isGood) fault('times of a batch that are no number and its differences');
  let last = at;
  return Array.from({ length: items }, (_, index) => (last += index === 0 ? 0 : ((dt as readonly number[] | undefined)?.[index - 1] ?? 0)));
}

/** Whether a value is a time in Unix milliseconds. */
export function isTime(value: unknown): value is number {
  return isOffset(value);
}

/** Whether an optional text is absent or a text. */
function isText(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isAmount(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) >= 0;
}

function isPositive(value: unknown): value is number {
  return isAmount(value) && value > 0;
}

function fault(what: string): never {
  throw new BarrageError('protocol', `the gateway sent ${what}`, true);
}

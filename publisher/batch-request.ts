import { channelNameFault } from '../core/channel.ts';
import { idempotencyKey, keyFault, keyOfHeader, type IdempotencyKey } from '../core/idempotency-key.ts';
import { limits } from '../core/limits.ts';
import type { Publication } from '../core/publication.ts';
import { publisherBounds } from './bounds.ts';
import { refuse, type Refusal } from './errors.ts';
import { shown } from '../core/issue-words.ts';
import { parsePublish, type PublishRequest } from './request.ts';

/** One publication of a request to one of its channels. */
export interface BatchTarget {
  /** Its place in the request. */
  readonly index: number;
  readonly request: PublishRequest;
  /** Whether a repetition would be known: it has a key, or the request has one. */
  readonly hasKey: boolean;
}

/** A request to publish many publications. */
export interface BatchRequest {
  /** The channels of each publication, and whether they were named as a list. */
  readonly entries: readonly { readonly channels: readonly string[]; readonly isList: boolean }[];
  /** What each channel gets, in the order of the request. */
  readonly byChannel: ReadonlyMap<string, readonly BatchTarget[]>;
  /** The request's own key. */
  readonly key: string | undefined;
}

type Entry = BatchRequest['entries'][number] & { readonly request: PublishRequest };
type Read<T> = { readonly kind: 'read'; readonly value: T } | Refusal;

/**
 * Reads `POST /v1/publish`. A fault of a field, and a bound, refuse the request as a whole.
 * @param header the header `Idempotency-Key`
 */
export function readBatch(fields: Readonly<Record<string, unknown>>, header: string | undefined): Read<BatchRequest> {
  const key = header === undefined ? undefined : keyOfHeader(header);
  const wrongKey = key === undefined ? undefined : keyFault(key);
  if (wrongKey !== undefined) return refuse('badArguments', `Idempotency-Key: ${wrongKey}`);
  const { publications, ...others } = fields;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return refuse('badArguments', `unknown field ${shown(unknown)} (a request has publications)`);
  if (!Array.isArray(publications) || publications.length === 0)
    return refuse('badArguments', 'publications: must be a list with at least one publication');
  if (publications.length > publisherBounds.batchPublicationsMax) return tooManyPublications(publications.length);
  const entries: Entry[] = [];
  for (const [index, publication] of publications.entries()) {
    const read = readEntry(publication);
    if (read.kind === 'refused') return { ...read, message: `publications[${index}]: ${read.message}` };
    entries.push(read.value);
  }
  return boundsFault(entries) ?? grouped(entries, key);
}

function readEntry(fields: unknown): Read<Entry> {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return refuse('badArguments', 'must be an object');
  for (const name of ['wait', 'waitMs']) if (Object.hasOwn(fields, name)) return refuse('badArguments', `unknown field "${name}"`);
  if (!Object.hasOwn(fields, 'channels')) {
    const read = parsePublish(fields);
    if (read.kind === 'fault') return refuse('badArguments', read.message);
    return { kind: 'read', value: { channels: [read.value.channel], isList: false, request: read.value } };
  }
  const { channels, ...others } = fields as { readonly channels: unknown };
  if (Object.hasOwn(others, 'c')) return refuse('badArguments', 'c and channels name the same: send one');
  const fault = listFault(channels);
  if (fault !== undefined) return refuse('badArguments', `channels: ${fault}`);
  const names = channels as readonly string[];
  const read = parsePublish({ ...others, c: names[0] });
  if (read.kind === 'fault') return refuse('badArguments', read.message);
  return { kind: 'read', value: { channels: names, isList: true, request: read.value } };
}

function listFault(channels: unknown): string | undefined {
  if (!Array.isArray(channels) || channels.length === 0) return 'must be a list of channels';
  for (const name of channels) {
    if (typeof name !== 'string') return 'must be a list of channels';
    const fault = channelNameFault(name);
    if (fault !== undefined) return `${shown(name)}: ${fault}`;
  }
  return new Set(channels).size < channels.length ? 'names a channel twice' : undefined;
}

function boundsFault(entries: readonly Entry[]): Refusal | undefined {
  const { batchBytesMax, batchPublicationsMax } = publisherBounds;
  const count = entries.reduce((sum, { channels }) => sum + channels.length, 0);
  if (count > batchPublicationsMax) return tooManyPublications(count);
  const bytes = entries.reduce((sum, { channels, request }) => sum + channels.length * request.payload.length, 0);
  if (bytes > batchBytesMax)
    return refuse('tooLarge', `publications: ${bytes} bytes of payload, once for each channel; a request may have ${batchBytesMax}`);
  return undefined;
}

function tooManyPublications(count: number): Refusal {
  const { batchPublicationsMax } = publisherBounds;
  return refuse('tooLarge', `publications: ${count}, counted once for each channel; a request may have ${batchPublicationsMax}`);
}

function grouped(entries: readonly Entry[], key: string | undefined): Read<BatchRequest> {
  const byChannel = new Map<string, BatchTarget[]>();
  for (const [index, { channels, request }] of entries.entries()) {
    const hasKey = key !== undefined || request.idempotencyKey !== undefined;
    for (const channel of channels) {
      const target = { index, request, hasKey };
      const others = byChannel.get(channel);
      if (others === undefined) byChannel.set(channel, [target]);
      else others.push(target);
    }
  }
  for (const [channel, targets] of byChannel) {
    const fault = channelFault(channel, targets);
    if (fault !== undefined) return fault;
  }
  return { kind: 'read', value: { entries, byChannel, key } };
}

/** The fault of what one channel is to get, which goes as one batch. */
function channelFault(channel: string, targets: readonly BatchTarget[]): Refusal | undefined {
  const { appendPublicationsMax, appendBytesMax } = limits;
  const bytes = targets.reduce((sum, { request }) => sum + request.payload.length, 0);
  if (targets.length > appendPublicationsMax || bytes > appendBytesMax)
    return refuse(
      'tooLarge',
      `channel ${shown(channel)}: ${targets.length} publications of ${bytes} bytes; one request may have ${appendPublicationsMax} of ${appendBytesMax} for a channel`,
    );
  const seen = new Set<string>();
  for (const { index, request } of targets) {
    if (request.idempotencyKey === undefined) continue;
    if (seen.has(request.idempotencyKey))
      return refuse('keyReused', `publications[${index}]: idempotencyKey: it stands twice for channel ${shown(channel)}`);
    seen.add(request.idempotencyKey);
  }
  return undefined;
}

/**
 * The key of a publication: its own, or else the request's, of which each place in the request has its part.
 * @param key the request's
 */
export function keyOfTarget(
  { index, request }: BatchTarget,
  publication: Publication,
  key: string | undefined,
): IdempotencyKey | undefined {
  if (request.idempotencyKey !== undefined) return idempotencyKey('backend', request.idempotencyKey, publication);
  return key === undefined ? undefined : idempotencyKey(`batch ${index}`, key, publication);
}

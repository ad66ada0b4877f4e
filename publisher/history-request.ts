import { channelNameFault } from '../core/channel.ts';
import type { KeptPublication } from '../core/history.ts';
import { limits } from '../core/limits.ts';
import { toldRecall } from '../core/recall.ts';

/** A question for the history of a channel, as a backend asks it. */
export interface HistoryRequest {
  readonly channel: string;
  readonly limit: number;
  /**
   * The offset after which to read, or with `reverse` before which to read. Absent: the newest publications.
   */
  readonly since: number | undefined;
  /** The epoch that `since` is of; absent: the backend does not care. */
  readonly epoch: string | undefined;
  readonly reverse: boolean;
}

const limitDefault = 100;
const path = /^\/v1\/channels\/([^/]*)\/history$/;
const parameters = ['limit', 'since', 'epoch', 'reverse'];

/** Whether a path asks for a channel's history. */
export function isHistoryPath(requestPath: string): boolean {
  return path.test(requestPath);
}

export type ReadHistoryRequest =
  | { readonly kind: 'request'; readonly request: HistoryRequest }
  | { readonly kind: 'fault'; readonly message: string };

/**
 * Reads `GET /v1/channels/{channel}/history?limit&since&epoch&reverse`.
 * @param requestPath a path for which `isHistoryPath` holds
 */
export function readHistoryRequest(requestPath: string, query: string): ReadHistoryRequest {
  const channel = decoded(path.exec(requestPath)?.[1] ?? '');
  if (channel === undefined) return fault('channel: the path is not percent-encoded UTF-8');
  const channelWords = channelNameFault(channel);
  if (channelWords !== undefined) return fault(`channel: ${channelWords}`);
  const values = new URLSearchParams(query);
  for (const name of values.keys()) {
    if (!parameters.includes(name)) return fault(`${name.slice(0, 64)}: unknown here; there are ${parameters.join(', ')}`);
    if (values.getAll(name).length > 1) return fault(`${name}: give it once`);
  }
  const limit = whole(values.get('limit') ?? String(limitDefault), limits.historyPublicationsMax);
  if (limit === undefined || limit < 1) return fault(`limit: must be a whole number from 1 to ${limits.historyPublicationsMax}`);
  const sinceText = values.get('since');
  const since = sinceText === null ? undefined : whole(sinceText, Number.MAX_SAFE_INTEGER);
  if (sinceText !== null && since === undefined) return fault('since: must be an offset, which is a whole number');
  const epochText = values.get('epoch') ?? undefined;
  // On the memory bus a channel has no order before its first publication: its answers have the epoch '' and offset 0.
  const epoch = epochText === '' && since === 0 ? undefined : epochText;
  if (epoch !== undefined && (since === undefined || !/^[0-9A-Za-z]{1,32}$/.test(epoch)))
    return fault('epoch: must be the epoch of an answer, and stand beside since');
  const reverse = values.get('reverse') ?? 'false';
  if (reverse !== 'true' && reverse !== 'false') return fault('reverse: must be true or false');
  return { kind: 'request', request: { channel, limit, since, epoch, reverse: reverse === 'true' } };
}

/** A kept publication in an answer: in the words of `mesh.publish`. */
export function keptFields({ offset, publication }: KeptPublication): Readonly<Record<string, unknown>> {
  const { kind, payload, acceptedAt, priority, conflation, sender, user, ttlMs, recall } = publication;
  if (recall !== undefined) return { offset, acceptedAt, recall: toldRecall(offset, recall) };
  return {
    offset,
    acceptedAt,
    ...(kind === 'binary' ? { t: 'binary', d: payload.toString('base64') } : { d: payload.toString() }),
    ...(priority === 'normal' ? {} : { priority }),
    ...(ttlMs === 0 ? {} : { ttlMs }),
    ...(conflation === undefined ? {} : { conflateKey: conflation.key, conflate: conflation.mode, count: conflation.count }),
    ...(sender === undefined ? {} : { client: sender }),
    ...(user === undefined ? {} : { user }),
  };
}

function fault(message: string): ReadHistoryRequest {
  return { kind: 'fault', message };
}

function whole(text: string, maximum: number): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return value <= maximum ? value : undefined;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

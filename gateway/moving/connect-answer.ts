import { channelNameFault } from '../../core/channel.ts';
import type { Policies } from '../../core/policy/policy.ts';
import type { Placement } from '../../core/pool/placement.ts';
import { pageRefusal, type PageRules } from '../connections/admission.ts';
import { publicAddress } from './public-address.ts';
import { canReach, reachOf, type Arrival, type OwnPlace } from './reach.ts';

/** Where to connect, as `GET /v1/connect` tells. */
interface Directions {
  /** WebSocket URLs, the best first. */
  readonly urls: readonly string[];
  readonly backoff: { readonly baseMs: number; readonly capMs: number };
  /** Epoch of the pool document; 0 without one. */
  readonly epoch: number;
  /** The asked gateway refuses dials now: one that failed says nothing about the client's way to it. */
  readonly crowded?: true;
  /** The gateway has all connections that it takes, and this channel can be pulled. */
  readonly transport?: 'pull';
  /** Why the asked gateway refuses this page, or this host on loopback, in words for a developer. */
  readonly refused?: string;
}

/** The answer to `GET /v1/connect`. */
export type ConnectAnswer =
  | { readonly status: 200; readonly body: Directions }
  | { readonly status: 400 | 405; readonly body: { readonly error: { readonly code: string; readonly message: string } } };

export interface ConnectRequest extends Arrival {
  readonly method: string;
  /** The path with its query. */
  readonly url: string;
}

export interface ConnectState {
  readonly placement: Placement | undefined;
  /** Absent: there is no pool. */
  readonly document?: OwnPlace['document'];
  readonly epoch: number;
  readonly backoff: { readonly baseMs: number; readonly capMs: number };
  /** UID of the asked gateway, in a pool. */
  readonly uid?: string | undefined;
  /** Whether the asked gateway accepts no connections at the moment: it is named last. */
  readonly isCrowded?: boolean;
  /** Whether the asked gateway has all connections that it takes. */
  readonly isFull?: boolean;
  /** They tell which channels can be pulled. */
  readonly policies?: Policies;
  /** Which pages may connect; absent: all. */
  readonly pages?: PageRules;
}

const path = '/v1/connect';
/** Most URLs in an answer: more than a client tries before it asks again. */
const urlsMax = 8;

export function isConnectRequest(url: string | undefined): boolean {
  return url?.split('?', 1)[0] === path;
}

/**
 * Names the gateways for a channel that the client can reach. Where there is none, and without a pool document, that is
 * the address of the request, as the proxies before this gateway wrote it.
 */
export function answerConnect(request: ConnectRequest, state: ConnectState): ConnectAnswer {
  const { placement, document, epoch, backoff, uid, isCrowded = false } = state;
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'method_not_allowed', 'use GET');
  const names = new URLSearchParams(request.url.slice(path.length)).getAll('channel');
  const [channel] = names;
  if (channel === undefined || names.length > 1) return refuse(400, 'bad_request', `name one channel: ${path}?channel=video:1`);
  const fault = channelNameFault(channel);
  if (fault !== undefined) return refuse(400, 'bad_channel', fault);
  const gateways = placement?.of(channel) ?? [];
  const isLast = (gateway: { readonly uid: string }): boolean => isCrowded && gateway.uid === uid;
  const ordered = [...gateways.filter((gateway) => !isLast(gateway)), ...gateways.filter(isLast)];
  const reach = reachOf(request, { document, uid: uid ?? '' });
  const urls = [...new Set(ordered.map(({ url }) => url))].filter((url) => canReach(reach, url)).slice(0, urlsMax);
  const more = remarks(request, channel, state);
  if (urls.length > 0) return { status: 200, body: { urls, backoff, epoch, ...more } };
  const url = publicAddress(request.headers, request.socket.encrypted);
  if (url === undefined) return refuse(400, 'bad_request', 'the Host header names no host to connect to');
  return { status: 200, body: { urls: [url], backoff, epoch, ...more } };
}

/** What the asked gateway says of itself. No browser shows its page why a handshake was refused; this answer does. */
function remarks(
  { headers }: ConnectRequest,
  channel: string,
  { isCrowded, isFull, policies, pages }: ConnectState,
): Pick<Directions, 'crowded' | 'transport' | 'refused'> {
  const canPull = isFull === true && policies?.of(channel).history !== undefined;
  const [host, origin] = [headers['host'], headers['origin']].map((value) => (typeof value === 'string' ? value : undefined));
  const refused = pages === undefined ? undefined : pageRefusal({ host, origin }, pages)?.message;
  return {
    ...(isCrowded === true ? { crowded: true } : {}),
    ...(canPull ? { transport: 'pull' } : {}),
    ...(refused === undefined ? {} : { refused }),
  };
}

function refuse(status: 400 | 405, code: string, message: string): ConnectAnswer {
  return { status, body: { error: { code, message } } };
}

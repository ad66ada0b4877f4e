import { channelNameFault } from '../../core/channel.ts';
import type { Policies } from '../../core/policy/policy.ts';
import type { Placement } from '../../core/pool/placement.ts';
import { publicAddress, type RequestHeaders } from './public-address.ts';

/** The answer to `GET /v1/connect`. */
export type ConnectAnswer =
  | {
      readonly status: 200;
      readonly body: {
        /** WebSocket URLs, the best first. */
        readonly urls: readonly string[];
        readonly backoff: { readonly baseMs: number; readonly capMs: number };
        /** Epoch of the pool document; 0 without one. */
        readonly epoch: number;
        /** The asked gateway refuses dials now: one that failed says nothing about the client's way to it. */
        readonly crowded?: true;
        /** The gateway has all connections that it takes, and this channel can be pulled. */
        readonly transport?: 'pull';
      };
    }
  | { readonly status: 400 | 405; readonly body: { readonly error: { readonly code: string; readonly message: string } } };

export interface ConnectRequest {
  readonly method: string;
  /** The path with its query. */
  readonly url: string;
  readonly headers: RequestHeaders;
}

export interface ConnectState {
  readonly placement: Placement | undefined;
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
}

const path = '/v1/connect';
/** Most URLs in an answer: more than a client tries before it asks again. */
const urlsMax = 8;

export function isConnectRequest(url: string | undefined): boolean {
  return url?.split('?', 1)[0] === path;
}

/**
 * Names the gateways for a channel. Without a pool document that is the address of the request, as the proxies before
 * this gateway wrote it.
 */
export function answerConnect(request: ConnectRequest, state: ConnectState): ConnectAnswer {
  const { placement, epoch, backoff, uid, isCrowded = false, isFull = false, policies } = state;
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'method_not_allowed', 'use GET');
  const names = new URLSearchParams(request.url.slice(path.length)).getAll('channel');
  const [channel] = names;
  if (channel === undefined || names.length > 1) return refuse(400, 'bad_request', `name one channel: ${path}?channel=video:1`);
  const fault = channelNameFault(channel);
  if (fault !== undefined) return refuse(400, 'bad_channel', fault);
  const gateways = placement?.of(channel) ?? [];
  const isLast = (gateway: { readonly uid: string }): boolean => isCrowded && gateway.uid === uid;
  const ordered = [...gateways.filter((gateway) => !isLast(gateway)), ...gateways.filter(isLast)];
  const urls = [...new Set(ordered.map(({ url }) => url))].slice(0, urlsMax);
  const canPull = isFull && policies?.of(channel).history !== undefined;
  const more = { ...(isCrowded ? { crowded: true as const } : {}), ...(canPull ? { transport: 'pull' as const } : {}) };
  if (urls.length > 0) return { status: 200, body: { urls, backoff, epoch, ...more } };
  const url = publicAddress(request.headers);
  if (url === undefined) return refuse(400, 'bad_request', 'the Host header names no host to connect to');
  return { status: 200, body: { urls: [url], backoff, epoch, ...more } };
}

function refuse(status: 400 | 405, code: string, message: string): ConnectAnswer {
  return { status, body: { error: { code, message } } };
}

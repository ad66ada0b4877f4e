import { sdkProtocolPrefix } from '../../core/protocol/barrage-v1.ts';
import type { Client } from '../accounts/client-census.ts';

/** The part of a handshake in which a client offers subprotocols. */
export interface Offer {
  readonly headers: { readonly 'sec-websocket-protocol'?: string | undefined };
}

/** A version: bounded, since each may become a label of a metric. */
const versionForm = /^\d{1,4}\.\d{1,4}\.\d{1,4}(?:-[0-9A-Za-z.]{1,16})?$/;

/**
 * The client of a handshake.
 * @param protocol the name of its encoding
 * @param offered the request's `Sec-WebSocket-Protocol`; of an event stream what stands for it
 */
export function clientOf(protocol: string, offered: string | undefined): Client {
  if (protocol === 'plain') return { kind: 'plain' };
  const tokens = (offered ?? '').split(',').map((token) => token.trim());
  const sdk = tokens.find((token) => token.startsWith(sdkProtocolPrefix));
  if (sdk === undefined) return { kind: protocol === 'sse' ? 'sse' : 'v1' };
  const version = sdk.slice(sdkProtocolPrefix.length);
  return { kind: 'sdk', version: versionForm.test(version) ? version : undefined };
}

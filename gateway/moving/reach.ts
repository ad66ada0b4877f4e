import { isLoopbackHost } from '../../core/process/loopback.ts';
import type { PoolDocument } from '../../core/pool/pool-document.ts';
import type { Reach } from '../connections/connection.ts';
import { publicAddress, type RequestHeaders } from './public-address.ts';

/** The parts of a client's request that tell the way by which it came. */
export interface Arrival {
  readonly headers: RequestHeaders;
  /** `encrypted` as `node:tls` has it. */
  readonly socket: {
    readonly localAddress?: string | undefined;
    readonly localPort?: number | undefined;
    readonly encrypted?: boolean | undefined;
  };
}

/** The asked gateway in its pool. */
export interface OwnPlace {
  /** Absent: there is no pool. */
  readonly document: Pick<PoolDocument, 'pool' | 'gateways'> | undefined;
  readonly uid: string;
}

/** An IPv4 address as a socket that takes both families shows it. */
const mappedIpv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** An IP address as `URL` writes a host: a name never looks like that. */
const ipHost = /^(?:\[.*\]|\d+\.\d+\.\d+\.\d+)$/;
/** Headers that proxies write, and clients do not. */
const proxyHeaders = /^(?:forwarded|x-forwarded-[a-z-]+|x-real-ip|via)$/;

/**
 * The addresses to which a client can be sent, by the way on which it came. Addresses of pods and nodes need a way of
 * the same kind, without a proxy. These ways are known: the gateway's own URL, the address of the socket, and the DNS
 * names of the pool's Service in the cluster. A way that is not known counts as a proxy: then the client comes back by
 * its own address, which it has reached before.
 */
export function reachOf(arrival: Arrival, own: OwnPlace): Reach {
  const isEncrypted = isEncryptedFor(arrival);
  const direct = directOf(arrival, own);
  return isEncrypted ? encryptedReaches[direct] : plainReaches[direct];
}

/** Whether a client with this reach can be sent to a gateway's URL. */
export function canReach({ direct, isEncrypted }: Reach, url: string): boolean {
  const { protocol, hostname, pathname, search } = new URL(url);
  if (isEncrypted && protocol !== 'wss:') return false;
  // The URL of a template has a pod's name in it: such a URL was made for clients from everywhere.
  const isOfPodOrNode = ipHost.test(hostname) && pathname === '/' && search === '';
  return !isOfPodOrNode || direct === 'all' || (direct === 'loopback' && isLoopbackHost(hostname));
}

/** One object for each reach: gateways have very many connections. */
const plainReaches = reaches(false);
const encryptedReaches = reaches(true);

function reaches(isEncrypted: boolean): Readonly<Record<Reach['direct'], Reach>> {
  return { none: { direct: 'none', isEncrypted }, loopback: { direct: 'loopback', isEncrypted }, all: { direct: 'all', isEncrypted } };
}

/** A page that came encrypted may open no WebSocket that is not, whatever the proxy before the gateway tells of it. */
function isEncryptedFor({ headers, socket }: Arrival): boolean {
  return socket.encrypted === true || publicAddress(headers)?.startsWith('wss:') === true || /^https:/i.test(String(headers['origin']));
}

function directOf({ headers, socket }: Arrival, { document, uid }: OwnPlace): Reach['direct'] {
  if (Object.keys(headers).some((name) => proxyHeaders.test(name))) return 'none';
  const scheme = socket.encrypted === true ? 'wss:' : 'ws:';
  const asked = URL.parse(`${scheme}//${String(headers['host'])}`);
  if (asked === null || document === undefined) return 'none';
  const local = (socket.localAddress ?? '').replace(mappedIpv4, '$1');
  const port = Number(asked.port === '' ? (scheme === 'wss:' ? 443 : 80) : asked.port);
  const isOwnAddress = unbracketed(asked.hostname) === local && port === socket.localPort;
  // A port-forward to the pod arrives at loopback, too: addresses of pods are none of this client's.
  if (isLoopbackHost(local)) return isOwnAddress ? 'loopback' : 'none';
  if (isOwnAddress || isServiceName(asked.hostname, document.pool)) return 'all';
  const ownUrl = document.gateways.find((gateway) => gateway.uid === uid)?.url;
  return ownUrl !== undefined && URL.parse(ownUrl)?.host === asked.host ? 'all' : 'none';
}

/**
 * Whether a host is a DNS name of the pool's Service, as pods of its cluster write it.
 * @param pool `<namespace>/<name>`
 */
function isServiceName(host: string, pool: string): boolean {
  const [namespace = '', name = ''] = pool.split('/');
  const service = `${name}.${namespace}.svc`;
  return host === name || host === `${name}.${namespace}` || host === service || host.startsWith(`${service}.`);
}

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

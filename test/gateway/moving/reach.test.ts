import { expect, test } from 'vitest';
import { canReach, reachOf, type Arrival } from '../../../gateway/moving/reach.ts';
import { gatewayNamed, poolDocument } from '../../support/pool-document.ts';

const podUrl = 'ws://10.0.0.7:6790/';

/** The reach of a client of the pod 10.0.0.7, `a`, in the pool `live` of the namespace `shows`. */
function reach(headers: Arrival['headers'], socket: Arrival['socket'] = {}, url = podUrl): ReturnType<typeof reachOf> {
  const document = poolDocument({ pool: 'shows/live', gateways: [gatewayNamed('b'), gatewayNamed('a', { url })] });
  return reachOf({ headers, socket: { localAddress: '10.0.0.7', localPort: 6790, ...socket } }, { document, uid: 'uid-a' });
}

const onNode = 'ws://192.0.2.5:6790/';
const v6 = { localAddress: 'fd00::7' };
const loopback = { localAddress: '127.0.0.1' };
const mapped = { localAddress: '::ffff:10.0.0.7' };

test.each<readonly [string, Arrival['headers'], Arrival['socket'], string]>([
  ['the address of the pod', { host: '10.0.0.7:6790' }, {}, podUrl],
  ['the address of the pod, on a socket of both families', { host: '10.0.0.7:6790' }, mapped, podUrl],
  ['the second address of the pod', { host: '[fd00::7]:6790' }, v6, podUrl],
  ['an IPv6 address in another spelling', { host: '[FD00:0:0::0007]:6790' }, v6, podUrl],
  ['the address of the node, as the document names it', { host: '192.0.2.5:6790' }, {}, onNode],
  ['the Service', { host: 'live:6790' }, {}, podUrl],
  ['the Service in capitals', { host: 'Live:6790' }, {}, podUrl],
  ['the Service, from another namespace', { host: 'live.shows:6790' }, {}, podUrl],
  ['the Service in full', { host: 'live.shows.svc:6790' }, {}, podUrl],
  ['the Service with the domain of the cluster', { host: 'live.shows.svc.cluster.local' }, {}, podUrl],
  ['the Service with a domain of its own, and a dot', { host: 'live.shows.svc.k8s.example.:6790' }, {}, podUrl],
  ['a page that is not encrypted', { host: 'live:6790', origin: 'http://live.example.com' }, {}, podUrl],
])('by %s a client reaches other pods', (_, headers, socket, url) => {
  expect(reach(headers, socket, url)).toEqual({ direct: 'all', isEncrypted: false });
});

test.each<readonly [string, Arrival['headers'], Arrival['socket'], string]>([
  ['a name that is not the cluster’s', { host: 'live.example.com' }, {}, podUrl],
  ['the Service of another pool', { host: 'games.shows.svc:6790' }, {}, podUrl],
  ['a name that begins like the Service', { host: 'live.shows.example.com' }, {}, podUrl],
  ['the address of a balancer, or of the Service', { host: '203.0.113.9:6790' }, {}, podUrl],
  ['another port of the pod', { host: '10.0.0.7:80' }, {}, podUrl],
  ['the port that a Host without one means', { host: '10.0.0.7' }, {}, podUrl],
  ['another port of the node', { host: '192.0.2.5:30080' }, {}, onNode],
  ['a port-forward', { host: 'localhost:6790' }, loopback, podUrl],
  ['a port-forward from another port', { host: '127.0.0.1:8080' }, loopback, podUrl],
  ['the Service, through a sidecar', { host: 'live:6790' }, { localAddress: '127.0.0.6' }, podUrl],
  ['a request without a host', {}, {}, podUrl],
  ['a host that is none', { host: 'a"b' }, {}, podUrl],
  ['a host and a path', { host: 'live:6790/x@y' }, loopback, podUrl],
  ['a proxy that adds X-Forwarded-For', { host: '10.0.0.7:6790', 'x-forwarded-for': '198.51.100.1' }, {}, podUrl],
  ['a proxy that adds X-Forwarded-Proto', { host: 'live:6790', 'x-forwarded-proto': 'http' }, {}, podUrl],
  ['a proxy that adds Forwarded', { host: 'live:6790', forwarded: 'for=198.51.100.1' }, {}, podUrl],
  ['a proxy that adds X-Real-IP', { host: 'live:6790', 'x-real-ip': '198.51.100.1' }, {}, podUrl],
  ['a proxy that adds Via', { host: 'live:6790', via: '1.1 edge' }, {}, podUrl],
])('by %s a client reaches no pod', (_, headers, socket, url) => {
  expect(reach(headers, socket, url)).toEqual({ direct: 'none', isEncrypted: false });
});

test('an address of loopback leads to gateways on loopback, and to no pod', () => {
  const own = reach({ host: '127.0.0.1:6790' }, loopback, 'ws://127.0.0.1:6790/');
  expect(own.direct).toBe('loopback');
  expect(canReach(own, 'ws://127.0.0.1:6791/')).toBe(true);
  expect(canReach(own, 'ws://[::1]:6791/')).toBe(true);
  expect(canReach(own, podUrl)).toBe(false);
});

test.each<readonly [string, Arrival['headers'], Arrival['socket']]>([
  ['TLS that a proxy ends', { host: 'live.example.com', 'x-forwarded-proto': 'https' }, {}],
  ['TLS that a proxy ends, by RFC 7239', { host: 'live.example.com', forwarded: 'proto=https' }, {}],
  ['an encrypted page, whatever its proxy tells', { host: 'live:6790', origin: 'https://live.example.com' }, {}],
  ['TLS of the gateway itself', { host: '10.0.0.7:6790' }, { encrypted: true }],
])('by %s a client goes to nothing that is not encrypted', (_, headers, socket) => {
  const found = reach(headers, socket);
  expect(found.isEncrypted).toBe(true);
  expect([podUrl, 'ws://b.example/'].map((url) => canReach(found, url))).toEqual([false, false]);
  expect(canReach(found, 'wss://b.example/')).toBe(true);
});

test('with TLS of the gateways themselves, a Host without a port means 443, and the pods have their own URLs', () => {
  const found = reach({ host: '10.0.0.7' }, { localPort: 443, encrypted: true }, 'wss://10.0.0.7/');
  expect(found).toEqual({ direct: 'all', isEncrypted: true });
  expect(canReach(found, 'wss://10.0.0.8/')).toBe(true);
});

test.each([
  [podUrl, false],
  ['ws://[fd00::7]:6790/', false],
  ['ws://192.0.2.5:6790/', false],
  // As a browser reads it, this is 10.0.0.7.
  ['ws://0xa.7:6790/', false],
  ['ws://203.0.113.9/live-x7k2p/', true],
  ['ws://203.0.113.9/?gateway=live-x7k2p', true],
  ['wss://live-x7k2p.live.example.com/', true],
  ['wss://live.example.com/live-x7k2p/', true],
])('whoever came through a proxy can go to %s: %s', (url, can) => {
  expect(canReach({ direct: 'none', isEncrypted: false }, url)).toBe(can);
  expect(canReach({ direct: 'all', isEncrypted: false }, url)).toBe(true);
});

test('without a pool there is nowhere to go', () => {
  expect(reachOf({ headers: { host: 'live' }, socket: {} }, { document: undefined, uid: 'a' })).toEqual({
    direct: 'none',
    isEncrypted: false,
  });
});

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { limits } from '../limits.ts';
import { contextOptions } from '../tls/certificate-pair.ts';
import { Handshakes, type TlsPort } from '../tls/handshakes.ts';
import { SocketBound } from './socket-bound.ts';
import { systemClock } from './system-clock.ts';
import { answerUnreadable, type UnreadableAnswers } from './unreadable-requests.ts';

/** Interval between looks for requests that are too slow, in milliseconds. */
const connectionsCheckMs = 1_000;
/**
 * Time that an idle connection stays open beyond its stated keep-alive, in milliseconds: the next request may be under
 * way.
 */
const keepAliveBufferMs = 5_000;

export interface HttpServerOptions {
  readonly request: RequestListener;
  /** Takes WebSocket handshakes. Absent: every offer to upgrade is ignored. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** How input that is no request is answered. */
  readonly unreadable: UnreadableAnswers;
  /** Longest idle time of a connection between two requests, in milliseconds. */
  readonly keepAliveMs: number;
  /** Longest wait for the head of a request, in milliseconds. */
  readonly headersMs: number;
  /** Longest wait for a whole request, in milliseconds. */
  readonly requestMs: number;
  /** Most sockets that stay open, of any protocol: see `SocketBound`. */
  readonly socketsMax: number;
  /** Called for each socket that was closed to keep the bound. */
  readonly onCrowded?: (socket: Socket) => void;
  /** Size of each socket's buffer, in bytes; absent: the platform's. */
  readonly highWaterMark?: number;
  /** Absent: the port speaks plain HTTP. */
  readonly tls?: TlsPort | undefined;
}

export interface HttpServer {
  readonly server: Server;
  readonly sockets: SocketBound;
}

/**
 * Makes the HTTP server of every process. An `Upgrade` to another protocol than WebSocket is ignored, and the request
 * is answered (RFC 9110 7.8). A request target in absolute form is read as its path, and its authority as `Host` (RFC
 * 9112 3.2.2).
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { keepAliveMs, headersMs, requestMs, highWaterMark, request: answer, upgrade, tls } = options;
  const serverOptions = {
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: connectionsCheckMs,
    keepAliveTimeout: keepAliveMs,
    keepAliveTimeoutBuffer: keepAliveBufferMs,
    shouldUpgradeCallback: (request: IncomingMessage) => upgrade !== undefined && offersWebSocket(request),
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
  };
  const onRequest: RequestListener = (request, response) => {
    sockets.asked(request.socket, response);
    takeOriginForm(request);
    answer(request, response);
  };
  const server = tls === undefined ? createServer(serverOptions, onRequest) : createSecureServer(serverOptions, onRequest, tls);
  // A socket of TLS counts from the end of its handshake; before that it is one of the handshakes.
  const opened = tls === undefined ? 'connection' : 'secureConnection';
  const sockets = new SocketBound({ server, opened, socketsMax: options.socketsMax, onCrowded: options.onCrowded });
  answerUnreadable(server, options.unreadable);
  if (upgrade !== undefined)
    server.on('upgrade', (request, socket, head) => {
      sockets.upgraded(request.socket);
      takeOriginForm(request);
      upgrade(request, socket, head);
    });
  return { server, sockets };
}

/** Makes a server whose sockets speak TLS, and then HTTP/1.1. Sockets whose handshake is not done are idle ones. */
function createSecureServer(options: ServerOptions, onRequest: RequestListener, tls: TlsPort): Server {
  const { highWaterMark } = options;
  const server = createTlsServer(
    {
      ...options,
      ...contextOptions(tls.tls.certificate.pair),
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: limits.handshakeTimeoutMs,
      noDelay: true,
    },
    onRequest,
  );
  const handshakes = new Handshakes(server, tls, systemClock);
  if (highWaterMark !== undefined) server.prependListener('secureConnection', (socket) => setMark(socket, highWaterMark));
  const closeIdle = server.closeIdleConnections.bind(server);
  server.closeIdleConnections = () => {
    handshakes.close();
    closeIdle();
  };
  return server;
}

/**
 * Sets the size of a socket's buffer, by a private field of the platform: a TLS server has no option for it. Without
 * that four times as many bytes would wait beside the bounded queue of a connection.
 */
function setMark(socket: Socket & { readonly _writableState?: { highWaterMark: number } }, bytes: number): void {
  if (socket._writableState !== undefined) socket._writableState.highWaterMark = bytes;
}

/**
 * Whether a request offers WebSocket, alone or among other protocols. Such an offer has no meaning in HTTP/1.0, or with
 * another method than GET (RFC 6455 4.1), or with a body: what follows the head would be no frames.
 */
function offersWebSocket(request: IncomingMessage): boolean {
  const { method, httpVersionMinor, headers } = request;
  if (method !== 'GET' || httpVersionMinor === 0) return false;
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) return false;
  const offered = (headers.upgrade ?? '').split(',').some((protocol) => protocol.trim().toLowerCase() === 'websocket');
  // The WebSocket library only accepts an offer of WebSocket alone.
  if (offered) headers.upgrade = 'websocket';
  return offered;
}

const absoluteForm = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)([^#]*)/i;

function takeOriginForm(request: IncomingMessage): void {
  const { url = '' } = request;
  if (url.startsWith('/')) return;
  const [, authority = '', rest = ''] = absoluteForm.exec(url) ?? [];
  if (authority === '') return;
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  // `Host` may hold no user and password (RFC 9110 4.2.4).
  request.headers.host = authority.slice(authority.lastIndexOf('@') + 1);
}

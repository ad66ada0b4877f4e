import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { SocketBound } from './socket-bound.ts';

/** How often requests that take too long to arrive are looked for, in milliseconds. */
const connectionsCheckMs = 1_000;
/**
 * A server closes an idle connection so long after the time that it states, in milliseconds: the next request may be
 * under way.
 */
const keepAliveBufferMs = 5_000;

export interface HttpServerOptions {
  readonly request: RequestListener;
  /** Takes WebSocket handshakes. Absent: an offer to upgrade is ignored, whatever it is to. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** How long a connection may be idle between two requests, in milliseconds. */
  readonly keepAliveMs: number;
  /** How long the head of a request may take to arrive, in milliseconds. */
  readonly headersMs: number;
  /** How long a whole request may take to arrive, in milliseconds. */
  readonly requestMs: number;
  /** Sockets that may stay, whatever they speak: see `SocketBound`. */
  readonly socketsMax: number;
  /** Called for each socket that was closed to keep the bound. */
  readonly onCrowded?: () => void;
  /** Size of each socket's buffer, in bytes; absent: the platform's. */
  readonly highWaterMark?: number;
}

export interface HttpServer {
  readonly server: Server;
  readonly sockets: SocketBound;
}

/**
 * Makes the HTTP server of every process. An `Upgrade` to anything but WebSocket is ignored, and the request answered
 * (RFC 9110 7.8). A request target in absolute form is read as its path, with the authority in it as `Host` (RFC 9112
 * 3.2.2).
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { keepAliveMs, headersMs, requestMs, highWaterMark, request: answer, upgrade } = options;
  const server = createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: connectionsCheckMs,
      keepAliveTimeout: keepAliveMs,
      keepAliveTimeoutBuffer: keepAliveBufferMs,
      shouldUpgradeCallback: (request) => upgrade !== undefined && offersWebSocket(request),
      ...(highWaterMark === undefined ? {} : { highWaterMark }),
    },
    (request, response) => {
      sockets.asked(request.socket, response);
      takeOriginForm(request);
      answer(request, response);
    },
  );
  const sockets = new SocketBound({ server, socketsMax: options.socketsMax, onCrowded: options.onCrowded });
  if (upgrade !== undefined)
    server.on('upgrade', (request, socket, head) => {
      sockets.upgraded(request.socket);
      takeOriginForm(request);
      upgrade(request, socket, head);
    });
  return { server, sockets };
}

/**
 * Whether a request offers WebSocket, alone or among others; in HTTP/1.0, and with another method, such an offer means
 * nothing (RFC 6455 4.1).
 */
function offersWebSocket(request: IncomingMessage): boolean {
  const { method, httpVersionMinor, headers } = request;
  if (method !== 'GET' || httpVersionMinor === 0) return false;
  const offered = (headers.upgrade ?? '').split(',').some((protocol) => protocol.trim().toLowerCase() === 'websocket');
  // The library that answers it knows WebSocket only where it is offered alone.
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
  // A user and a password have no place there (RFC 9110 4.2.4).
  request.headers.host = authority.slice(authority.lastIndexOf('@') + 1);
}

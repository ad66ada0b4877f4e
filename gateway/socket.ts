import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { limits } from '../core/limits.ts';
import { subprotocol } from '../core/protocol/barrage-v1.ts';
import type { ClientProtocol, Wire } from './connection.ts';
import type { Admission } from './upgrade.ts';

/** Closing handshake, then the socket is destroyed: milliseconds. A client that reads nothing must not keep its memory. */
const closeTimeoutMs = 2_000;

/** What the gateway does with the connections that arrive. */
export interface SocketEvents {
  admit(request: IncomingMessage): Admission;
  /** A new connection; what is returned is told of everything that happens on it. */
  open(protocol: ClientProtocol, wire: Wire): SocketListener;
}

export interface SocketListener {
  message(data: Buffer, kind: 'text' | 'binary'): void;
  /** Anything arrived, also a pong. */
  seen(): void;
  /** The last call. */
  ended(): void;
}

/**
 * Takes WebSocket upgrades on any path of an HTTP server. `ws` does the handshake, parsing and closing; frames are written to the socket by the
 * caller, who encodes them once for many (so compression by `ws`, which would queue, is off).
 */
export function acceptWebSockets(server: Server, events: SocketEvents): void {
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.clientFrameBytesMax,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const onEarlyError = (): void => {
      socket.destroy();
    };
    socket.on('error', onEarlyError);
    const admission = events.admit(request);
    if (admission.kind === 'refused') {
      refuse(socket, admission);
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('error', onEarlyError);
      listen(webSocket, socket, events);
    });
  });
}

function listen(webSocket: WebSocket, socket: Duplex, events: SocketEvents): void {
  const wire: Wire = {
    socket,
    close({ code, reason }) {
      webSocket.close(code, reason);
      setTimeout(() => webSocket.terminate(), closeTimeoutMs).unref();
    },
    terminate: () => webSocket.terminate(),
  };
  const listener = events.open(webSocket.protocol === subprotocol ? 'barrage.v1' : 'plain', wire);
  webSocket.on('message', (data: Buffer, isBinary: boolean) => listener.message(data, isBinary ? 'binary' : 'text'));
  webSocket.on('pong', () => listener.seen());
  webSocket.on('ping', () => listener.seen());
  // A protocol error: ws sends the close code that RFC 6455 names for it, then `close` follows.
  webSocket.on('error', () => {});
  webSocket.on('close', () => listener.ended());
}

function refuse(socket: Duplex, { status, message, retryAfterSeconds }: Extract<Admission, { kind: 'refused' }>): void {
  const retry = retryAfterSeconds === undefined ? '' : `Retry-After: ${retryAfterSeconds}\r\n`;
  const reason = status === 503 ? 'Service Unavailable' : 'Forbidden';
  const body = `${message}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${retry}Connection: close\r\n\r\n${body}`,
  );
}

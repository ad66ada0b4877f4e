import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { limits } from '../../core/limits.ts';
import { lastAnswer, plainText } from '../../core/process/plain-answer.ts';
import { subprotocol } from '../../core/protocol/barrage-v1.ts';
import type { SocketEnd } from '../accounts/client-log.ts';
import type { Encoding } from '../encoding/encoding.ts';
import { plainEncoding, v1Encoding } from '../encoding/encodings.ts';
import type { Wire } from './connection.ts';
import type { Admission } from './admission.ts';

/**
 * Time for the closing handshake before the socket is destroyed, in milliseconds. A client that reads nothing must not
 * keep its memory.
 */
const closeTimeoutMs = 2_000;

/** The gateway's treatment of the connections that arrive. */
export interface SocketEvents {
  admit(request: IncomingMessage): Admission;
  /** A new connection. The returned listener is told of every event on it. */
  open(encoding: Encoding, wire: Wire, handshake: IncomingMessage): SocketListener;
}

export interface SocketListener {
  message(data: Buffer, kind: 'text' | 'binary'): void;
  /** A ping that wants an answer. */
  ping(data: Buffer): void;
  pong(): void;
  /** The client broke RFC 6455, and was sent this close code. */
  broken(code: number, reason: string): void;
  /** The last call: the socket has ended. */
  ended(end: SocketEnd): void;
}

/** Gives a reason when `ws` closes a connection by itself: a code alone does not tell a client its fault. */
class ExplainingWebSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason ?? (code === undefined ? undefined : protocolFaults[code]));
  }
}

const protocolFaults: Readonly<Record<number, string>> = {
  1007: 'a text message must be UTF-8',
  1008: 'a message came in too many fragments',
  1009: `a message may have at most ${limits.clientFrameBytesMax} bytes`,
};

/**
 * Takes WebSocket handshakes on any path of an HTTP server. `ws` does the handshake, parsing and closing. The caller
 * writes the frames to the socket, since it encodes them once for many members. So compression by `ws`, which would
 * queue, is off.
 */
export function acceptWebSockets(events: SocketEvents): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  const webSockets = new WebSocketServer({
    noServer: true,
    WebSocket: ExplainingWebSocket,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.clientFrameBytesMax,
    // Pongs go through the connection's bounded queue. `ws` would keep them without end for a client that pings and
    // does not read.
    autoPong: false,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  });
  return (request, socket, head) => {
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
      listen(webSocket, { socket, handshake: request }, events);
    });
  };
}

function listen(
  webSocket: WebSocket,
  { socket, handshake }: { readonly socket: Duplex; readonly handshake: IncomingMessage },
  events: SocketEvents,
): void {
  const wire: Wire = {
    socket,
    close({ code, reason }) {
      webSocket.close(code, reason);
      setTimeout(() => webSocket.terminate(), closeTimeoutMs).unref();
    },
    terminate: () => webSocket.terminate(),
  };
  const listener = events.open(webSocket.protocol === subprotocol ? v1Encoding : plainEncoding, wire, handshake);
  webSocket.on('message', (data: Buffer, isBinary: boolean) => listener.message(data, isBinary ? 'binary' : 'text'));
  webSocket.on('ping', (data: Buffer) => listener.ping(data));
  webSocket.on('pong', () => listener.pong());
  webSocket.on('error', ({ code: fault = '' }: NodeJS.ErrnoException) => {
    const code = protocolErrors[fault] ?? 1002;
    listener.broken(code, protocolFaults[code] ?? `the client broke the WebSocket protocol (${fault})`);
  });
  webSocket.on('close', (code: number) => {
    // A server's sockets are of `node:net`, which counts their bytes anyway.
    const { bytesRead: bytesIn, bytesWritten: bytesOut } = socket as Socket;
    listener.ended({ code, bytesIn, bytesOut });
  });
}

/** The close codes of `ws`, by the codes of its errors. Any other error has 1002, a protocol error. */
const protocolErrors: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: 1007,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 1009,
};

function refuse(socket: Duplex, { status, message, retryAfterSeconds }: Extract<Admission, { kind: 'refused' }>): void {
  // The socket is destroyed, since a client that keeps its side open would keep this side open too.
  socket.once('finish', () => socket.destroy());
  socket.end(lastAnswer(status, plainText(message), retryAfterSeconds));
}

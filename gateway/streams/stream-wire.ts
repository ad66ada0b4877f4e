import type { Socket } from 'node:net';
import type { SocketEnd } from '../accounts/client-log.ts';
import type { Wire } from '../connections/connection.ts';
import { closeEvent } from '../encoding/event-stream.ts';

/** Time for a client to take the last event before the socket is destroyed, in milliseconds. */
const closeTimeoutMs = 2_000;
/** Codes of ends that the gateway did not make, as a WebSocket would have them: the client left, or was cut off. */
const left = 1001;
const cut = 1006;

/**
 * The way to the client of an event stream: the socket of its request. The body has no length and no chunks, so that
 * the bytes of an event are the same for all. It ends with the socket.
 */
export function streamWire(socket: Socket): Wire {
  return {
    socket,
    close(code) {
      socket.end(closeEvent(code));
      setTimeout(() => socket.destroy(), closeTimeoutMs).unref();
    },
    terminate: () => socket.destroy(),
  };
}

/** Calls back once, at the end of a stream's socket. */
export function onStreamEnd(socket: Socket, onEnd: (end: SocketEnd) => void): void {
  let hasLeft = false;
  socket.once('end', () => (hasLeft = true));
  socket.once('close', () => {
    const { bytesRead: bytesIn, bytesWritten: bytesOut } = socket;
    onEnd({ code: hasLeft ? left : cut, bytesIn, bytesOut });
  });
}

/** The head of a stream's answer. @param origin of the page that asks, which was admitted */
export function streamHead(origin: string | undefined, now: Date): string {
  const page = origin === undefined ? '' : `Access-Control-Allow-Origin: ${origin}\r\nVary: Origin\r\n`;
  return `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n${page}Date: ${now.toUTCString()}\r\nConnection: close\r\n\r\n`;
}

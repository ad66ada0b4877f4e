import { normalClosure, reconnectsAfter } from '../../core/close-codes.ts';
import { sdkProtocolPrefix, subprotocol } from '../../core/protocol/barrage-v1.ts';
import { BarrageError } from '../errors.ts';
import { sdkVersion } from '../version.ts';
import { readMessage, type Received } from '../wire.ts';
import type { Transport, TransportOptions } from './transport.ts';

/** The part of a WebSocket that the client uses. */
export interface ClientSocket {
  binaryType: string;
  readonly readyState: number;
  readonly protocol: string;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

/** A class like the WebSocket of browsers. */
export type WebSocketClass = new (url: string, protocols: string[]) => ClientSocket;

/** `readyState` of a WebSocket that is open. */
const open = 1;

/** barrage.v1 over one WebSocket. */
export class WebSocketTransport implements Transport {
  readonly name = 'websocket';
  readonly #socket: ClientSocket;

  /**
   * Dials at once.
   * @throws DOMException when the platform refuses the URL
   */
  constructor({ url, onMessage, onEnd }: TransportOptions, webSocket: WebSocketClass) {
    this.#socket = new webSocket(url, [subprotocol, `${sdkProtocolPrefix}${sdkVersion}`]);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onmessage = ({ data }: { readonly data: unknown }): void => {
      let message: Received;
      try {
        message = readMessage(data);
      } catch (error) {
        return onEnd(error as BarrageError);
      }
      // A server of another protocol may accept the WebSocket. Only one that chose `barrage.v1` sends its hello.
      if (message.type === 'hello' && this.#socket.protocol !== subprotocol) {
        return onEnd(new BarrageError('protocol', 'the server does not speak barrage.v1', true));
      }
      onMessage(message);
    };
    let cause: string | undefined;
    // Without it the class of `ws` throws where nobody can catch it. That class says why a dial failed; others do not.
    this.#socket.onerror = ({ message }: { readonly message?: string }): void => void (cause = message);
    this.#socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }): void =>
      onEnd(endOf(url, code, reason || (cause ?? '')));
  }

  get isOpen(): boolean {
    return this.#socket.readyState === open;
  }

  send(command: string): void {
    this.#socket.send(command);
  }

  close(): void {
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(normalClosure);
  }
}

/** The error of a connection that ended with a close code, and why. `retry` says whether to come back. */
export function endOf(url: string, code: number, reason: string): BarrageError {
  const retry = reconnectsAfter(code);
  const what = `the connection to ${url} ended with ${code}${reason === '' ? '' : ` (${reason})`}`;
  return new BarrageError(retry ? 'disconnected' : 'closed', what, retry);
}

import { closeCodes, reconnectsAfter } from '../../core/close-codes.ts';
import { sdkProtocolPrefix, subprotocol } from '../../core/protocol/barrage-v1.ts';
import { BarrageError } from '../errors.ts';
import { sdkVersion } from '../version.ts';
import { readMessage, type Received } from '../wire.ts';
import type { Transport, TransportOptions } from './transport.ts';

/** barrage.v1 over one WebSocket. */
export class WebSocketTransport implements Transport {
  readonly name = 'websocket';
  readonly #socket: WebSocket;

  /**
   * Dials at once.
   * @throws DOMException when the platform refuses the URL
   */
  constructor({ url, onMessage, onEnd }: TransportOptions) {
    this.#socket = new WebSocket(url, [subprotocol, `${sdkProtocolPrefix}${sdkVersion}`]);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onmessage = ({ data }): void => {
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
    this.#socket.onclose = ({ code, reason }): void => onEnd(endOf(url, code, reason));
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  send(command: string): void {
    this.#socket.send(command);
  }

  close(): void {
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(closeCodes.normal.code);
  }
}

/** The error of a connection that ended with a close code. `retry` says whether to come back. */
export function endOf(url: string, code: number, reason: string): BarrageError {
  const retry = reconnectsAfter(code);
  const what = `the connection to ${url} ended with ${code}${reason === '' ? '' : ` (${reason})`}`;
  return new BarrageError(retry ? 'disconnected' : 'closed', what, retry);
}

import type { ClientClock } from '../client-clock.ts';
import { wireBytes } from '../command-queue.ts';
import { BarrageError } from '../errors.ts';
import { isRecord, readMessage } from '../wire.ts';
import { EventReader } from './event-reader.ts';
import { Fetching, pathOf } from './fetching.ts';
import type { Transport, TransportOptions } from './transport.ts';
import { endOf } from './web-socket.ts';

/** Most bytes of the commands of one request; one command may be as long by itself. */
const requestBytesMax = 65_536;
/** The close code of a stream that ended without a word. */
const brokenCode = 1006;

/** barrage.v1 over server-sent events: messages come on one stream, and commands go by POST, one request at a time. */
export class EventStreamTransport implements Transport {
  readonly name = 'sse';
  readonly #options: TransportOptions;
  readonly #url: string;
  readonly #abort = new AbortController();
  readonly #fetching: Fetching;
  /** The secret that names this stream; known with the hello. */
  #stream: string | undefined;
  #waiting: string[] = [];
  #isPosting = false;
  #isOver = false;

  /** Dials at once. */
  constructor(options: TransportOptions & { readonly clock: ClientClock }) {
    this.#options = options;
    this.#url = pathOf(options.url, '/v1/stream');
    this.#fetching = new Fetching(options.clock);
    this.#read().then(
      () => this.#end(endOf(options.url, brokenCode, '')),
      (cause: unknown) =>
        this.#end(cause instanceof BarrageError ? cause : new BarrageError('disconnected', `${this.#url}: ${String(cause)}`, true)),
    );
  }

  get isOpen(): boolean {
    return this.#stream !== undefined && !this.#isOver;
  }

  send(command: string): void {
    this.#waiting.push(command);
    if (!this.#isPosting) void this.#post();
  }

  close(): void {
    this.#isOver = true;
    this.#abort.abort();
    this.#fetching.close();
  }

  async #read(): Promise<void> {
    const response = await fetch(this.#url, {
      headers: { accept: 'text/event-stream' },
      cache: 'no-store',
      credentials: 'omit',
      signal: this.#abort.signal,
    });
    const isStream = response.status === 200 && response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    if (!isStream || response.body === null) {
      this.#abort.abort();
      throw refusal(this.#url, response.status);
    }
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const events = new EventReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const whole = events.push(decoder.decode(part.value, { stream: true }));
      if (whole === undefined) throw new BarrageError('protocol', 'the gateway sent an event that is too long', true);
      for (const data of whole) if (!this.#isOver) this.#receive(data);
    }
  }

  #receive(data: string): void {
    const message = readMessage(data);
    if (message.type === 'unknown') {
      const close: unknown = JSON.parse(data);
      if (!isRecord(close) || close['type'] !== 'close') return;
      return this.#end(endOf(this.#options.url, Number(close['code']), String(close['reason'])));
    }
    if (message.type === 'hello') {
      const { stream } = message as { readonly stream?: unknown };
      if (typeof stream !== 'string') throw new BarrageError('protocol', 'the hello of the stream does not name it', true);
      this.#stream = stream;
    }
    this.#options.onMessage(message);
  }

  /** Sends what waits, until nothing does. A request goes when the one before was taken: that keeps the order. */
  async #post(): Promise<void> {
    this.#isPosting = true;
    // The commands of one turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0 && !this.#isOver) {
      const body = `{"stream":${JSON.stringify(this.#stream)},"commands":[${this.#take().join(',')}]}`;
      try {
        const headers = { 'content-type': 'application/json' };
        const { status } = await this.#fetching.fetch(this.#url, { method: 'POST', headers, body });
        if (status !== 202) throw new Error(`HTTP status ${status}`);
      } catch (cause) {
        // The stream may live, but which commands were taken is not known.
        this.#end(new BarrageError('disconnected', `commands could not be sent to ${this.#url}: ${String(cause)}`, true));
      }
    }
    this.#isPosting = false;
  }

  #take(): readonly string[] {
    let bytes = 0;
    const over = this.#waiting.findIndex((command, index) => (bytes += wireBytes(command)) > requestBytesMax && index > 0);
    return this.#waiting.splice(0, over < 0 ? this.#waiting.length : over);
  }

  #end(error: BarrageError): void {
    if (this.#isOver) return;
    this.close();
    this.#options.onEnd(error);
  }
}

/** Why there is no stream. `unavailable`: the gateway takes no more connections. `protocol`: it has no streams. */
function refusal(url: string, status: number): BarrageError {
  const code = status === 503 || status === 429 ? 'unavailable' : status >= 500 ? 'disconnected' : 'protocol';
  return new BarrageError(code, `${url} answered with HTTP status ${status}`, true);
}

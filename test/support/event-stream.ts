import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';
import type { BatchItem, ServerMessage, StreamClose } from '../../core/protocol/barrage-v1.ts';
import { until, type CommandReply } from './websocket.ts';

/** One event as a browser would dispatch it. */
export interface StreamEvent {
  /** The stream's last id when it came. */
  readonly id: string;
  readonly message: ServerMessage | StreamClose;
}

type Of<Type extends StreamEvent['message']['type']> = Extract<StreamEvent['message'], { type: Type }>;

interface StreamOptions {
  /** What stands behind `?`. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
}

/**
 * A reader of server-sent events with a socket of its own. It reads the format by HTML's rules, and keeps every event
 * in its order. Ends with the test.
 */
export class EventStream {
  readonly port: number;
  readonly response: IncomingMessage;
  readonly events: StreamEvent[] = [];
  readonly #request: ClientRequest;
  lastEventId = '';
  retryMs: number | undefined;
  comments = 0;
  /** How the body ended: with its socket's orderly end, or cut off. */
  ending: 'ended' | 'cut' | undefined;
  /** All that came, as text. */
  text = '';
  #data: string[] = [];
  #idBuffer = '';
  #rest = '';
  #nextId = 1;

  private constructor(port: number, sent: ClientRequest, response: IncomingMessage, lastEventId: string) {
    this.port = port;
    this.#request = sent;
    this.response = response;
    this.lastEventId = lastEventId;
    this.#idBuffer = lastEventId;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => this.#received(chunk));
    response.on('end', () => (this.ending ??= 'ended'));
    response.on('error', () => (this.ending ??= 'cut'));
    response.on('close', () => (this.ending ??= 'cut'));
  }

  /** Opens a stream, and waits for the head of the answer, whatever its status. */
  static async dial(port: number, { query = '', headers = {}, path = '/v1/stream' }: StreamOptions = {}): Promise<EventStream> {
    const sent = request({ host: '127.0.0.1', port, path: query === '' ? path : `${path}?${query}`, headers, agent: false });
    sent.on('error', () => {});
    onTestFinished(() => void sent.destroy());
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return new EventStream(port, sent, response, headers['last-event-id'] ?? '');
  }

  /** Opens a stream, and waits for its hello and for each channel of its query. */
  static async open(port: number, options: StreamOptions = {}): Promise<EventStream> {
    const stream = await EventStream.dial(port, options);
    if (stream.response.statusCode !== 200) throw new Error(`refused with ${stream.response.statusCode}`);
    const channels = new URLSearchParams(options.query ?? '').getAll('channel');
    await until(
      () => stream.of('subscribed').length + stream.of('unsubscribed').length >= channels.length && stream.of('hello').length > 0,
    );
    return stream;
  }

  /** Comes back as a browser does: with the same query, and its last id. @param port of another gateway */
  static reopen(lost: EventStream, options: StreamOptions & { readonly port?: number }): Promise<EventStream> {
    return EventStream.open(options.port ?? lost.port, { ...options, headers: { ...options.headers, 'last-event-id': lost.lastEventId } });
  }

  of<Type extends StreamEvent['message']['type']>(type: Type): readonly Of<Type>[] {
    return this.events.flatMap(({ message }) => (message.type === type ? [message as Of<Type>] : []));
  }

  /** The secret by which commands are sent. */
  get secret(): string {
    return this.of('hello')[0]?.stream ?? '';
  }

  items(channel: string): readonly BatchItem[] {
    return this.of('batch').flatMap((batch) => (batch.channel === channel ? batch.items : []));
  }

  data(channel: string): readonly string[] {
    return this.items(channel).map(({ data = '' }) => data);
  }

  /** Sends commands by POST. @param port of the gateway that is asked: any of the pool */
  async post(commands: readonly object[], port = this.port): Promise<Response> {
    return fetch(`http://127.0.0.1:${port}/v1/stream`, { method: 'POST', body: JSON.stringify({ stream: this.secret, commands }) });
  }

  /** Sends one command, and waits for its reply on the stream. */
  async command(op: string, fields: object = {}, port = this.port): Promise<CommandReply> {
    const id = this.#nextId++;
    const { status } = await this.post([{ id, op, ...fields }], port);
    if (status !== 202) throw new Error(`${op} was answered ${status}`);
    const reply = (): Of<'reply'> | undefined => this.of('reply').find((each) => each.id === id);
    await until(() => reply() !== undefined || this.ending !== undefined);
    return reply() as CommandReply;
  }

  /** Reads nothing more until `resume`: the kernel's buffers fill up. */
  stall(): void {
    this.response.pause();
  }

  resume(): void {
    this.response.resume();
  }

  /** Waits for the end of the stream. @returns the close message before it */
  async closed(): Promise<StreamClose | undefined> {
    await until(() => this.ending !== undefined);
    return this.of('close')[0];
  }

  leave(): void {
    this.#request.destroy();
  }

  #received(chunk: string): void {
    this.text += chunk;
    // A refusal is JSON.
    if (this.response.headers['content-type'] !== 'text/event-stream') return;
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch();
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (line.startsWith(':')) this.comments++;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#idBuffer = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
    else throw new Error(`a browser would not know ${JSON.stringify(line)}`);
  }

  #dispatch(): void {
    this.lastEventId = this.#idBuffer;
    const data = this.#data.join('\n');
    this.#data = [];
    if (data !== '') this.events.push({ id: this.lastEventId, message: JSON.parse(data) as StreamEvent['message'] });
  }
}

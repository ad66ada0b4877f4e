import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Batch, BatchItem, CommandError, Gap, ServerMessage, SubscribeResult } from '../../core/protocol/barrage-v1.ts';

const untilMs = 15_000;

/**
 * Waits for a condition, not for a time. Works outside of tests too.
 * @param interval between two looks, in milliseconds: longer where a look costs a command
 * @throws when it does not hold within 15 s
 */
export async function until(condition: () => unknown, interval = 2): Promise<void> {
  const since = performance.now();
  while (!(await condition())) {
    if (performance.now() - since > untilMs) throw new Error(`it does not hold within ${untilMs / 1000} s: ${String(condition)}`);
    await pause(interval);
  }
}

interface ReceivedFrame {
  readonly kind: 'text' | 'binary';
  readonly bytes: Buffer;
}

export interface Closing {
  readonly code: number;
  readonly reason: string;
}

interface OpenOptions {
  readonly protocol?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  /** The authority of the server's certificate, in PEM: the connection is made by TLS. */
  readonly ca?: string;
}

/** A real `ws` connection to a gateway that keeps every frame in the order in which it came. */
export class TestClient {
  readonly socket: WebSocket;
  readonly frames: ReceivedFrame[] = [];
  /** Ping frames that came. */
  pings = 0;
  closing: Closing | undefined;
  #read = 0;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => this.received({ kind: isBinary ? 'binary' : 'text', bytes: data as Buffer }));
    socket.on('ping', () => this.pings++);
    socket.on('close', (code, reason) => (this.closing = { code, reason: reason.toString() }));
  }

  /** A client of the plain protocol. @throws where the upgrade is refused */
  static async open(port: number, options: OpenOptions = {}): Promise<TestClient> {
    const client = new TestClient(dial(port, options));
    await once(client.socket, 'open');
    return client;
  }

  protected received(frame: ReceivedFrame): void {
    this.frames.push(frame);
  }

  get texts(): readonly string[] {
    return this.frames.map(({ bytes }) => bytes.toString());
  }

  send(message: object | string | Buffer): void {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  /** The next frame that was not read yet. */
  async next(): Promise<ReceivedFrame> {
    await until(() => this.frames.length > this.#read || this.closing !== undefined);
    const frame = this.frames[this.#read++];
    if (frame === undefined) throw new Error(`closed with ${this.closing?.code}`);
    return frame;
  }

  async nextText(): Promise<string> {
    return (await this.next()).bytes.toString();
  }

  /** Sends, and reads one frame. */
  async ask(message: object | string): Promise<string> {
    this.send(message);
    return this.nextText();
  }

  /** Reads nothing more until `resume`: the kernel's buffers fill up. */
  stall(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  async closed(): Promise<Closing> {
    await until(() => this.closing !== undefined);
    return this.closing ?? { code: 0, reason: '' };
  }

  /** Leaves, and waits until it is over. */
  async leave(): Promise<void> {
    this.socket.close();
    await this.closed();
  }
}

function dial(port: number, { protocol, headers = {}, path = '/', ca }: OpenOptions): WebSocket {
  const options = { headers, perMessageDeflate: false, ...(ca === undefined ? {} : { ca }) };
  const scheme = ca === undefined ? 'ws' : 'wss';
  return new WebSocket(`${scheme}://127.0.0.1:${port}${path}`, protocol === undefined ? [] : [protocol], options);
}

/** How an upgrade was refused. */
export async function refusedUpgrade(
  port: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly retryAfter: string | undefined; readonly body: string }> {
  const socket = dial(port, { headers });
  socket.on('error', () => {});
  const [, response] = await once(socket, 'unexpected-response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, retryAfter: response.headers['retry-after'], body: Buffer.concat(chunks).toString() };
}

/** A publication as a barrage.v1 client got it. */
export interface Item {
  readonly offset: number;
  readonly data: string | Buffer;
  readonly count: number | undefined;
  /** It is a tombstone. */
  readonly recall?: NonNullable<BatchItem['recall']>;
}

/** A batch with its payloads. */
export type ReadBatch = Omit<Batch, 'items'> & { readonly items: readonly Item[]; readonly isBinary: boolean };

export type CommandReply = { readonly result?: Record<string, unknown>; readonly error?: CommandError };

/** A barrage.v1 client that takes the protocol's bytes apart by itself, not with the SDK. */
export class V1Client extends TestClient {
  readonly messages: Exclude<ServerMessage, Batch>[] = [];
  readonly batches: ReadBatch[] = [];
  readonly #replies = new Map<number, CommandReply>();
  #nextId = 1;

  static override async open(port: number, options: Omit<OpenOptions, 'protocol'> = {}): Promise<V1Client> {
    const client = new V1Client(dial(port, { ...options, protocol: 'barrage.v1' }));
    await once(client.socket, 'open');
    await until(() => client.messages.length > 0);
    return client;
  }

  protected override received(frame: ReceivedFrame): void {
    super.received(frame);
    const message = readV1(frame);
    if (message.type === 'batch') this.batches.push(message);
    else this.messages.push(message);
    if (message.type === 'reply') this.#replies.set(message.id, 'error' in message ? { error: message.error } : { result: message.result });
  }

  /** Sends a command and waits for its reply. */
  async command(op: string, fields: object = {}): Promise<CommandReply> {
    const id = this.#nextId++;
    this.send({ id, op, ...fields });
    await until(() => this.#replies.has(id) || this.closing !== undefined);
    const reply = this.#replies.get(id);
    if (reply === undefined) throw new Error(`closed with ${this.closing?.code} instead of a reply to ${op}`);
    return reply;
  }

  /** @throws where it is refused */
  async subscribe(channel: string, fields: object = {}): Promise<SubscribeResult> {
    const { result, error } = await this.command('subscribe', { channel, ...fields });
    if (result === undefined) throw new Error(error?.message);
    return result as unknown as SubscribeResult;
  }

  of(channel: string): readonly ReadBatch[] {
    return this.batches.filter((batch) => batch.channel === channel);
  }

  items(channel: string): readonly Item[] {
    return this.of(channel).flatMap(({ items }) => items);
  }

  gaps(channel: string): readonly Gap[] {
    return this.messages.filter((message): message is Gap => message.type === 'gap' && message.channel === channel);
  }

  /** How far the channel's batches and gaps reach. */
  reached(channel: string): number {
    return Math.max(0, ...[...this.of(channel), ...this.gaps(channel)].map(({ upto }) => upto));
  }
}

function readV1({ kind, bytes }: ReceivedFrame): Exclude<ServerMessage, Batch> | ReadBatch {
  const start = kind === 'binary' ? 4 + bytes.readUInt32BE(0) : bytes.length;
  const message = JSON.parse(bytes.subarray(kind === 'binary' ? 4 : 0, start).toString()) as ServerMessage;
  if (message.type !== 'batch') return message;
  let at = start;
  const items = message.items.map((item: BatchItem): Item => {
    const { offset, count, recall } = item;
    if (recall !== undefined) return { offset, count, recall, data: '' };
    if (kind === 'text') return { offset, count, data: item.data ?? '' };
    const payload = bytes.subarray(at, (at += item.size ?? 0));
    return { offset, count, data: item.kind === 'binary' ? payload : payload.toString() };
  });
  if (at !== bytes.length) throw new Error('a binary batch with bytes left over');
  return { ...message, items, isBinary: kind === 'binary' };
}

/**
 * Adds up what a client was told of a channel since `from`: spans that join on, items in order within their span.
 * Gaps count as holes that were told. @throws Error with what is wrong
 */
export function accountOf(
  client: V1Client,
  channel: string,
  from: SubscribeResult,
): { readonly upto: number; readonly items: number; readonly leftOut: number; readonly missing: number } {
  const spans = client.frames
    .map((frame) => readV1(frame))
    .filter((message): message is ReadBatch | Gap => (message.type === 'batch' || message.type === 'gap') && message.channel === channel);
  const account = { upto: from.offset, items: 0, leftOut: 0, missing: 0 };
  for (const span of spans) {
    const place = `(${span.after}, ${span.upto}] after ${account.upto}`;
    if (span.epoch !== from.epoch) throw new Error(`another epoch: ${place}`);
    if (span.after !== account.upto) throw new Error(`a hole: ${place}`);
    if (span.type === 'gap') {
      account.missing += span.upto - span.after;
    } else {
      let last = span.after;
      for (const { offset } of span.items) {
        if (offset <= last || offset > span.upto) throw new Error(`offset ${offset} is out of order: ${place}`);
        last = offset;
      }
      if (span.items.length + span.leftOut !== span.upto - span.after) throw new Error(`does not add up: ${place}`);
      account.items += span.items.length;
      account.leftOut += span.leftOut;
    }
    account.upto = span.upto;
  }
  return account;
}

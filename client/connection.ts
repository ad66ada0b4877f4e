import { closeCodes, reconnectsAfter } from '../core/close-codes.ts';
import { subprotocol, type Command, type Hello, type Reply } from '../core/protocol/barrage-v1.ts';
import { Authentication, type TokenSource } from './authentication.ts';
import { BarrageError } from './errors.ts';
import { Liveness } from './liveness.ts';
import { readMessage, type Received } from './wire.ts';

/** A command without its id. */
export type CommandBody = Command extends infer C ? (C extends Command ? Omit<C, 'id'> : never) : never;

/** What became of a command. */
export type Outcome = { readonly kind: 'result'; readonly result: object } | { readonly kind: 'error'; readonly error: BarrageError };
export type Settle = (outcome: Outcome) => void;

/** Everything but hello and replies, which the connection deals with itself. */
export type Arrival = Exclude<Received, Hello | Reply | { readonly type: 'unknown' }>;

export interface ConnectionOptions {
  readonly url: string;
  readonly token: TokenSource | undefined;
  readonly now: () => number;
  readonly random: () => number;
  /** The gateway said hello; the token, if there is one, is not accepted yet. */
  readonly onHello: (connection: Connection, hello: Hello) => void;
  /** Commands may be sent. */
  readonly onReady: (connection: Connection) => void;
  readonly onArrival: (connection: Connection, arrival: Arrival) => void;
  /** Its token could not be renewed. */
  readonly onError: (error: BarrageError) => void;
  /** It is over; called once. `error.retry` says whether to come back. */
  readonly onEnd: (connection: Connection, error: BarrageError) => void;
}

const commandTimeoutMs = 10_000;
const helloTimeoutMs = 10_000;
// Below the gateway's bound on commands in flight, so that resubscribing to everything at once is not refused.
const inFlightMax = 32;

interface Pending {
  readonly settle: Settle;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** One WebSocket, from dialling to its end: hello, token, commands with their replies, signs of life. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, Pending>();
  readonly #queued: { readonly id: number; readonly body: CommandBody }[] = [];
  readonly #channels = new Map<string, (() => void)[]>();
  readonly #inFlight = new Set<number>();
  #lastId = 0;
  #liveness: Liveness | undefined;
  #authentication: Authentication | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #state: 'dialling' | 'ready' | 'retired' | 'ended' = 'dialling';

  /** Dials at once. @throws SyntaxError where the URL is none */
  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = new WebSocket(options.url, subprotocol);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onmessage = ({ data }): void => this.#receive(data);
    this.#socket.onclose = ({ code, reason }): void => {
      const retry = reconnectsAfter(code);
      const what = `the connection ended with ${code}${reason === '' ? '' : ` (${reason})`}`;
      this.#abandon(new BarrageError(retry ? 'disconnected' : 'closed', what, retry));
    };
    this.#timer = setTimeout(() => this.#abandon(new BarrageError('timeout', 'the gateway did not say hello', true)), helloTimeoutMs);
  }

  /** Whether commands may be sent. */
  get ready(): boolean {
    return this.#state === 'ready';
  }

  /** Sends a command. `settle` is called once, synchronously with the reply, so that what arrives after it finds its effect. */
  send(body: CommandBody, settle: Settle): void {
    if (this.#state === 'ended') return settle({ kind: 'error', error: disconnected() });
    const id = ++this.#lastId;
    const timer = setTimeout(() => {
      this.#settle(id, { kind: 'error', error: new BarrageError('timeout', `no answer to ${body.op} in ${commandTimeoutMs} ms`, true) });
    }, commandTimeoutMs);
    this.#pending.set(id, { settle, timer });
    this.#queued.push({ id, body });
    this.#flush();
  }

  /** Sends a command after those to the same channel are settled: subscribe and unsubscribe must not overtake each other. */
  sendInOrder(body: CommandBody & { readonly channel: string }, settle: Settle): void {
    const turn = (): void =>
      this.send(body, (outcome) => {
        settle(outcome);
        const next = this.#channels.get(body.channel)?.shift();
        if (next === undefined) this.#channels.delete(body.channel);
        else next();
      });
    const waiting = this.#channels.get(body.channel);
    if (waiting !== undefined) waiting.push(turn);
    else {
      this.#channels.set(body.channel, []);
      turn();
    }
  }

  /** Sends a command. @throws BarrageError */
  request(body: CommandBody): Promise<object> {
    return new Promise((resolve, reject) => {
      this.send(body, (outcome) => (outcome.kind === 'result' ? resolve(outcome.result) : reject(outcome.error)));
    });
  }

  /** Leaves as soon as every command has its reply. `onEnd` is not called. */
  retire(): void {
    if (this.#state === 'ended') return;
    this.#state = 'retired';
    this.#authentication?.stop();
    if (this.#pending.size === 0) this.close();
  }

  /** Ends it now; what has no reply fails with `closed`. `onEnd` is not called. */
  close(): void {
    this.#finish(new BarrageError('closed', 'the client closed the connection', false));
  }

  #receive(data: unknown): void {
    let message: Received;
    try {
      message = readMessage(data);
    } catch (error) {
      return this.#abandon(error as BarrageError);
    }
    this.#liveness?.received(this.#options.now());
    if (message.type === 'hello') return this.#greet(message);
    if (message.type === 'reply') {
      const outcome: Outcome =
        'error' in message
          ? { kind: 'error', error: new BarrageError(message.error.code, message.error.message, message.error.retry) }
          : { kind: 'result', result: message.result };
      return this.#settle(message.id, outcome);
    }
    if (message.type !== 'unknown') this.#options.onArrival(this, message);
  }

  #greet(hello: Hello): void {
    // Another protocol's server may accept the WebSocket; only one that chose ours says hello as we mean it.
    if (this.#liveness !== undefined || this.#socket.protocol !== subprotocol) {
      return this.#abandon(new BarrageError('protocol', 'the server does not speak barrage.v1', true));
    }
    clearTimeout(this.#timer);
    this.#liveness = new Liveness(hello, this.#options.now());
    this.#watch();
    this.#options.onHello(this, hello);
    const { token, now, random, onError } = this.#options;
    if (token === undefined) return this.#open();
    this.#authentication = new Authentication({
      token,
      now,
      random,
      bounds: hello.backoff,
      send: (body, settle): void => this.send(body, settle),
      onFirst: (outcome): void => (outcome.kind === 'result' ? this.#open() : this.#abandon(outcome.error)),
      onError,
    });
  }

  #open(): void {
    if (this.#state !== 'dialling') return;
    this.#state = 'ready';
    this.#options.onReady(this);
  }

  #flush(): void {
    while (this.#inFlight.size < inFlightMax && this.#socket.readyState === WebSocket.OPEN) {
      const next = this.#queued.shift();
      if (next === undefined) return;
      if (!this.#pending.has(next.id)) continue;
      this.#inFlight.add(next.id);
      this.#socket.send(JSON.stringify({ id: next.id, ...next.body }));
      this.#liveness?.sent(this.#options.now());
    }
  }

  #settle(id: number, outcome: Outcome): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    clearTimeout(pending.timer);
    this.#pending.delete(id);
    this.#inFlight.delete(id);
    pending.settle(outcome);
    this.#flush();
    if (this.#state === 'retired' && this.#pending.size === 0) this.close();
  }

  #watch(): void {
    const step = this.#liveness?.step(this.#options.now());
    if (step === undefined || this.#state === 'ended') return;
    if (step.kind === 'give-up') return this.#abandon(new BarrageError('disconnected', 'nothing arrives any more', true));
    if (step.kind === 'wait') {
      this.#timer = setTimeout(() => this.#watch(), step.ms);
      return;
    }
    this.send({ op: 'ping' }, () => {});
    this.#watch();
  }

  #abandon(error: BarrageError): void {
    // Not waiting for the close handshake: a peer that is gone does not answer it.
    const notify = this.#state !== 'ended' && this.#state !== 'retired';
    this.#finish(error);
    if (notify) this.#options.onEnd(this, error);
  }

  #finish(error: BarrageError): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#authentication?.stop();
    clearTimeout(this.#timer);
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(closeCodes.normal.code);
    for (const id of this.#pending.keys()) this.#settle(id, { kind: 'error', error: error.code === 'closed' ? error : disconnected() });
  }
}

function disconnected(): BarrageError {
  return new BarrageError('disconnected', 'the connection broke before the answer', true);
}

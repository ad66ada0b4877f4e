import type { Hello, Reply } from '../core/protocol/barrage-v1.ts';
import type { Authentication, TokenSource } from './authentication.ts';
import type { ClientClock } from './client-clock.ts';
import { CommandQueue, waitingBytesMax, type QueueRefusal } from './command-queue.ts';
import type { CommandBody, Settle } from './command.ts';
import { BarrageError, ownError } from './errors.ts';
import { Liveness } from './liveness.ts';
import type { ServerClock } from './server-clock.ts';
import type { Transport, TransportName, TransportOptions } from './transport/transport.ts';
import { isOffset, type Received } from './wire.ts';

/** Every message but hello and replies, which the connection treats itself. */
export type Arrival = Exclude<Received, Hello | Reply | { readonly type: 'unknown' }>;

export interface ConnectionOptions {
  readonly url: string;
  readonly transport: TransportName;
  /** Calls `use` with what dials, at once or when that is loaded; may throw. */
  readonly open: (options: TransportOptions, use: (dial: () => Transport) => void) => void;
  readonly token: TokenSource | undefined;
  /** Calls `use` with the class that treats tokens once that is there, or `failed`. */
  readonly loadAuthentication: (use: (Class: typeof Authentication) => void, failed: (error: BarrageError) => void) => void;
  readonly clock: ClientClock;
  /** Learns the times that the gateway tells. */
  readonly serverClock: ServerClock;
  readonly random: () => number;
  /** The gateway said hello; the token, if any, is not accepted yet. */
  readonly onHello: (connection: Connection, hello: Hello) => void;
  /** Commands may be sent. */
  readonly onReady: (connection: Connection) => void;
  readonly onArrival: (connection: Connection, arrival: Arrival) => void;
  /** The connection's token could not be renewed. */
  readonly onError: (error: BarrageError) => void;
  /** The connection is over; called once. `error.retry` says whether to come back. */
  readonly onEnd: (connection: Connection, error: BarrageError) => void;
}

/** Longest wait for a command to go out, and as long again for its reply, in milliseconds. */
const commandTimeoutMs = 10_000;
/** Longest wait for the transport and the gateway's hello, in milliseconds. */
const helloTimeoutMs = 10_000;
/** Age of a dial, in milliseconds, above which it is begun anew when the network comes back. */
const staleDialMs = 2_000;

interface Pending {
  readonly op: CommandBody['op'];
  readonly settle: Settle;
  cancelTimer: () => void;
}

/** One connection, from dialling to its end: hello, token, commands with their replies, signs of life. */
export class Connection {
  readonly url: string;
  readonly #options: ConnectionOptions;
  /** Absent while it is loaded. */
  #transport: Transport | undefined;
  readonly #dialledAt: number;
  readonly #pending = new Map<number, Pending>();
  readonly #channels = new Map<string, (() => void)[]>();
  /** Number of commands that wait in `#channels`. */
  #ordered = 0;
  #queue: CommandQueue | undefined;
  #lastId = 0;
  #liveness: Liveness | undefined;
  #authentication: Authentication | undefined;
  #cancelTimer: () => void;
  #cancelFlush: (() => void) | undefined;
  #state: 'dialling' | 'ready' | 'retired' | 'ended' = 'dialling';

  /**
   * Dials at once.
   * @throws DOMException when the platform refuses the URL
   */
  constructor(options: ConnectionOptions) {
    this.url = options.url;
    this.#options = options;
    this.#dialledAt = options.clock.monotonic();
    const receiver: TransportOptions = {
      url: options.url,
      onMessage: (message): void => this.#receive(message),
      onEnd: (error): void => this.#abandon(ownError(error)),
    };
    options.open(receiver, (dial) => {
      if (!this.ended) this.#transport = dial();
    });
    this.#cancelTimer = options.clock.after(helloTimeoutMs, () => {
      this.#abandon(new BarrageError('timeout', `no hello from ${options.url} in ${helloTimeoutMs} ms`, true));
    });
  }

  /** The transport that it speaks through. */
  get transport(): TransportName {
    return this.#options.transport;
  }

  /** Whether the gateway said hello. */
  get greeted(): boolean {
    return this.#liveness !== undefined;
  }

  /** Whether commands may be sent. */
  get ready(): boolean {
    return this.#state === 'ready';
  }

  /** Whether the connection is over. */
  get ended(): boolean {
    return this.#state === 'ended';
  }

  /** Whether too many commands are unanswered for one more about a subscription of the application. */
  get crowded(): boolean {
    return this.#pending.size + this.#ordered >= (this.#queue?.waitingMax ?? Infinity);
  }

  /**
   * Sends a command about subscriptions or the connection itself. `settle` is called once, synchronously with the
   * reply, so that the messages after the reply find its effect.
   */
  send(body: CommandBody, settle: Settle): void {
    this.#send(body, settle, false);
  }

  /**
   * Sends a command after the earlier ones about the same channel are settled: subscribe and unsubscribe must not
   * overtake each other.
   */
  sendInOrder(body: CommandBody & { readonly channel: string }, settle: Settle): void {
    const turn = (): void =>
      this.send(body, (error, result) => {
        settle(error, result);
        const next = this.#channels.get(body.channel)?.shift();
        if (next === undefined) {
          this.#channels.delete(body.channel);
        } else {
          this.#ordered--;
          next();
        }
      });
    const waiting = this.#channels.get(body.channel);
    if (waiting !== undefined) {
      waiting.push(turn);
      this.#ordered++;
    } else {
      this.#channels.set(body.channel, []);
      turn();
    }
  }

  /**
   * Sends a call of the application, in its turn.
   * @throws BarrageError `too_many_requests` when too many wait already, or the call's own failure
   */
  request(body: CommandBody): Promise<object> {
    return new Promise((resolve, reject) => {
      this.#send(body, (error, result) => (error === undefined ? resolve(result) : reject(error)), true);
    });
  }

  /** The network may have changed. Within seconds the connection proves that it lives, or ends. */
  doubt(): void {
    const now = this.#options.clock.monotonic();
    if (this.#state === 'ended') return;
    if (this.#liveness !== undefined) {
      this.#liveness.doubt(now);
      this.#cancelTimer();
      this.#watch();
    } else if (now - this.#dialledAt >= staleDialMs) {
      this.#abandon(new BarrageError('timeout', `no hello from ${this.url} before the network came back`, true));
    }
  }

  /** Closes as soon as every command has its reply. `onEnd` is not called. */
  retire(): void {
    if (this.#state === 'ended') return;
    this.#state = 'retired';
    this.#authentication?.stop();
    if (this.#pending.size === 0) this.close();
  }

  /** Closes now; commands without a reply fail. `onEnd` is not called. */
  close(why: BarrageError = new BarrageError('closed', 'the client closed the connection', false)): void {
    this.#finish(why);
  }

  #receive(message: Received): void {
    this.#liveness?.received(this.#options.clock.monotonic());
    if (message.type === 'hello') return this.#greet(message);
    if (message.type === 'reply') {
      if ('result' in message) {
        this.#learnTime(message);
        return this.#settle(message.id, undefined, message.result);
      }
      return this.#settle(message.id, ownError(message.error));
    }
    if (message.type !== 'unknown') this.#options.onArrival(this, message);
  }

  #greet(hello: Hello): void {
    if (this.#liveness !== undefined) return this.#abandon(new BarrageError('protocol', 'the gateway said hello twice', true));
    const { token, clock, random, loadAuthentication, onError } = this.#options;
    this.#cancelTimer();
    if (hello.now !== undefined) this.#options.serverClock.greeted(hello.now, clock.monotonic());
    this.#queue = new CommandQueue(hello.limits);
    this.#liveness = new Liveness(hello, clock.monotonic());
    this.#watch();
    this.#options.onHello(this, hello);
    if (this.ended) return;
    if (token === undefined) return this.#open();
    const begin = (Class: typeof Authentication): void => {
      if (this.#state !== 'dialling') return;
      this.#authentication = new Class({
        token,
        clock,
        random,
        bounds: hello.backoff,
        send: (body, settle): void => this.send(body, settle),
        onFirst: (error): void => (error === undefined ? this.#open() : this.#abandon(ownError(error))),
        onError: (error): void => onError(ownError(error)),
      });
    };
    loadAuthentication(begin, (error) => this.#abandon(error));
  }

  /** The answer to a ping has the gateway's time. */
  #learnTime({ id, result }: Extract<Reply, { readonly result: unknown }>): void {
    const { now } = result;
    if (this.#pending.get(id)?.op !== 'ping' || !isOffset(now)) return;
    this.#options.serverClock.told(now, this.#options.clock.monotonic());
  }

  #open(): void {
    if (this.#state !== 'dialling') return;
    this.#state = 'ready';
    this.#options.onReady(this);
  }

  #send(body: CommandBody, settle: Settle, isCall: boolean): void {
    const queue = this.#queue;
    if (this.ended || queue === undefined) return settle(disconnected(), {});
    const id = ++this.#lastId;
    const refusal = queue.add(id, JSON.stringify({ id, ...body }), isCall);
    if (refusal !== undefined) return settle(refused(body.op, refusal, queue), {});
    // The others go out in a bounded time, since the commands before them are bounded and have deadlines.
    const unsent = (): void => this.#late(id, `${body.op} could not be sent`);
    const cancelTimer = isCall ? this.#options.clock.after(commandTimeoutMs, unsent) : (): void => {};
    this.#pending.set(id, { op: body.op, settle, cancelTimer });
    this.#flush();
  }

  #flush(): void {
    const { clock } = this.#options;
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    while (this.#queue !== undefined && this.#transport?.isOpen === true) {
      const step = this.#queue.step(clock.monotonic());
      if (step.kind === 'wait') this.#cancelFlush = clock.after(step.ms, () => this.#flush());
      if (step.kind !== 'send') return;
      const { id, text } = step.command;
      const pending = this.#pending.get(id);
      pending?.cancelTimer();
      if (pending !== undefined) pending.cancelTimer = clock.after(commandTimeoutMs, () => this.#late(id, `no answer to ${pending.op}`));
      this.#transport.send(text);
      this.#liveness?.sent(clock.monotonic());
    }
  }

  #late(id: number, what: string): void {
    this.#settle(id, new BarrageError('timeout', `${what} in ${commandTimeoutMs} ms`, true));
  }

  #settle(id: number, error: BarrageError | undefined, result: object = {}): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    pending.cancelTimer();
    this.#pending.delete(id);
    this.#queue?.forget(id);
    pending.settle(error, result);
    this.#flush();
    if (this.#state === 'retired' && this.#pending.size === 0) this.close();
  }

  #watch(): void {
    const { clock } = this.#options;
    const step = this.#liveness?.step(clock.monotonic());
    if (step === undefined || this.ended) return;
    if (step.kind === 'give-up') return this.#abandon(new BarrageError('disconnected', 'nothing arrives any more', true));
    if (step.kind === 'wait') {
      this.#cancelTimer = clock.after(step.ms, () => this.#watch());
      return;
    }
    this.send({ op: 'ping' }, () => {});
    this.#watch();
  }

  #abandon(error: BarrageError): void {
    // The close handshake is not waited for: a peer that is gone does not answer it.
    const notify = this.#state !== 'ended' && this.#state !== 'retired';
    this.#finish(error);
    if (notify) this.#options.onEnd(this, error);
  }

  #finish(error: BarrageError): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#authentication?.stop();
    this.#cancelTimer();
    this.#cancelFlush?.();
    this.#transport?.close();
    for (const id of this.#pending.keys()) this.#settle(id, error.code === 'closed' ? error : disconnected());
  }
}

/** The error of a command that is not sent. The connection and its other commands stay as they are. */
function refused(op: CommandBody['op'], refusal: QueueRefusal, { frameBytesMax, waitingMax }: CommandQueue): BarrageError {
  if (refusal === 'too_large') {
    return new BarrageError('payload_too_large', `this ${op} is longer than the ${frameBytesMax} bytes that the gateway takes`, false);
  }
  const bound = `${waitingMax} calls or ${waitingBytesMax} bytes of calls wait already`;
  return new BarrageError('too_many_requests', `${bound}: wait for some of their answers before the next ${op}`, true);
}

function disconnected(): BarrageError {
  return new BarrageError('disconnected', 'the connection broke before the answer', true);
}

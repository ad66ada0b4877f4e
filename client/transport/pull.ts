import type { Command, CommandError, Hello, Reply, WireBackoff } from '../../core/protocol/barrage-v1.ts';
import { defaultBackoff } from '../backoff.ts';
import type { ClientClock } from '../client-clock.ts';
import { BarrageError, type BarrageErrorCode } from '../errors.ts';
import type { ServerClock } from '../server-clock.ts';
import { isBackoff, isRecord } from '../wire.ts';
import { Fetching, pathOf } from './fetching.ts';
import { PulledChannel, type PullQuestions, type PullVerdict } from './pulled-channel.ts';
import { readHead, readSegment } from './pulled.ts';
import type { Transport, TransportOptions } from './transport.ts';

/** Time without a good answer after which the connection is over, in milliseconds. */
const givenUpMs = 15_000;
/** A pulling client has no connection to keep alive: it pings only when the network may have changed. */
const pingIntervalMs = 2 ** 31 - 1;
/** The gateway that answers is not bound to this client, so these are the client's own. */
const limits = { frameBytesMax: 65_536, subscriptionsMax: 128, commandsPerSecondMax: 200 } as const;

export interface PullOptions extends TransportOptions {
  readonly clock: ClientClock;
  readonly random: () => number;
  readonly serverClock: ServerClock;
}

/**
 * Channels by pull (`docs/pull.md`), as if a gateway answered commands of barrage.v1: so subscriptions, positions and
 * moves are the same over every transport. It is open when `GET /v1/connect` has answered. What pull can't do is
 * refused as `unsupported`.
 */
export class PullTransport implements Transport {
  readonly name = 'pull';
  readonly #options: PullOptions;
  readonly #fetching: Fetching;
  readonly #channels = new Map<string, PulledChannel>();
  #token: string | undefined;
  #lastGoodAt: number;
  #isOpen = false;
  #isOver = false;

  /** Asks at once. */
  constructor(options: PullOptions) {
    this.#options = options;
    this.#fetching = new Fetching(options.clock);
    this.#lastGoodAt = options.clock.monotonic();
    this.#connect().then(
      (backoff) => {
        if (this.#isOver) return;
        this.#isOpen = true;
        const hello: Hello = { type: 'hello', client: 'pull', pingIntervalMs, pongTimeoutMs: givenUpMs, backoff, limits };
        options.onMessage(hello);
      },
      (cause: unknown) => this.#end(new BarrageError('disconnected', `${options.url} can't be asked: ${String(cause)}`, true)),
    );
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.#isOver;
  }

  send(text: string): void {
    const command = JSON.parse(text) as Command;
    // Later, as a gateway's answer would come: the sender has not noted yet that it waits for one.
    void Promise.resolve().then(() => this.#obey(command));
  }

  close(): void {
    this.#isOver = true;
    this.#fetching.close();
    for (const channel of this.#channels.values()) channel.stop();
    this.#channels.clear();
  }

  #obey(command: Command): void {
    if (this.#isOver) return;
    const { id } = command;
    switch (command.op) {
      case 'auth':
        this.#token = command.token;
        return this.#reply(id, {});
      case 'subscribe':
        return this.#subscribe(command);
      case 'unsubscribe':
        this.#channels.get(command.channel)?.stop();
        this.#channels.delete(command.channel);
        return this.#reply(id, {});
      case 'ping':
        this.#connect().then(
          () => this.#reply(id, {}),
          () => {},
        );
        return;
      case 'publish':
      case 'counts':
      case 'density':
        return this.#refuse(id, 'unsupported', `${command.op} needs a connection, and this client pulls now`, true);
    }
  }

  #subscribe({ id, channel, since, rewind }: Extract<Command, { readonly op: 'subscribe' }>): void {
    if (this.#channels.has(channel)) return this.#refuse(id, 'already_subscribed', `${channel} is subscribed to already`, false);
    if (this.#channels.size >= limits.subscriptionsMax) {
      return this.#refuse(id, 'limit_exceeded', `a client subscribes to ${limits.subscriptionsMax} channels at most`, false);
    }
    const { clock, random } = this.#options;
    const pulled = new PulledChannel({
      channel,
      since,
      rewind,
      questions: this.#questions(channel),
      clock,
      random,
      onJoined: (result) => this.#reply(id, { ...result }),
      onRefused: (code, message, retry) => {
        this.#channels.delete(channel);
        this.#refuse(id, code, message, retry);
      },
      onMessage: (message) => {
        if (!this.#isOver) this.#options.onMessage(message);
      },
      // Another connection shows whether the token, or the channel, is still good.
      onBroken: (why) => this.#end(new BarrageError('disconnected', `${channel} can't be pulled any more: ${why}`, true)),
    });
    this.#channels.set(channel, pulled);
    pulled.go();
  }

  #questions(channel: string): PullQuestions {
    const base = pathOf(this.#options.url, `/v1/channels/${encodeURIComponent(channel)}/`);
    let needsToken = false;
    return async (path): Promise<PullVerdict> => {
      const token = this.#token;
      const ask = (): ReturnType<Fetching['fetch']> =>
        this.#fetching.fetch(`${base}${path}`, needsToken && token !== undefined ? { headers: { authorization: `Bearer ${token}` } } : {});
      try {
        let answer = await ask();
        // A token makes an answer this user's own: only where the channel wants one, so that caches carry the others.
        if (answer.status === 401 && token !== undefined && !needsToken) {
          needsToken = true;
          answer = await ask();
        }
        if (answer.status >= 500) return this.#failed();
        const { clock, serverClock } = this.#options;
        const now = clock.monotonic();
        this.#lastGoodAt = now;
        if (answer.status !== 200) return { kind: 'refused', status: answer.status, document: answer.document };
        if (path === 'head') this.#learnTime(answer.headers);
        const head = path === 'head' ? readHead(answer.document, serverClock.at(now)) : undefined;
        if (head !== undefined) return { kind: 'head', head };
        return path === 'head' ? this.#failed() : { kind: 'segment', batch: readSegment(answer.document, serverClock.at(now)) };
      } catch {
        return this.#failed();
      }
    };
  }

  /** A head's date is the gateway's clock, and a cache says how long ago that was. */
  #learnTime(headers: Headers): void {
    const date = Date.parse(headers.get('date') ?? '');
    const age = Number(headers.get('age') ?? 0);
    if (date > 0 && age >= 0) this.#options.serverClock.told(date + age * 1000, this.#options.clock.monotonic());
  }

  #failed(): PullVerdict {
    const now = this.#options.clock.monotonic();
    if (!this.#isOver && now - this.#lastGoodAt > givenUpMs) {
      this.#end(new BarrageError('disconnected', `no good answer from ${this.#options.url} in ${givenUpMs} ms`, true));
    }
    return { kind: 'failed' };
  }

  /** Whether the gateway can be reached, and the back-off that it asks for. @throws without an answer */
  async #connect(): Promise<WireBackoff> {
    const url = pathOf(this.#options.url, '/v1/connect?channel=any%3Apull');
    const { status, document } = await this.#fetching.fetch(url, { cache: 'no-store' });
    if (status >= 500) throw new Error(`HTTP status ${status}`);
    const backoff = isRecord(document) ? document['backoff'] : undefined;
    return isRecord(backoff) && isBackoff(backoff) ? (backoff as unknown as WireBackoff) : defaultBackoff;
  }

  #reply(id: number, result: Extract<Reply, { readonly result: unknown }>['result']): void {
    if (!this.#isOver) this.#options.onMessage({ type: 'reply', id, result });
  }

  #refuse(id: number, code: BarrageErrorCode, message: string, retry: boolean): void {
    if (!this.#isOver) this.#options.onMessage({ type: 'reply', id, error: { code, message, retry } as CommandError });
  }

  #end(error: BarrageError): void {
    if (this.#isOver) return;
    this.close();
    this.#options.onEnd(error);
  }
}

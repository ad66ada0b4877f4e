import { randomUUID } from 'node:crypto';
import {
  deliveredOf,
  historyOf,
  outcomesOf,
  publishedOf,
  unfinishedOf,
  type BatchResult,
  type HistoryResult,
  type PublishResult,
} from './answers.ts';
import type {
  BarrageBackendOptions,
  BatchPublication,
  CallOptions,
  ChannelOutcome,
  Cleared,
  ClientId,
  Delivered,
  History,
  HistoryOptions,
  PublicationOptions,
  PublishData,
  Published,
  PublishOptions,
  Recalled,
  RecallWhat,
  RepeatableOptions,
  TransportName,
} from './api.ts';
import { BarrageBackendError } from './errors.ts';
import { payloadOf, publicationFields } from './payload.ts';
import { Requests } from './requests.ts';

export type * from './api.ts';
export { BarrageBackendError, type ApiErrorCode, type BarrageBackendErrorCode } from './errors.ts';

type Outcomes = readonly ChannelOutcome<BarrageBackendError>[];

/** Channels and payload bytes of one request of `broadcast`: the bounds of `POST /v1/publish`. */
const broadcastChannelsMax = 1_000;
const broadcastBytesMax = 16 * 1_048_576;
/** The gateway's own wait where a call names none, in milliseconds. */
const waitMsDefault = 2_000;

/**
 * A backend's way to its clients: the publish API (docs/publish-api.md) with repetitions, bounds and typed errors. One
 * for each process is enough. Its connections are kept alive by Node, and need no end.
 */
export class BarrageBackend {
  readonly #requests: Requests;

  /** @throws TypeError or RangeError for an option that can't be used */
  constructor(options: BarrageBackendOptions) {
    this.#requests = new Requests(options);
  }

  /**
   * Publishes to a channel, once: a request whose answer was lost is repeated with the same idempotency key. Calls that
   * are under way at the same time are published in any order.
   * @throws BarrageBackendError, or the signal's reason
   */
  publish(channel: string, data: PublishData, options: PublishOptions & { readonly wait: 'delivered' }): Promise<Delivered>;
  publish(channel: string, data: PublishData, options?: PublishOptions & { readonly wait?: undefined }): Promise<Published>;
  publish(channel: string, data: PublishData, options?: PublishOptions): Promise<Published | Delivered>;
  async publish(channel: string, data: PublishData, options: PublishOptions = {}): Promise<Published | Delivered> {
    const { wait, waitMs } = options;
    const key = keyOf(options);
    const body = { c: channel, ...payloadOf(data), ...publicationFields(options), wait, waitMs };
    const longer = wait === undefined ? {} : { waitMs: typeof waitMs === 'number' && waitMs > 0 ? waitMs : waitMsDefault };
    const request = { method: 'POST', path: 'v1/mesh/publish', body, key, isRepeatable: key !== undefined, ...longer } as const;
    const result = (await this.#requests.run(request, options)) as unknown as PublishResult;
    return wait === undefined ? publishedOf(result) : deliveredOf(result);
  }

  /**
   * Publishes many publications in one request: at most 1,000, counted once for each of their channels. A channel gets
   * all of its own or none, in their order.
   * @returns an entry for each publication and channel, in their order, with its place or its error
   * @throws BarrageBackendError where the request as a whole was refused, or the signal's reason
   */
  async publishBatch(publications: readonly BatchPublication[], options: RepeatableOptions = {}): Promise<Outcomes> {
    const key = keyOf(options);
    const body = { publications: publications.map(batchFields) };
    const channels = publications.map((publication) => ('channels' in publication ? publication.channels : [publication.channel]));
    const isRepeatable = key !== undefined || publications.every(({ idempotencyKey }) => idempotencyKey !== undefined);
    const unfinished = (result: object) => unfinishedOf(result as BatchResult);
    const result = await this.#requests.run({ method: 'POST', path: 'v1/publish', body, key, isRepeatable, unfinished }, options);
    return outcomesOf(result as unknown as BatchResult, channels);
  }

  /**
   * Publishes the same to many channels, however many: up to 1,000 of them in one request, the requests one after
   * another.
   * @returns an entry for each channel, in their order, with its place or its error
   * @throws BarrageBackendError where a request as a whole was refused, or the signal's reason
   */
  async broadcast(channels: readonly string[], data: PublishData, options: PublicationOptions & RepeatableOptions = {}): Promise<Outcomes> {
    const key = keyOf(options);
    const bytes = Buffer.byteLength(payloadOf(data).d);
    const most = Math.max(1, Math.min(broadcastChannelsMax, Math.floor(broadcastBytesMax / Math.max(1, bytes))));
    const outcomes: ChannelOutcome<BarrageBackendError>[] = [];
    for (let from = 0; from < channels.length; from += most) {
      const part = channels.slice(from, from + most);
      // Each request has a key of its own, the same one whenever the call is repeated.
      const own = key === undefined ? null : channels.length <= most ? key : `${key}.${from}`;
      const publication = { ...publicationFields(options), channels: part, data };
      const published = await this.publishBatch([publication], { ...options, idempotencyKey: own });
      outcomes.push(...published);
    }
    return outcomes;
  }

  /**
   * Sends to one client. It is not repeated when the answer was lost, since the API knows no key for it.
   * @throws BarrageBackendError 401 where the client is not connected
   */
  async send(client: ClientId, data: PublishData, options: CallOptions = {}): Promise<void> {
    const body = { c: client, ...payloadOf(data) };
    await this.#requests.run({ method: 'POST', path: 'v1/mesh/send', body, isRepeatable: false }, options);
  }

  /** Subscribes a client to channels. @throws BarrageBackendError 301 where it is not connected, or may not */
  async subscribe(client: ClientId, channels: readonly string[], options: CallOptions = {}): Promise<void> {
    await this.#call({ c: client, f: 'subscribe', a: channels }, options);
  }

  /** Ends subscriptions of a client. @throws BarrageBackendError 301 where it is not connected */
  async unsubscribe(client: ClientId, channels: readonly string[], options: CallOptions = {}): Promise<void> {
    await this.#call({ c: client, f: 'unsubscribe', a: channels }, options);
  }

  /** Replaces a client's context. A `uid` in it is the client's identity from then on. */
  async setContext(client: ClientId, context: Readonly<Record<string, unknown>>, options: CallOptions = {}): Promise<void> {
    await this.#call({ c: client, f: 'set_context', a: [context] }, options);
  }

  /** Sets one value of a client's context. `uid` is the client's identity from then on. */
  async setContextValue(client: ClientId, name: string, value: unknown, options: CallOptions = {}): Promise<void> {
    await this.#call({ c: client, f: 'set_context_value', a: [name, value] }, options);
  }

  /** Asks a client to come back over another transport. */
  async reconnect(client: ClientId, transport: TransportName, options: CallOptions = {}): Promise<void> {
    await this.#call({ c: client, f: 'reconnect', a: [transport] }, options);
  }

  /**
   * Ends a client's connection: close code 4502, after which a client does not come back by itself.
   * @param reason told to the client; at most 123 bytes
   * @throws BarrageBackendError 301 where it is not connected
   */
  async kick(client: ClientId, reason?: string, options: CallOptions = {}): Promise<void> {
    await this.#call({ c: client, f: 'close', a: reason === undefined ? [] : [reason] }, options);
  }

  /** Reads what a channel keeps. @throws BarrageBackendError 506 where it keeps nothing */
  async history(channel: string, { limit, since, epoch, reverse, ...options }: HistoryOptions = {}): Promise<History> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ limit, since, epoch, reverse })) if (value !== undefined) query.set(name, String(value));
    const path = `${channelPath(channel)}/history${query.size === 0 ? '' : `?${query.toString()}`}`;
    const result = await this.#requests.run({ method: 'GET', path, isRepeatable: true }, options);
    return historyOf(result as unknown as HistoryResult);
  }

  /** Takes publications back: those at offsets of an epoch, or all that the history keeps of a user. */
  async recall(channel: string, what: RecallWhat, options: RepeatableOptions = {}): Promise<Recalled> {
    return { replayed: false, ...((await this.#takeBack(`${channelPath(channel)}/recall`, what, options)) as Omit<Recalled, 'replayed'>) };
  }

  /** Takes back all that was published to a channel before. */
  async clear(channel: string, options: RepeatableOptions = {}): Promise<Cleared> {
    return { replayed: false, ...((await this.#takeBack(`${channelPath(channel)}/clear`, {}, options)) as Omit<Cleared, 'replayed'>) };
  }

  #takeBack(path: string, body: object, options: RepeatableOptions): Promise<object> {
    const key = keyOf(options);
    return this.#requests.run({ method: 'POST', path, body, key, isRepeatable: key !== undefined }, options);
  }

  /** Calls do the same twice as once. */
  #call(body: object, options: CallOptions): Promise<object> {
    return this.#requests.run({ method: 'POST', path: 'v1/conn/call', body, isRepeatable: true }, options);
  }
}

/** @throws TypeError for a key that no header can carry */
function keyOf({ idempotencyKey = randomUUID() }: Pick<RepeatableOptions, 'idempotencyKey'>): string | undefined {
  if (idempotencyKey !== null && !/^[\x21-\x7e]{1,128}$/.test(idempotencyKey))
    throw new TypeError('idempotencyKey: must be 1 to 128 visible ASCII characters without spaces, such as a UUID');
  return idempotencyKey ?? undefined;
}

function channelPath(channel: string): string {
  return `v1/channels/${encodeURIComponent(channel)}`;
}

function batchFields(publication: BatchPublication): object {
  const where = 'channels' in publication ? { channels: publication.channels } : { c: publication.channel };
  return { ...where, ...payloadOf(publication.data), ...publicationFields(publication), idempotencyKey: publication.idempotencyKey };
}

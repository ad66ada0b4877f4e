import type { Clock } from '../clock.ts';
import assert from 'node:assert/strict';
import { BusUnavailable, type AppendResult, type ChannelLog, type LogSubscriber } from '../bus/bus.ts';
import { withDeadline } from '../bus/deadline.ts';
import { EnvelopeError, decodeEnvelope, encodeBody, envelopeVersion, type Envelope } from '../bus/envelope.ts';
import type { Position, Publication } from '../publication.ts';
import type { AppendFailures } from './append-failures.ts';
import { AppendQueue } from './append-queue.ts';
import { commandTimeoutMs } from './connection.ts';
import type { RedisNames } from './keys.ts';
import { LogSubscription } from './log-subscription.ts';
import type { Masters, OpenMaster } from './masters.ts';
import type { SparseLog } from '../process/sparse-log.ts';

/** How long a channel's record outlives its last use. After that the channel begins a new epoch. */
const recordSeconds = 30 * 24 * 3600;
/**
 * … while nothing was published: it is there only for those who are subscribed to the channel, and is renewed for as long as they are. Anybody can
 * subscribe to names that nobody publishes to, and each leaves its record behind.
 */
const emptyRecordSeconds = 3600;
/** Most records that one round trip renews. */
const renewalsPerRoundTrip = 500;

const empty = Buffer.alloc(0);

/** The channel log on Redis: `append.lua` gives the offsets and publishes, this side batches, subscribes and keeps the order. */
export class RedisChannelLog implements ChannelLog {
  readonly #names: RedisNames;
  readonly #masters: Masters;
  readonly #refusedEnvelopes: SparseLog;
  readonly #newEpoch: () => string;
  readonly #appends: AppendQueue;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #byChannel = new Map<string, LogSubscription>();
  readonly #emptyRecordSeconds: number;
  readonly #renewing: NodeJS.Timeout;

  constructor(options: {
    readonly names: RedisNames;
    readonly masters: Masters;
    readonly refusedEnvelopes: SparseLog;
    readonly newEpoch: () => string;
    readonly clock: Pick<Clock, 'monotonic' | 'after'>;
    readonly failures: AppendFailures;
    readonly emptyRecordSeconds: number | undefined;
  }) {
    this.#names = options.names;
    this.#masters = options.masters;
    this.#refusedEnvelopes = options.refusedEnvelopes;
    this.#newEpoch = options.newEpoch;
    const { clock, failures } = options;
    this.#clock = clock;
    this.#appends = new AppendQueue({ send: (channel, publications) => this.#send(channel, publications), clock, failures });
    this.#emptyRecordSeconds = options.emptyRecordSeconds ?? emptyRecordSeconds;
    this.#renewing = setInterval(() => void this.#renewEmptyRecords(), (this.#emptyRecordSeconds * 1000) / 3);
  }

  /** Publications that wait for Redis or are under way. */
  get appendsWaiting(): number {
    return this.#appends.size;
  }

  append(channel: string, publications: readonly Publication[]): Promise<AppendResult> {
    return this.#appends.append(channel, publications);
  }

  async subscribe(channel: string, subscriber: LogSubscriber): Promise<Position> {
    assert(!this.#byChannel.has(channel), 'a process subscribes to a channel once');
    const subscription = new LogSubscription({
      channel,
      subscriber,
      decode: (message) => this.#decode(message),
      readPosition: (client, reign) => this.#runScript({ client, reign }, channel, []),
    });
    this.#byChannel.set(channel, subscription);
    const name = this.#names.log(channel);
    try {
      const outcome = await withDeadline(this.#enter(name, subscription), commandTimeoutMs, this.#clock);
      if (outcome.kind === 'value') return outcome.value;
      throw new BusUnavailable('the bus did not answer in time');
    } catch (error) {
      this.#leave(channel, subscription, error as BusUnavailable);
      throw error;
    }
  }

  unsubscribe(channel: string): void {
    const subscription = this.#byChannel.get(channel);
    if (subscription !== undefined)
      this.#leave(channel, subscription, new BusUnavailable('unsubscribed before the subscription was in force'));
  }

  close(): void {
    clearInterval(this.#renewing);
  }

  /** A record that ended all the same, as while Redis was out of reach, costs those who are subscribed a new epoch, of which they are told. */
  async #renewEmptyRecords(): Promise<void> {
    const records: string[] = [];
    for (const [channel, { isEmpty }] of this.#byChannel) if (isEmpty) records.push(this.#names.record(channel));
    // GT: a record that has publications by now lives longer, and one that has ended is not made anew.
    const renew = (record: string): Promise<unknown> =>
      this.#masters.run(record, ({ client }) => client.expire(record, this.#emptyRecordSeconds, 'GT')).catch(() => undefined);
    while (records.length > 0) await Promise.all(records.splice(-renewalsPerRoundTrip).map(renew));
  }

  async #enter(name: string, subscription: LogSubscription): Promise<Position> {
    // Its failure is handled here or, when it comes before that, by nobody who would wait for it.
    subscription.position.catch(() => undefined);
    await this.#masters.ready(name);
    if (!subscription.closed) this.#masters.add(name, subscription);
    return subscription.position;
  }

  #leave(channel: string, subscription: LogSubscription, reason: BusUnavailable): void {
    subscription.close(reason);
    if (this.#byChannel.get(channel) === subscription) this.#byChannel.delete(channel);
    this.#masters.remove(this.#names.log(channel), subscription);
  }

  #send(channel: string, publications: readonly Publication[]): Promise<Position> {
    return this.#masters.run(this.#names.record(channel), (master) => this.#runScript(master, channel, publications));
  }

  async #runScript({ client, reign }: OpenMaster, channel: string, publications: readonly Publication[]): Promise<Position> {
    const body = publications.length === 0 ? empty : encodeBody(publications);
    const [epoch, offset] = await client.barrageAppend(
      this.#names.record(channel),
      reign,
      this.#newEpoch(),
      recordSeconds,
      this.#emptyRecordSeconds,
      publications.length,
      this.#names.log(channel),
      envelopeVersion,
      body,
    );
    return { epoch, offset };
  }

  #decode(message: Buffer): Envelope | undefined {
    try {
      return decodeEnvelope(message);
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      this.#refusedEnvelopes.warn(error);
      return undefined;
    }
  }
}

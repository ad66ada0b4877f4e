import type { Clock } from '../clock.ts';
import assert from 'node:assert/strict';
import { BusUnavailable, type AppendResult, type ChannelLog, type LogSubscriber } from '../bus/bus.ts';
import { payloadBytesOf } from '../bus/append-bounds.ts';
import { withDeadline } from '../bus/deadline.ts';
import { answerFrom, type HistoryBounds, type HistoryPage, type HistoryQuery } from '../history.ts';
import type { AppendKeys } from '../idempotency-key.ts';
import { limits } from '../limits.ts';
import { EnvelopeError, decodeEnvelope, encodeBody, envelopeVersion, type Envelope } from '../bus/envelope.ts';
import type { Position, Publication } from '../publication.ts';
import type { AppendFailures } from './append-failures.ts';
import type { BusAccounts } from './bus-accounts.ts';
import { AppendQueue, type Batch, type SentBatch } from './append-queue.ts';
import { asUnavailable, commandTimeoutMs } from './connection.ts';
import { encodeParts, resultsOf } from './keyed-batch.ts';
import { encodeRecall, encodeUsers, noUsers, withUsers, withoutToldRecalled } from './kept-batch.ts';
import { rememberedKeys, type RedisNames } from './keys.ts';
import { LogSubscription } from './log-subscription.ts';
import type { Masters, OpenMaster } from './masters.ts';
import { ReignEpochs } from './reign-epochs.ts';
import type { SparseLog } from '../process/sparse-log.ts';

/**
 * Time for which a channel's record outlives its last publication, in seconds. After that the channel begins a new
 * epoch.
 */
const recordSeconds = 30 * 24 * 3600;

/**
 * The channel log on Redis. `append.lua` gives the offsets and publishes; this class batches, subscribes and keeps the
 * order.
 */
export class RedisChannelLog implements ChannelLog {
  readonly #names: RedisNames;
  readonly #masters: Masters;
  readonly #refusedEnvelopes: SparseLog;
  readonly #epochs: ReignEpochs;
  readonly #appends: AppendQueue;
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly #accounts: BusAccounts;
  readonly #byChannel = new Map<string, LogSubscription>();

  constructor(options: {
    readonly names: RedisNames;
    readonly masters: Masters;
    readonly refusedEnvelopes: SparseLog;
    /** Random number in [0, 1), for the names of epochs. */
    readonly random: () => number;
    readonly clock: Pick<Clock, 'monotonic' | 'after'>;
    readonly failures: AppendFailures;
    readonly accounts: BusAccounts;
  }) {
    this.#names = options.names;
    this.#masters = options.masters;
    this.#refusedEnvelopes = options.refusedEnvelopes;
    this.#epochs = new ReignEpochs(options.names.prefix, options.random);
    const { clock, failures, accounts } = options;
    this.#clock = clock;
    this.#accounts = accounts;
    this.#appends = new AppendQueue({
      send: (batch) => this.#send(batch),
      clock,
      failures,
      accounts,
    });
  }

  /** Publications that wait for Redis or are under way, and their payload bytes. */
  get appendsWaiting(): { readonly publications: number; readonly bytes: number } {
    return { publications: this.#appends.size, bytes: this.#appends.bytes };
  }

  append(channel: string, publications: readonly Publication[], keep?: HistoryBounds, keys?: AppendKeys): Promise<AppendResult> {
    return this.#appends.append(channel, publications, keep, keys);
  }

  async history(channel: string, query: HistoryQuery): Promise<HistoryPage> {
    const record = this.#names.record(channel);
    const askedAt = this.#clock.monotonic();
    const read = this.#masters.run(record, ({ client, reign }) =>
      client.barrageHistoryBuffer(
        record,
        this.#names.history(channel),
        reign,
        this.#epochs.beginning(reign),
        query.kind === 'after' ? query.offset : -1,
        query.kind === 'newest' ? (query.before ?? 0) : 0,
        query.limit,
        limits.historyBytesMax,
        this.#names.recalled(channel),
      ),
    );
    try {
      const outcome = await withDeadline(read, commandTimeoutMs, this.#clock);
      if (outcome.kind === 'late') throw new BusUnavailable('the bus did not answer in time', { trouble: 'late' });
      const [epoch, offset, before, beforeOffset, envelopes, users, recalledAt, cleared, recalled] = outcome.value;
      this.#accounts.answered('history', this.#clock.monotonic() - askedAt);
      const batches = envelopes.flatMap((envelope, index) => {
        const batch = this.#decode(envelope);
        return batch === undefined ? [] : withUsers(batch, users[index]);
      });
      for (const { publications } of batches) this.#accounts.read(payloadBytesOf(publications));
      return {
        position: { epoch: epoch.toString(), offset },
        ...(before.length === 0 ? {} : { earlier: { epoch: before.toString(), offset: beforeOffset } }),
        ...(recalledAt === 0 ? {} : { recalledAt }),
        publications: withoutToldRecalled(answerFrom(batches, query, limits.historyBytesMax), cleared, recalled),
      };
    } catch (error) {
      throw asUnavailable(error);
    }
  }

  async subscribe(channel: string, subscriber: LogSubscriber): Promise<Position> {
    assert(!this.#byChannel.has(channel), 'a process subscribes to a channel once');
    const subscription = new LogSubscription({
      channel,
      subscriber,
      decode: (message) => this.#decode(message),
      readPosition: (client, reign) => this.#readPosition({ client, reign }, channel),
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

  async #enter(name: string, subscription: LogSubscription): Promise<Position> {
    // A position that fails before it is returned below has no other handler.
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

  #send(batch: Batch): Promise<SentBatch> {
    const { channel, publications, keep, appends } = batch;
    const record = this.#names.record(channel);
    return this.#masters.run(record, async ({ client, reign }) => {
      const values = [
        reign,
        this.#epochs.next(reign),
        recordSeconds,
        publications.length,
        this.#names.log(channel),
        envelopeVersion,
        encodeBody(publications),
      ];
      const [first] = publications;
      const recall = encodeRecall(first?.recall);
      const users = keep === undefined ? noUsers : encodeUsers(publications);
      // Most batches have neither: they send nothing for them.
      const more = recall === '' && users.length === 0 ? [] : [users, recall, this.#names.recalled(channel)];
      if (batch.keys !== undefined) {
        const { windowSeconds, keysMax = limits.channelKeysMax } = batch.keys;
        const { size, ttlSeconds } = keep ?? { size: 0, ttlSeconds: 0 };
        const names = [record, this.#names.history(channel), ...this.#names.remembered(channel)];
        const turnMs = (windowSeconds * 1000) / (rememberedKeys - 1);
        const argv = [...values, size, ttlSeconds, Math.ceil(turnMs), keysMax, encodeParts(appends), ...more];
        const reply = await client.barrageAppendKeyedBuffer(...names, ...argv);
        return { kind: 'keyed', results: resultsOf(appends, reply) };
      }
      const bounds = [keep?.size ?? 0, keep?.ttlSeconds ?? 0];
      const further = more.length === 0 ? [] : ['', '', '', ...more];
      const [epoch, offset] =
        keep === undefined && recall === ''
          ? await client.barrageAppend(record, ...values)
          : await client.barrageAppendKept(record, this.#names.history(channel), ...values, ...bounds, ...further);
      return { kind: 'appended', epoch, offset };
    });
  }

  async #readPosition({ client, reign }: OpenMaster, channel: string): Promise<Position> {
    const [epoch, offset] = await client.barragePosition(this.#names.record(channel), reign, this.#epochs.beginning(reign));
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

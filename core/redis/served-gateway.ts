import type { Clock } from '../clock.ts';
import { answerOf } from '../bus/answer.ts';
import type { GatewayServer, RoomCounts } from '../bus/bus.ts';
import { reportIntervalMs } from '../bus/report-table.ts';
import { RoomReporter } from '../bus/room-reporter.ts';
import type { BusAccounts } from './bus-accounts.ts';
import { gatewayMessage, readMessage, type GatewayMessage, type ReplyMessage } from './call-messages.ts';
import { GatewayLease } from './gateway-lease.ts';
import type { RedisNames } from './keys.ts';
import type { Masters } from './masters.ts';
import { TokenBucket } from '../token-bucket.ts';
import type { ProcessJournal } from '../process/log-lines.ts';
import type { SparseLog } from '../process/sparse-log.ts';
import { PlainSubscription } from './subscriptions.ts';

/** Most requests that one gateway answers at a time; further requests are not answered. */
const answersInFlightMax = 1000;
/** Most bytes of one gateway's reports each second. */
const reportBytesPerSecondMax = 40_960;
/** Most bytes that Redis delivers of them each second: each listener gets a copy. */
const copiedBytesPerSecondMax = 655_360;
/** Bytes that a gateway may report each second, however many processes listen. */
const reportBytesPerSecondMin = 2048;
/** Burst after a quiet time, in seconds of the rate. */
const reportBurstSeconds = 10;
/** Most bytes of one gateway's snapshots each second, sustained. A listener repeats a request that is not granted. */
const snapshotBytesPerSecondMax = 1_048_576;
const snapshotBurstBytes = 4 * snapshotBytesPerSecondMax;

/** Shared dependencies of both ends of the calls. */
export interface CallsContext {
  readonly names: RedisNames;
  readonly masters: Masters;
  /** Token that names this process and its run. */
  readonly token: string;
  readonly refusedMessages: SparseLog;
  readonly journal: ProcessJournal | undefined;
  readonly random: () => number;
  readonly clock: Pick<Clock, 'monotonic' | 'after' | 'every'>;
  readonly accounts: BusAccounts;
}

/** This process's gateway on the bus: it holds a number, answers requests and reports its rooms. */
export class ServedGateway {
  readonly #context: CallsContext;
  readonly #server: GatewayServer;
  readonly #lease: GatewayLease;
  readonly #reporter: RoomReporter;
  readonly #own: PlainSubscription;
  readonly #all: PlainSubscription;
  readonly #stopReporting: () => void;
  readonly #reportBytes: TokenBucket;
  readonly #snapshotBytes: TokenBucket;
  /** Number of processes that the last report reached. */
  #listeners = 1;
  #answering = 0;
  #hasNumber = true;
  #isInForce = false;
  #isClosed = false;

  /** @param lease the number of the gateway, which it holds */
  constructor(context: CallsContext, server: GatewayServer, lease: GatewayLease) {
    this.#context = context;
    this.#server = server;
    this.#lease = lease;
    this.#reporter = new RoomReporter({ number: lease.number, name: server.name, life: context.token });
    this.#own = new PlainSubscription((message) => this.#hear(message));
    this.#all = new PlainSubscription((message) => this.#hear(message));
    this.#listen('held');
    lease.onHeld = (state) => this.#listen(state);
    context.masters.add(context.names.allGateways, this.#all);
    const now = context.clock.monotonic();
    this.#reportBytes = new TokenBucket(reportBurstSeconds * reportBytesPerSecondMax, now);
    this.#snapshotBytes = new TokenBucket(snapshotBurstBytes, now);
    this.#stopReporting = context.clock.every(reportIntervalMs, () => this.#report());
  }

  /**
   * Resolves when the gateway has its number and can be called.
   * @throws BusUnavailable
   */
  static async start(context: CallsContext, server: GatewayServer): Promise<ServedGateway> {
    const { masters, names, token, clock, random, journal } = context;
    const lease = await GatewayLease.take({ masters, names, token, clock, random, journal });
    return new ServedGateway(context, server, lease);
  }

  /** Number of rooms with an unreported change. */
  get reportsWaiting(): number {
    return this.#reporter.waiting;
  }

  get number(): number {
    return this.#lease.number;
  }

  /** Members of one room on this gateway, now. */
  roomCounts(channel: string): RoomCounts {
    return this.#server.roomCounts(channel);
  }

  /** Whether calls to the number reach this gateway. */
  get isReached(): boolean {
    return this.#isInForce && this.#hasNumber;
  }

  /** Settles when requests reach this gateway for the first time. */
  async inForce(): Promise<void> {
    await Promise.all([this.#own.inForce, this.#all.inForce]);
    // It was given up meanwhile: a report would bring it back.
    if (this.#isClosed) return;
    this.#isInForce = true;
    this.#report();
  }

  /** A new connection is open, perhaps to a Redis that knows nothing of this gateway. */
  onOpen(): void {
    void this.#lease.renew();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopReporting();
    this.#listen('lost');
    this.#context.masters.remove(this.#context.names.allGateways, this.#all);
    await Promise.all([this.#send(this.#reporter.gone()), this.#lease.release()]);
  }

  /** Subscribes to the calls for the number while this gateway holds it. */
  #listen(state: 'held' | 'lost'): void {
    const { masters, names } = this.#context;
    const name = names.gateway(this.#lease.number);
    this.#hasNumber = state === 'held';
    if (state === 'held') masters.add(name, this.#own);
    else masters.remove(name, this.#own);
  }

  #hear(bytes: Buffer): void {
    const read = readMessage(gatewayMessage, bytes);
    if (read.kind === 'fault') this.#context.refusedMessages.warn(read.fault);
    else if (read.message.kind === 'request') void this.#answer(read.message);
    else void this.#sendSnapshot(read.message.replyTo, read.message.since);
  }

  async #answer(message: Extract<GatewayMessage, { kind: 'request' }>): Promise<void> {
    if (this.#answering >= answersInFlightMax) {
      this.#context.refusedMessages.warn('more requests than this gateway answers at a time');
      return;
    }
    this.#answering++;
    try {
      const reply = await answerOf(this.#server, message.request, message.deadlineMs);
      const answer: ReplyMessage = { id: message.id, gateway: this.#lease.number, reply };
      const name = this.#context.names.replies(message.replyTo);
      await this.#context.masters.run(name, ({ client }) => client.spublish(name, JSON.stringify(answer)));
    } catch {
      // Redis is away: the caller's deadline will end the call.
    } finally {
      this.#answering--;
    }
  }

  #report(): void {
    const { clock } = this.#context;
    const rate = reportBytesPerSecond(this.#listeners);
    const bytesMax = this.#reportBytes.available(clock.monotonic(), rate, reportBurstSeconds * rate);
    const report = this.#reporter.next(this.#server.rooms(), bytesMax);
    this.#reportBytes.take(report.length);
    void this.#send(report);
  }

  async #send(report: Buffer): Promise<void> {
    try {
      const { masters, names } = this.#context;
      this.#listeners = Number(await masters.run(names.reports, ({ client }) => client.spublish(names.reports, report)));
    } catch {
      // Listeners miss a lost report by its number.
    }
  }

  async #sendSnapshot(replyTo: string, since: number): Promise<void> {
    const { masters, names, clock } = this.#context;
    if (this.#snapshotBytes.available(clock.monotonic(), snapshotBytesPerSecondMax, snapshotBurstBytes) === 0) return;
    const parts = this.#reporter.snapshot(since);
    for (const part of parts) this.#snapshotBytes.take(part.length);
    const name = names.snapshots(replyTo);
    try {
      await masters.run(name, ({ client }) => Promise.all(parts.map((part) => client.spublish(name, part))));
    } catch {
      // A listener asks again for a lost snapshot.
    }
  }
}

/** Bytes that a gateway may report to so many listeners each second. */
function reportBytesPerSecond(listeners: number): number {
  return Math.max(reportBytesPerSecondMin, Math.min(reportBytesPerSecondMax, copiedBytesPerSecondMax / Math.max(1, listeners)));
}

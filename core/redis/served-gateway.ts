import type { Clock } from '../clock.ts';
import { answerOf } from '../bus/answer.ts';
import type { GatewayServer, RoomCounts } from '../bus/bus.ts';
import { reportIntervalMs } from '../bus/report-table.ts';
import { RoomReporter } from '../bus/room-reporter.ts';
import { gatewayMessage, readMessage, type GatewayMessage, type ReplyMessage } from './call-messages.ts';
import { GatewayLease } from './gateway-lease.ts';
import type { RedisNames } from './keys.ts';
import type { Masters } from './masters.ts';
import { TokenBucket } from '../token-bucket.ts';
import type { BusLogger, SparseLog } from '../process/sparse-log.ts';
import { PlainSubscription } from './subscriptions.ts';

/** Most requests that one gateway answers at a time; further ones are not answered. */
const answersInFlightMax = 1000;
/** Most bytes a second of one gateway's reports. */
const reportBytesPerSecondMax = 40_960;
/** … and of what Redis hands out of them: each listener gets a copy. */
const copiedBytesPerSecondMax = 655_360;
/** A gateway may always report so much, however many listen, in bytes a second. */
const reportBytesPerSecondMin = 2048;
/** After a quiet time so many seconds' worth may go at once. */
const reportBurstSeconds = 10;
/** Most bytes a second of one gateway's snapshots, sustained; a listener whose wish is not granted repeats it. */
const snapshotBytesPerSecondMax = 1_048_576;
const snapshotBurstBytes = 4 * snapshotBytesPerSecondMax;

/** What both ends of the calls work with. */
export interface CallsContext {
  readonly names: RedisNames;
  readonly masters: Masters;
  /** Names this process and this run of it. */
  readonly token: string;
  readonly refusedMessages: SparseLog;
  readonly logger: BusLogger | undefined;
  readonly random: () => number;
  readonly clock: Pick<Clock, 'monotonic' | 'after' | 'every'>;
}

/**
 * A gateway of this process as the bus shows it to the others: it holds a number, answers requests and reports its
 * rooms.
 */
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
  /** Processes that the last report reached. */
  #listeners = 1;
  #answering = 0;

  private constructor(context: CallsContext, server: GatewayServer, lease: GatewayLease) {
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
    const { masters, names, token, clock, random, logger } = context;
    const lease = await GatewayLease.take({ masters, names, token, clock, random, logger });
    return new ServedGateway(context, server, lease);
  }

  /** Rooms whose change waits to be reported. */
  get reportsWaiting(): number {
    return this.#reporter.waiting;
  }

  get number(): number {
    return this.#lease.number;
  }

  /** Members of one room here, now. */
  roomCounts(channel: string): RoomCounts {
    return this.#server.roomCounts(channel);
  }

  /** Settles when requests reach this gateway for the first time. */
  async inForce(): Promise<void> {
    await Promise.all([this.#own.inForce, this.#all.inForce]);
    this.#report();
  }

  /** The connection is new: perhaps to a Redis that knows nothing of this gateway. */
  onOpen(): void {
    void this.#lease.renew();
  }

  async close(): Promise<void> {
    this.#stopReporting();
    this.#listen('lost');
    this.#context.masters.remove(this.#context.names.allGateways, this.#all);
    await Promise.all([this.#send(this.#reporter.gone()), this.#lease.release()]);
  }

  /** Calls to the number go to whoever holds it. */
  #listen(state: 'held' | 'lost'): void {
    const { masters, names } = this.#context;
    const name = names.gateway(this.#lease.number);
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
      // Redis is away: the caller's deadline tells it.
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
      // A report that is lost is missed by its number.
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
      // It is asked for again.
    }
  }
}

/** What a gateway may report to so many listeners, in bytes a second. */
function reportBytesPerSecond(listeners: number): number {
  return Math.max(reportBytesPerSecondMin, Math.min(reportBytesPerSecondMax, copiedBytesPerSecondMax / Math.max(1, listeners)));
}

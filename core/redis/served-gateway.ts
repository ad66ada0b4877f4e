import type { Clock } from '../clock.ts';
import { answerOf } from '../bus/answer.ts';
import type { GatewayServer } from '../bus/bus.ts';
import { RoomReporter, reportIntervalMs, type RoomReport } from '../bus/room-reports.ts';
import { gatewayMessage, readMessage, type GatewayMessage, type ReplyMessage } from './call-messages.ts';
import { GatewayLease } from './gateway-lease.ts';
import type { RedisNames } from './keys.ts';
import type { Masters } from './masters.ts';
import type { BusLogger, SparseLog } from '../process/sparse-log.ts';
import { PlainSubscription } from './subscriptions.ts';

/** Most requests that one gateway answers at a time; further ones are not answered. */
const answersInFlightMax = 1000;

/** What both ends of the calls work with. */
export interface CallsContext {
  readonly names: RedisNames;
  readonly masters: Masters;
  /** Names this process and this run of it. */
  readonly token: string;
  readonly refusedMessages: SparseLog;
  readonly logger: BusLogger | undefined;
  readonly random: () => number;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** A gateway of this process as the bus shows it to the others: it holds a number, answers requests and reports its rooms. */
export class ServedGateway {
  readonly #context: CallsContext;
  readonly #server: GatewayServer;
  readonly #lease: GatewayLease;
  readonly #reporter: RoomReporter;
  readonly #own: PlainSubscription;
  readonly #all: PlainSubscription;
  readonly #timer: NodeJS.Timeout;
  #answering = 0;
  #reportedFullAt = Number.NEGATIVE_INFINITY;

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
    this.#timer = setInterval(() => this.#report(), reportIntervalMs);
  }

  /**
   * Resolves when the gateway has its number and can be called.
   * @throws BusUnavailable
   */
  static async start(context: CallsContext, server: GatewayServer): Promise<ServedGateway> {
    const { masters, names, token, random, logger } = context;
    const lease = await GatewayLease.take({ masters, names, token, random, logger });
    return new ServedGateway(context, server, lease);
  }

  get number(): number {
    return this.#lease.number;
  }

  /** Settles when requests reach this gateway for the first time. */
  async inForce(): Promise<void> {
    await Promise.all([this.#own.inForce, this.#all.inForce]);
    this.#report();
  }

  /** The connection is new: perhaps to a Redis that knows nothing of this gateway. */
  onOpen(): void {
    void this.#lease.renew();
    this.#reporter.wantFull();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#listen('lost');
    this.#context.masters.remove(this.#context.names.allGateways, this.#all);
    await Promise.all([this.#send([this.#reporter.gone()]), this.#lease.release()]);
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
    else this.#reportFully();
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

  /** Tells everything: at once if that was not done within the last second, else at the next turn. */
  #reportFully(): void {
    this.#reporter.wantFull();
    if (this.#context.clock.monotonic() - this.#reportedFullAt >= reportIntervalMs) this.#report();
  }

  #report(): void {
    const reports = this.#reporter.next(this.#server.rooms());
    if (reports[0]?.kind === 'full') this.#reportedFullAt = this.#context.clock.monotonic();
    void this.#send(reports);
  }

  async #send(reports: readonly RoomReport[]): Promise<void> {
    try {
      const { masters, names } = this.#context;
      await masters.run(names.reports, ({ client }) =>
        Promise.all(reports.map((report) => client.spublish(names.reports, JSON.stringify(report)))),
      );
    } catch {
      this.#reporter.wantFull();
    }
  }
}

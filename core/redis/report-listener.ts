import type { RoomCounts } from '../bus/bus.ts';
import { withDeadline } from '../bus/deadline.ts';
import { ReportFault } from '../bus/report-message.ts';
import { ReportTable, reportIntervalMs, type SnapshotWish } from '../bus/report-table.ts';
import type { GatewayMessage } from './call-messages.ts';
import type { CallsContext } from './served-gateway.ts';
import { PlainSubscription } from './subscriptions.ts';

/** Time for which a process other than a publisher listens after the last question for counts, in milliseconds. */
export const listeningMs = 60_000;
/** Interval between looks for silent gateways, in milliseconds. */
const sweepIntervalMs = 500;
/** Time after a new connection to Redis until every live gateway has reported, in milliseconds. */
const heardAgainMs = 1.5 * reportIntervalMs;

/** One period of listening, from the first question to a minute after the last. */
interface Listening {
  readonly reports: PlainSubscription;
  readonly snapshots: PlainSubscription;
  readonly stopSweeping: () => void;
  /** Settles when each gateway has reported all its rooms, or after a second. */
  readonly heard: Promise<void>;
}

/** Listens to the gateways' reports while this process needs the counts. */
export class ReportListener {
  readonly #context: CallsContext;
  readonly #tell: (name: string, message: GatewayMessage) => Promise<number>;
  readonly #isGateway: () => boolean;
  #table: ReportTable;
  #listening: Listening | undefined;
  #isKept = false;
  #wantedAt = Number.NEGATIVE_INFINITY;
  #openedAt = Number.NEGATIVE_INFINITY;
  /** Called with every report while `heard` is pending. */
  #onReport: () => void = () => undefined;

  constructor(options: {
    readonly context: CallsContext;
    /** Sends a message. Resolves with the number of processes that received it. */
    readonly tell: (name: string, message: GatewayMessage) => Promise<number>;
    /** Whether this process is one of the gateways. */
    readonly isGateway: () => boolean;
  }) {
    this.#context = options.context;
    this.#tell = options.tell;
    this.#isGateway = options.isGateway;
    this.#table = new ReportTable(options.context.token);
  }

  /** Listens until `close`. */
  keep(): void {
    this.#isKept = true;
    void this.listen();
  }

  /** Listens for a minute from now. Resolves when each gateway has reported all its rooms, or after a second. */
  listen(): Promise<void> {
    this.#wantedAt = this.#context.clock.monotonic();
    this.#listening ??= this.#start();
    return this.#listening.heard;
  }

  /** Members at the other gateways. */
  memberCounts(channel: string): RoomCounts {
    return this.#table.memberCounts(channel);
  }

  gateways(): ReturnType<ReportTable['gateways']> {
    return this.#table.gateways(this.#context.clock.monotonic());
  }

  /** Whether the counts include every live gateway. */
  get isWhole(): boolean {
    const now = this.#context.clock.monotonic();
    return now - this.#openedAt >= heardAgainMs && this.#table.isWhole(now);
  }

  onOpen(): void {
    // `listen` waits for the first connection. Reports missed by a later one show up in the next reports.
    if (this.#listening !== undefined) this.#openedAt = this.#context.clock.monotonic();
  }

  close(): void {
    const { masters, names, token } = this.#context;
    const listening = this.#listening;
    if (listening === undefined) return;
    this.#listening = undefined;
    listening.stopSweeping();
    masters.remove(names.reports, listening.reports);
    masters.remove(names.snapshots(token), listening.snapshots);
    this.#table = new ReportTable(token);
  }

  #start(): Listening {
    const { masters, names, token, clock } = this.#context;
    const reports = new PlainSubscription((message) => this.#hear(message));
    const snapshots = new PlainSubscription((message) => this.#hear(message));
    masters.add(names.reports, reports);
    masters.add(names.snapshots(token), snapshots);
    const heard = Promise.all([reports.inForce, snapshots.inForce]).then(() => this.#hearAll());
    return {
      reports,
      snapshots,
      stopSweeping: clock.every(sweepIntervalMs, () => this.#sweep()),
      // Without Redis no gateway can be asked. Their next reports make up for it: a missing report causes a request for
      // a snapshot.
      heard: withDeadline(
        heard.catch(() => undefined),
        reportIntervalMs,
        clock,
      ).then(() => undefined),
    };
  }

  async #hearAll(): Promise<void> {
    const reached = await this.#tell(this.#context.names.allGateways, this.#wish(0));
    const others = reached - (this.#isGateway() ? 1 : 0);
    await new Promise<void>((resolve) => {
      this.#onReport = () => {
        if (this.#table.complete >= others) resolve();
      };
      this.#onReport();
    });
    this.#onReport = () => undefined;
  }

  #wish(since: number): GatewayMessage {
    return { kind: 'report', replyTo: this.#context.token, since };
  }

  #sweep(): void {
    const now = this.#context.clock.monotonic();
    this.#table.sweep(now);
    if (!this.#isKept && now - this.#wantedAt > listeningMs) this.close();
  }

  #hear(bytes: Buffer): void {
    let wish: SnapshotWish | undefined;
    try {
      wish = this.#table.accept(bytes, this.#context.clock.monotonic());
    } catch (error) {
      if (!(error instanceof ReportFault)) throw error;
      this.#context.refusedMessages.warn(error.message);
      return;
    }
    this.#onReport();
    if (wish !== undefined) this.#tell(this.#context.names.gateway(wish.gateway), this.#wish(wish.since)).catch(() => undefined);
  }
}

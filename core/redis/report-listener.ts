import type { RoomCounts } from '../bus/bus.ts';
import { withDeadline } from '../bus/deadline.ts';
import { ReportFault } from '../bus/report-message.ts';
import { ReportTable, reportIntervalMs, type SnapshotWish } from '../bus/report-table.ts';
import type { GatewayMessage } from './call-messages.ts';
import type { CallsContext } from './served-gateway.ts';
import { PlainSubscription } from './subscriptions.ts';

/**
 * How long a process that is no publisher goes on listening to the reports after it was last asked for counts, in
 * milliseconds.
 */
export const listeningMs = 60_000;
/** How often silent gateways are looked for, in milliseconds. */
const sweepIntervalMs = 500;
/** After a new connection to Redis: how long until every gateway that lives has reported, in milliseconds. */
const heardAgainMs = 1.5 * reportIntervalMs;

/** One time of listening, from the first question to a minute after the last. */
interface Listening {
  readonly reports: PlainSubscription;
  readonly snapshots: PlainSubscription;
  readonly stopSweeping: () => void;
  /** Settles when each gateway has told of all its rooms, or a second has passed. */
  readonly heard: Promise<void>;
}

/** Listens to the gateways' reports for as long as somebody wants to know the counts. */
export class ReportListener {
  readonly #context: CallsContext;
  readonly #tell: (name: string, message: GatewayMessage) => Promise<number>;
  readonly #isGateway: () => boolean;
  #table: ReportTable;
  #listening: Listening | undefined;
  #isKept = false;
  #wantedAt = Number.NEGATIVE_INFINITY;
  #openedAt = Number.NEGATIVE_INFINITY;
  /** Called with every report while the first ones are waited for. */
  #onReport: () => void = () => undefined;

  constructor(options: {
    readonly context: CallsContext;
    /** Sends a message, and resolves with the number of processes that it reached. */
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

  /**
   * Listens from now on, for a minute. Resolves when each gateway has told of all its rooms, or a second has passed.
   */
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

  /** Whether the counts are those of every gateway that lives. */
  get isWhole(): boolean {
    const now = this.#context.clock.monotonic();
    return now - this.#openedAt >= heardAgainMs && this.#table.isWhole(now);
  }

  onOpen(): void {
    // The first connection is waited for by `listen`; what a later one missed shows in the next reports.
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
      // Without Redis there is nobody to ask: the gateways' next reports make up for it, and a hole in them is asked
      // for.
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

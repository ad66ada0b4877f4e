import type { BackoffBounds } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import type { Settings } from '../../core/process/settings.ts';
import { AcceptBudget } from './accept-budget.ts';
import { admit, type Admission, type AdmissionRequest, type AdmissionState } from './admission.ts';
import type { Connection } from './connection.ts';
import { crowdBackoff, isWorthTelling } from './crowd-backoff.ts';

type ReceptionSettings = Pick<Settings, 'acceptsPerSecond' | 'connectionsMax' | 'backoffBaseMs' | 'backoffCapMs'>;

/** Takes new connections at the rate of the budget, and gives clients their back-off. */
export class Reception {
  readonly #settings: ReceptionSettings;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #connections: () => number;
  readonly #least: BackoffBounds;
  readonly #budget: AcceptBudget;
  #takers = 1;

  constructor(options: {
    readonly settings: ReceptionSettings;
    readonly clock: Pick<Clock, 'monotonic'>;
    readonly connections: () => number;
  }) {
    const { settings, clock } = options;
    this.#settings = settings;
    this.#clock = clock;
    this.#connections = options.connections;
    this.#least = { baseMs: settings.backoffBaseMs, capMs: settings.backoffCapMs };
    const { acceptsPerSecond, connectionsMax: waitingMax } = settings;
    this.#budget = new AcceptBudget({ acceptsPerSecond, waitingMax, least: this.#least }, clock.monotonic());
  }

  /** Number of other serving gateways: they would take this one's clients. */
  set others(count: number) {
    this.#takers = Math.max(1, count);
  }

  /**
   * Decides on an upgrade request.
   * @param random a number of [0, 1) that spreads the return of temporarily refused clients
   */
  admit(
    request: AdmissionRequest,
    state: Omit<AdmissionState, 'connections' | 'connectionsMax' | 'hasRoom' | 'retryWithinMs'>,
    random: number,
  ): Admission {
    const now = this.#clock.monotonic();
    const crowd = { connections: this.#connections(), connectionsMax: this.#settings.connectionsMax, hasRoom: this.#budget.hasRoom(now) };
    const admission = admit(request, { ...state, ...crowd, retryWithinMs: 2 * this.#budget.backoff(now).baseMs }, random);
    if (admission.kind === 'admitted') this.#budget.taken();
    else if (admission.status === 503) this.#budget.refused(now);
    return admission;
  }

  /** The back-off for connected clients. */
  get backoff(): BackoffBounds {
    const { acceptsPerSecond } = this.#settings;
    return crowdBackoff({ connections: this.#connections(), acceptsPerSecond, takers: this.#takers }, this.#least);
  }

  /** The back-off for a client whose dial has just failed. */
  get dialBackoff(): BackoffBounds {
    return this.#budget.backoff(this.#clock.monotonic());
  }

  /** Whether other gateways are named before this one: it is full, or refused dials are still to come back. */
  get isCrowded(): boolean {
    return this.isFull || this.#budget.isCrowded(this.#clock.monotonic());
  }

  /** Whether it has all connections that it takes. */
  get isFull(): boolean {
    return this.#connections() >= this.#settings.connectionsMax;
  }

  /** Tells a connection the present bounds, if they differ by enough from those that it was told last. */
  tell(connection: Connection): void {
    const bounds = this.backoff;
    if (!connection.encoding.canTell || !isWorthTelling(connection.toldBaseMs, bounds.baseMs)) return;
    connection.toldBaseMs = bounds.baseMs;
    connection.tell({ type: 'backoff', ...bounds });
  }
}

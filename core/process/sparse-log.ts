import { backoffCeilingMs } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from './logging.ts';

export type BusLogger = Pick<Logger, 'info' | 'warn' | 'error'>;

/** Shortest time between two lines, in milliseconds: it doubles while the same goes on, up to the cap. */
const distance = { baseMs: 1_000, capMs: 60_000 };
/** After this long without the fault its next time is a new beginning, in milliseconds. */
const quietMs = 60_000;

/**
 * Logs one kind of fault when it begins and when its reason changes, then at growing distances, and counts every time:
 * a Redis outage must not fill a disk. At most one line a second, and one a minute of a fault that goes on for the same
 * reason.
 */
export class SparseLog {
  readonly #logger: BusLogger | undefined;
  readonly #message: string;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #total = 0;
  #unlogged = 0;
  #loggedReason: string | undefined;
  /** Lines of the logged reason after its first. */
  #repeats = 0;
  #loggedAt = Number.NEGATIVE_INFINITY;
  #happenedAt = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly logger: BusLogger | undefined; readonly message: string; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#logger = options.logger;
    this.#message = options.message;
    this.#clock = options.clock;
  }

  /** How often the fault happened, logged or not. */
  get total(): number {
    return this.#total;
  }

  /**
   * Takes one time of the fault. `times` in the line counts those since the line before.
   * @param fields further fields of the line, if there is one
   */
  warn(error: unknown, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#total++;
    this.#unlogged++;
    const now = this.#clock.monotonic();
    const reason = reasonOf(error);
    const begins = reason !== this.#loggedReason || now - this.#happenedAt >= quietMs;
    this.#happenedAt = now;
    if (now - this.#loggedAt < (begins ? distance.baseMs : backoffCeilingMs(this.#repeats, distance))) return;
    this.#repeats = begins ? 0 : this.#repeats + 1;
    this.#logger?.warn({ ...fields, reason, times: this.#unlogged }, this.#message);
    this.#loggedReason = reason;
    this.#loggedAt = now;
    this.#unlogged = 0;
  }
}

/** A failure in words, the same ones each time it happens. What joins several attempts to connect has only a code. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  // It is found in reading or in writing, as it happens.
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'the server broke off the connection';
  return error.message === '' ? (code ?? error.name) : error.message;
}

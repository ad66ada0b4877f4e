import type { Clock } from '../clock.ts';
import type { Logger } from './logging.ts';

export type BusLogger = Pick<Logger, 'info' | 'warn' | 'error'>;

const intervalMs = 1000;

/** Logs one kind of fault at most once a second, and counts them all: a Redis outage must not fill a disk. */
export class SparseLog {
  readonly #logger: BusLogger | undefined;
  readonly #message: string;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #total = 0;
  #unlogged = 0;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly logger: BusLogger | undefined; readonly message: string; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#logger = options.logger;
    this.#message = options.message;
    this.#clock = options.clock;
  }

  get total(): number {
    return this.#total;
  }

  warn(error: unknown): void {
    this.#total++;
    this.#unlogged++;
    const now = this.#clock.monotonic();
    if (now - this.#loggedAt < intervalMs) return;
    this.#logger?.warn({ reason: reasonOf(error), times: this.#unlogged }, this.#message);
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

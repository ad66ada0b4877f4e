import { backoffCeilingMs } from '../backoff.ts';
import type { Clock } from '../clock.ts';

/** Shortest time between two lines, in milliseconds. It doubles up to the cap while the same fault goes on. */
const distance = { baseMs: 1_000, capMs: 60_000 };
/** Time without the fault after which its next occurrence counts as a new beginning, in milliseconds. */
const quietMs = 60_000;

/** The fields that every line of a `SparseLog` has. */
export interface SparseFields {
  readonly reason: string;
  /** Occurrences since the line before. */
  readonly times: number;
}

/**
 * Logs one kind of fault when it begins, when its reason changes, and then ever more rarely, and counts every
 * occurrence. So a Redis outage does not fill a disk. At most one line a second; for a fault that goes on for the same
 * reason, one a minute in the end.
 */
export class SparseLog<More extends object = object> {
  readonly #write: (fields: More & SparseFields) => void;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #total = 0;
  #unlogged = 0;
  #loggedReason: string | undefined;
  /** Lines of the logged reason after its first. */
  #repeats = 0;
  #loggedAt = Number.NEGATIVE_INFINITY;
  #happenedAt = Number.NEGATIVE_INFINITY;

  /** @param options.write writes one line */
  constructor(options: { readonly write: (fields: More & SparseFields) => void; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#write = options.write;
    this.#clock = options.clock;
  }

  /** Number of the fault's occurrences, logged or not. */
  get total(): number {
    return this.#total;
  }

  /**
   * Counts one occurrence.
   * @param fields further fields of the line, if there is one
   * @returns whether it was logged
   */
  warn(error: unknown, fields = {} as More): boolean {
    this.#total++;
    this.#unlogged++;
    const now = this.#clock.monotonic();
    const reason = reasonOf(error);
    const begins = reason !== this.#loggedReason || now - this.#happenedAt >= quietMs;
    this.#happenedAt = now;
    if (now - this.#loggedAt < (begins ? distance.baseMs : backoffCeilingMs(this.#repeats, distance))) return false;
    this.#repeats = begins ? 0 : this.#repeats + 1;
    this.#write({ ...fields, reason, times: this.#unlogged });
    this.#loggedReason = reason;
    this.#loggedAt = now;
    this.#unlogged = 0;
    return true;
  }
}

/** In Redis's error for an unknown command: the arguments, which may be a publication. */
const quotedArguments = /,? with args beginning with:.*$/s;

/** A failure in words that are the same each time. An error that joins several attempts to connect has only a code. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  // The same loss shows up in reading or in writing, by chance.
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'the server broke off the connection';
  return error.message === '' ? (code ?? error.name) : error.message.replace(quotedArguments, '');
}

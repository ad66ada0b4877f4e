import { BusUnavailable } from '../bus/bus.ts';
import type { SparseLog } from '../process/sparse-log.ts';

/**
 * The first words of what Redis says where it does not carry out an append: out of memory, a snapshot that failed, a
 * missing right, …
 */
const answers = [
  'OOM',
  'MISCONF',
  'NOPERM',
  'WRONGTYPE',
  'READONLY',
  'NOREPLICAS',
  'LOADING',
  'BUSY',
  'CLUSTERDOWN',
  'MOVED',
  'ASK',
] as const;

/**
 * Why publications were not appended: a word of Redis, or another one of its (`other`); Redis is away (`unavailable`),
 * did not answer in time (`late`), or too many publications wait for it (`full`).
 */
export const appendFailureReasons = ['unavailable', 'late', 'full', ...answers, 'other'] as const;
export type AppendFailureReason = (typeof appendFailureReasons)[number];

/**
 * Publications that could not be appended, by reason. What their publishers are told is only that it is temporary: the
 * log has the words.
 */
export class AppendFailures {
  readonly #log: SparseLog;
  readonly #counts = new Map<AppendFailureReason, number>();

  constructor(log: SparseLog) {
    this.#log = log;
  }

  get counts(): ReadonlyMap<AppendFailureReason, number> {
    return this.#counts;
  }

  /** @param error what the append failed with, as it was thrown */
  add(publications: number, reason: AppendFailureReason, error: unknown): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + publications);
    // That Redis is away is logged by the connection, once.
    if (reason !== 'unavailable' || !(error instanceof BusUnavailable)) this.#log.warn(error);
  }
}

/** Why an append failed, by what the client or Redis threw. */
export function appendFailureOf(error: unknown): AppendFailureReason {
  const message = error instanceof Error ? error.message : '';
  if (message === 'Command timed out') return 'late';
  const word = /^[A-Z]{2,}(?= )/.exec(message)?.[0];
  if (word === undefined) return 'unavailable';
  return answers.find((answer) => answer === word) ?? 'other';
}

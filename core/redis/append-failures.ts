import { BusUnavailable } from '../bus/bus.ts';
import type { SparseLog } from '../process/sparse-log.ts';

/** First words of Redis's errors for a refused append: out of memory, a failed snapshot, a missing right, … */
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
 * Reasons of failed appends. A word of Redis, or `other` for its remaining errors. `unavailable`: Redis is away.
 * `late`: no answer in time. `full`: too many publications wait.
 */
export const appendFailureReasons = ['unavailable', 'late', 'full', ...answers, 'other'] as const;
export type AppendFailureReason = (typeof appendFailureReasons)[number];

/**
 * Counts publications that could not be appended, by reason. Publishers only learn that the failure is temporary; the
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

  /** @param error the thrown value */
  add(publications: number, reason: AppendFailureReason, error: unknown): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + publications);
    // The connection logs once that Redis is away.
    if (reason !== 'unavailable' || !(error instanceof BusUnavailable)) this.#log.warn(error);
  }
}

/** The reason of a failed append, from the error that the client or Redis threw. */
export function appendFailureOf(error: unknown): AppendFailureReason {
  const message = error instanceof Error ? error.message : '';
  if (message === 'Command timed out') return 'late';
  const word = /^[A-Z]{2,}(?= )/.exec(message)?.[0];
  if (word === undefined) return 'unavailable';
  return answers.find((answer) => answer === word) ?? 'other';
}

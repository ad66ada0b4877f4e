import { BusUnavailable, type BusTrouble } from '../bus/bus.ts';
import type { SparseLog } from '../process/sparse-log.ts';

/**
 * First words of Redis's errors before a script's first write: nothing of the script was done. Out of memory, a failed
 * snapshot, a replica, …
 */
const answersBeforeAnyWrite = ['OOM', 'MISCONF', 'READONLY', 'NOREPLICAS', 'LOADING', 'BUSY', 'CLUSTERDOWN', 'MOVED', 'ASK'] as const;
/** First words of its errors for a refused append: those, and of a missing right or a foreign key. */
const answers = [...answersBeforeAnyWrite, 'NOPERM', 'WRONGTYPE'] as const;

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

const beforeAnyWrite = new Set<AppendFailureReason>(answersBeforeAnyWrite);
/** Answers of a server that starts, or of masters that change places: they pass by themselves. */
const passing = new Set<AppendFailureReason>(['READONLY', 'LOADING', 'CLUSTERDOWN', 'MOVED', 'ASK', 'unavailable']);
/** The client's words for a command that it did not send. */
const unsent = /^Stream isn't writeable/;

/** What an error of the client or of Redis means for a command: any failure is a `BusUnavailable` to callers. */
export function troubleOf(error: unknown): {
  readonly trouble: BusTrouble;
  readonly mayBeDone: boolean;
  readonly answer?: string | undefined;
} {
  const reason = appendFailureOf(error);
  if (reason === 'late') return { trouble: 'late', mayBeDone: true };
  const trouble = reason === 'OOM' ? 'memory' : passing.has(reason) ? 'away' : 'refused';
  const isUnsent = reason === 'unavailable' && error instanceof Error && unsent.test(error.message);
  return { trouble, mayBeDone: !beforeAnyWrite.has(reason) && !isUnsent, answer: answerWordOf(error) };
}

/** The reason of a failed append, from the error that the client or Redis threw. */
export function appendFailureOf(error: unknown): AppendFailureReason {
  if (error instanceof Error && error.message === 'Command timed out') return 'late';
  const word = answerWordOf(error);
  if (word === undefined) return 'unavailable';
  return answers.find((answer) => answer === word) ?? 'other';
}

/** First word of an error that Redis answered; `undefined` for an error of the client. */
function answerWordOf(error: unknown): string | undefined {
  return error instanceof Error ? /^[A-Z]{2,}(?= )/.exec(error.message)?.[0] : undefined;
}

import type { Outcome } from './outcome.ts';
import type { WorkQueueFigures } from './work-queue.ts';

/** Hears what controllers do, each by its name: the shell makes metrics and log lines of it. */
export interface ControllerObserver {
  /** A controller exists. */
  watch(controller: string, workers: number, figures: () => WorkQueueFigures): void;
  /** A worker took a key that had waited for `waitedMs` milliseconds. */
  taken(controller: string, waitedMs: number): void;
  /** How many workers have a key in hand. */
  active(controller: string, workers: number): void;
  /** A worker has put a key down after `workedMs` milliseconds. */
  worked(controller: string, workedMs: number): void;
  reconciled(controller: string, kind: Outcome['kind'], tookMs: number): void;
  /** A reconcile threw something other than an `ApiError`: a bug. */
  panicked(controller: string, key: string, error: unknown): void;
  timedOut(controller: string): void;
  backedOff(controller: string, retry: Retry): void;
}

/** A key that failed, and when it is tried again. */
export interface Retry {
  readonly key: string;
  readonly cause: unknown;
  /** From now on, in milliseconds. */
  readonly delayMs: number;
  /** Failures of this key in a row. */
  readonly failures: number;
}

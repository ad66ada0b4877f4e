import type { Clock } from '../../core/clock.ts';
import { TimeOver, within } from './deadline.ts';
import type { ControllerObserver } from './controller-observer.ts';
import { ApiError } from './api-error.ts';
import type { Outcome, Reconcile } from './outcome.ts';
import { defaultRetries, WorkQueue, type RetryOptions, type WorkQueueFigures } from './work-queue.ts';

export interface ControllerOptions {
  /** Label of its metrics. */
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly workers: number;
  readonly clock: Clock;
  readonly observer: ControllerObserver;
  /** Time limit of one reconcile, in milliseconds. */
  readonly timeoutMs?: number;
  readonly retries?: RetryOptions;
  /**
   * Least time between the beginnings of two reconciles of one key, in milliseconds: changes in between wait. Absent:
   * none waits.
   */
  readonly paceMs?: number;
}

const defaultTimeoutMs = 120_000;
/** Milliseconds after which a turn of the loop begins no further key. */
const turnMsMax = 20;

/** A turn of the loop in which keys were begun. */
interface Turn {
  readonly startedAt: number;
  readonly callOff: () => void;
}

/** Workers that reconcile the keys of one kind of object. Keys may be added before `start`. */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #leaving = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** When each key's last reconcile began, the oldest first. An entry lasts for `paceMs`. */
  readonly #begun = new Map<string, number>();
  #isStarted = false;
  #callOffWake: (() => void) | undefined;
  /** The present turn of the loop, where keys were begun in it. */
  #turn: Turn | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({ retries: options.retries ?? defaultRetries, now: options.clock.monotonic() });
    options.observer.watch(options.name, options.workers, () => this.figures());
  }

  /**
   * Says that something about this key may have changed. The first change of a quiet key is reconciled at once, a burst
   * of changes together.
   */
  enqueue(key: string): void {
    const { clock, paceMs = 0 } = this.#options;
    const now = clock.monotonic();
    const begunAt = this.#begun.get(key);
    this.#queue.addAfter(key, begunAt === undefined ? 0 : begunAt + paceMs - now, now);
    this.#run();
  }

  figures(): WorkQueueFigures {
    return this.#queue.figures(this.#options.clock.monotonic());
  }

  /** Whether no reconcile runs and no key waits, delayed keys aside. */
  get isIdle(): boolean {
    return this.#running.size === 0 && this.figures().depth === 0;
  }

  start(): void {
    this.#isStarted = true;
    this.#run();
  }

  /** Takes no more keys, and waits for running reconciles. After `graceMs` milliseconds their signals end. */
  async stop(graceMs: number): Promise<void> {
    this.#isStarted = false;
    this.#callOffWake?.();
    this.#turn?.callOff();
    const callOff = this.#options.clock.after(graceMs, () => this.#leaving.abort(new Error('the process is leaving')));
    await Promise.all(this.#running);
    callOff();
  }

  /**
   * Gives keys to idle workers, and sets the alarm for the next delayed key. A reconcile that sends no request ends in
   * the turn of the loop in which it began, and there may be hundreds: the rest waits for the next turn.
   */
  #run(): void {
    if (!this.#isStarted) return;
    const { clock, workers } = this.#options;
    while (this.#running.size < workers && !this.#isTurnFull) {
      const taken = this.#queue.take(clock.monotonic());
      if (taken === undefined) break;
      this.#turn ??= this.#noteTurn();
      this.#options.observer.taken(this.#options.name, taken.waitedMs);
      this.#begin(taken.key);
      const run = this.#work(taken.key).finally(() => {
        this.#running.delete(run);
        this.#run();
      });
      this.#running.add(run);
    }
    this.#options.observer.active(this.#options.name, this.#running.size);
    this.#callOffWake?.();
    this.#callOffWake = undefined;
    const nextAt = this.#queue.nextAt(clock.monotonic());
    if (nextAt === undefined || this.#running.size >= workers || this.#isTurnFull) return;
    this.#callOffWake = clock.after(Math.max(0, nextAt - clock.monotonic()), () => this.#run());
  }

  /** Whether this turn of the loop has taken so long that the next key waits for another one. */
  get #isTurnFull(): boolean {
    return this.#turn !== undefined && this.#options.clock.monotonic() - this.#turn.startedAt >= turnMsMax;
  }

  #noteTurn(): Turn {
    const { clock } = this.#options;
    const callOff = clock.soon(() => {
      this.#turn = undefined;
      this.#run();
    });
    return { startedAt: clock.monotonic(), callOff };
  }

  #begin(key: string): void {
    const { clock, paceMs = 0 } = this.#options;
    const now = clock.monotonic();
    for (const [other, begunAt] of this.#begun) {
      if (now - begunAt < paceMs) break;
      this.#begun.delete(other);
    }
    this.#begun.delete(key);
    if (paceMs > 0) this.#begun.set(key, now);
  }

  async #work(key: string): Promise<void> {
    const { name, clock, observer } = this.#options;
    const startedAt = clock.monotonic();
    const outcome = await this.#reconcile(key);
    const now = clock.monotonic();
    observer.reconciled(name, outcome.kind, now - startedAt);
    this.#settle(key, outcome, now);
    observer.worked(name, this.#queue.done(key, now));
  }

  /** Contains exceptions: one object's failure, or a bug that it triggers, must not stop the other objects. */
  async #reconcile(key: string): Promise<Outcome> {
    const { name, clock, observer, reconcile, timeoutMs = defaultTimeoutMs } = this.#options;
    let timeIsOver = false;
    try {
      return await within({ clock, ms: timeoutMs, outer: this.#leaving.signal }, async (signal) => {
        signal.addEventListener('abort', () => {
          timeIsOver = signal.reason instanceof TimeOver;
          if (timeIsOver) observer.timedOut(name);
        });
        return await reconcile(key, signal);
      });
    } catch (error) {
      if (error instanceof ApiError || timeIsOver || this.#leaving.signal.aborted) return { kind: 'back-off', cause: error };
      observer.panicked(name, key, error);
      return { kind: 'back-off', cause: error };
    }
  }

  #settle(key: string, outcome: Outcome, now: number): void {
    switch (outcome.kind) {
      case 'done':
        return this.#queue.forget(key);
      case 'retry-after':
        this.#queue.forget(key);
        return this.#queue.addAfter(key, outcome.afterMs, now);
      case 'back-off': {
        const delayMs = this.#queue.addAfterFailure(key, now);
        const { name, observer } = this.#options;
        observer.backedOff(name, { key, cause: outcome.cause, delayMs, failures: this.#queue.failures(key) });
      }
    }
  }
}

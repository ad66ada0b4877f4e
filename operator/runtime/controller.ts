import type { Clock } from '../../core/clock.ts';
import { TimeOver, within } from './deadline.ts';
import type { ControllerObserver } from './controller-observer.ts';
import { ApiError } from './api-error.ts';
import type { Outcome, Reconcile } from './outcome.ts';
import { defaultRetries, WorkQueue, type RetryOptions, type WorkQueueFigures } from './work-queue.ts';

export interface ControllerOptions {
  /** The label of its metrics. */
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly workers: number;
  readonly clock: Clock;
  readonly observer: ControllerObserver;
  /** How long one reconcile may take, in milliseconds. */
  readonly timeoutMs?: number;
  readonly retries?: RetryOptions;
  /**
   * Changes of a key that come within this time of the beginning of its last reconcile wait until it is over, in
   * milliseconds. Absent: none waits.
   */
  readonly paceMs?: number;
}

const defaultTimeoutMs = 120_000;

/** The workers of one kind of object over its queue of keys. Keys can be added before it is started. */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #leaving = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** When each key's last reconcile began, the oldest first; for as long as it matters. */
  readonly #begun = new Map<string, number>();
  #isStarted = false;
  #callOffWake: (() => void) | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({ retries: options.retries ?? defaultRetries, now: options.clock.monotonic() });
    options.observer.watch(options.name, options.workers, () => this.figures());
  }

  /**
   * Something that concerns this key may have changed. The first change of a quiet key is looked at at once, a burst of
   * them together.
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

  /** Whether nothing is under way and nothing waits, delayed keys aside. */
  get isIdle(): boolean {
    return this.#running.size === 0 && this.figures().depth === 0;
  }

  start(): void {
    this.#isStarted = true;
    this.#run();
  }

  /** Takes no more keys and waits for what is under way, which after `graceMs` milliseconds is told to end. */
  async stop(graceMs: number): Promise<void> {
    this.#isStarted = false;
    this.#callOffWake?.();
    const callOff = this.#options.clock.after(graceMs, () => this.#leaving.abort(new Error('the process is leaving')));
    await Promise.all(this.#running);
    callOff();
  }

  /** Gives keys to idle workers, and sets the alarm for the next one that is not due yet. */
  #run(): void {
    if (!this.#isStarted) return;
    const { clock, workers } = this.#options;
    while (this.#running.size < workers) {
      const taken = this.#queue.take(clock.monotonic());
      if (taken === undefined) break;
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
    if (nextAt === undefined || this.#running.size >= workers) return;
    this.#callOffWake = clock.after(Math.max(0, nextAt - clock.monotonic()), () => this.#run());
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

  /** An exception is contained here: one object's bad luck, or a bug that it meets, is not the others'. */
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

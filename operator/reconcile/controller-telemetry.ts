import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { OperatorJournal } from '../kube/log-lines.ts';
import type { ControllerObserver, Retry } from '../runtime/controller-observer.ts';
import type { Outcome } from '../runtime/outcome.ts';
import type { WorkQueueFigures } from '../runtime/work-queue.ts';

const reconcileSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const queueSeconds = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000];

/** The words of controller-runtime for how a reconcile ended. */
const results: Readonly<Record<Outcome['kind'], string>> = {
  done: 'success',
  'retry-after': 'requeue_after',
  'back-off': 'error',
};

interface Watched {
  readonly controller: string;
  readonly figures: () => WorkQueueFigures;
}

/**
 * Metrics and log lines of controllers. Metrics have controller-runtime's names and labels, so its dashboards and
 * alerts work here.
 */
export class ControllerTelemetry implements ControllerObserver {
  readonly #journal: OperatorJournal;
  readonly #watched: Watched[] = [];
  readonly #reconciles: Counter<'controller' | 'result'>;
  readonly #errors: Counter<'controller'>;
  readonly #panics: Counter<'controller'>;
  readonly #timeouts: Counter<'controller'>;
  readonly #time: Histogram<'controller'>;
  readonly #workers: Gauge<'controller'>;
  readonly #active: Gauge<'controller'>;
  readonly #queueTime: Histogram<'name'>;
  readonly #workTime: Histogram<'name'>;

  constructor(registry: Registry, journal: OperatorJournal) {
    this.#journal = journal;
    const registers = [registry];
    const labelNames = ['controller'] as const;
    const counter = (name: string, help: string): Counter<'controller'> =>
      new Counter({ name: `controller_runtime_${name}`, help, labelNames, registers });
    this.#reconciles = new Counter({
      name: 'controller_runtime_reconcile_total',
      help: 'Reconciles of `gatewaypool` and `barragechannel` by result: `success`, `requeue_after`, `error`.',
      labelNames: ['controller', 'result'],
      registers,
    });
    this.#errors = counter('reconcile_errors_total', 'Reconciles that failed and are tried again.');
    this.#panics = counter('reconcile_panics_total', 'Reconciles that threw: each is a bug, please report it.');
    this.#timeouts = counter('reconcile_timeouts_total', 'Reconciles that exceeded their time limit.');
    const time = { name: 'controller_runtime_reconcile_time_seconds', help: 'Duration of a reconcile.', buckets: reconcileSeconds };
    this.#time = new Histogram({ ...time, labelNames, registers });
    this.#workers = new Gauge({
      name: 'controller_runtime_max_concurrent_reconciles',
      help: 'Workers of a controller.',
      labelNames,
      registers,
    });
    this.#active = new Gauge({ name: 'controller_runtime_active_workers', help: 'Workers with a key in hand.', labelNames, registers });
    const queue = { labelNames: ['name'] as const, buckets: queueSeconds, registers };
    this.#queueTime = new Histogram({ ...queue, name: 'workqueue_queue_duration_seconds', help: 'Time that a key waits for a worker.' });
    this.#workTime = new Histogram({
      ...queue,
      name: 'workqueue_work_duration_seconds',
      help: 'Time that a worker has the key.',
    });
    this.#exportFigures(registry);
  }

  /** A controller exists: its series are there from the start, at zero. */
  watch(controller: string, workers: number, figures: () => WorkQueueFigures): void {
    this.#watched.push({ controller, figures });
    this.#workers.set({ controller }, workers);
    for (const result of ['success', 'requeue_after', 'error']) this.#reconciles.inc({ controller, result }, 0);
    for (const counter of [this.#errors, this.#panics, this.#timeouts]) counter.inc({ controller }, 0);
    this.active(controller, 0);
  }

  taken(controller: string, waitedMs: number): void {
    this.#queueTime.observe({ name: controller }, waitedMs / 1000);
  }

  active(controller: string, workers: number): void {
    this.#active.set({ controller }, workers);
  }

  worked(controller: string, workedMs: number): void {
    this.#workTime.observe({ name: controller }, workedMs / 1000);
  }

  reconciled(controller: string, kind: Outcome['kind'], tookMs: number): void {
    this.#reconciles.inc({ controller, result: results[kind] });
    this.#time.observe({ controller }, tookMs / 1000);
    if (results[kind] === 'error') this.#errors.inc({ controller });
  }

  panicked(controller: string, key: string, error: unknown): void {
    this.#panics.inc({ controller });
    this.#journal.writeTrouble('reconcile-threw', `${controller} ${key}`, error, { controller, ...poolOf(key), err: error });
  }

  timedOut(controller: string): void {
    this.#timeouts.inc({ controller });
  }

  backedOff(controller: string, { key, cause, delayMs, failures }: Retry): void {
    this.#journal.writeTrouble('reconcile-failed', `${controller} ${key}`, cause, {
      controller,
      ...poolOf(key),
      delayMs: Math.round(delayMs),
      failures,
    });
  }

  /** Figures of the queues, read at each scrape. */
  #exportFigures(registry: Registry): void {
    const watched = this.#watched;
    const options = { labelNames: ['name'] as const, registers: [registry] };
    const gauge = (name: string, help: string, read: (figures: WorkQueueFigures) => number): void => {
      void new Gauge({
        ...options,
        name: `workqueue_${name}`,
        help,
        collect() {
          for (const { controller, figures } of watched) this.set({ name: controller }, read(figures()));
        },
      });
    };
    const counter = (name: string, help: string, read: (figures: WorkQueueFigures) => number): void => {
      void new Counter({
        ...options,
        name: `workqueue_${name}`,
        help,
        collect() {
          this.reset();
          for (const { controller, figures } of watched) this.inc({ name: controller }, read(figures()));
        },
      });
    };
    gauge('depth', 'Keys that wait for a worker.', ({ depth }) => depth);
    gauge('unfinished_work_seconds', 'Time spent so far on all reconciles under way.', ({ unfinishedMs }) => unfinishedMs / 1000);
    gauge(
      'longest_running_processor_seconds',
      'Time spent so far on the oldest reconcile under way.',
      (each) => each.longestRunningMs / 1000,
    );
    counter('adds_total', 'Keys that were added.', ({ adds }) => adds);
    counter('retries_total', 'Keys that were added again after a failure.', ({ retries }) => retries);
  }
}

/** The fields of a line, from a controller's key. */
function poolOf(key: string): { readonly namespace: string; readonly pool: string } {
  const [namespace = '', pool = ''] = key.split('/');
  return { namespace, pool };
}

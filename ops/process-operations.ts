import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import type { Clock } from '../core/clock.ts';
import type { OperationsSource } from './operations-page.ts';
import { History, type HistoryEvent } from './view/history.ts';
import { figuresOf, joined, type Readings } from './view/readings.ts';
import type { Figures } from './view/series.ts';
import type { ProcessView, Snapshot } from './view/snapshot.ts';

/** One part of a process on its page: a gateway, a publisher, the bus. */
export interface OperationsPart {
  /** Reads the part, once a second. It must be cheap: it runs whether or not anybody looks. */
  read(): Promise<Readings>;
  /** Called once a second while a page is open: work that only a reader is worth. It runs in slices. */
  look?(): void;
  /** What the page shows of the part besides its series, by the last reading and look. */
  view(): Partial<Pick<Snapshot, 'gateway' | 'publisher' | 'bus'>>;
}

/** The operations of a process that carries publications: its parts, and ten minutes of their figures. */
export class ProcessOperations implements OperationsSource {
  readonly #process: Pick<ProcessView, 'role' | 'name' | 'startedAt'> & { readonly waitingFor: () => readonly string[] };
  readonly #parts: readonly OperationsPart[];
  readonly #clock: Pick<Clock, 'monotonic' | 'wall'>;
  readonly #history = new History();
  #before: { readonly at: number; readonly readings: Readings; readonly loop: EventLoopUtilization } | undefined;
  #figures: Figures = {};

  constructor(options: {
    readonly role: ProcessView['role'];
    readonly name: string;
    readonly waitingFor: () => readonly string[];
    readonly parts: readonly OperationsPart[];
    readonly clock: Pick<Clock, 'monotonic' | 'wall'>;
  }) {
    const { role, name, waitingFor, parts, clock } = options;
    this.#process = { role, name, waitingFor, startedAt: clock.wall() - Math.round(performance.now()) };
    this.#parts = parts;
    this.#clock = clock;
  }

  async sample(): Promise<void> {
    const readings = joined(...(await Promise.all(this.#parts.map((part) => part.read()))));
    const [at, loop] = [this.#clock.monotonic(), performance.eventLoopUtilization()];
    const before = this.#before;
    const busy = before === undefined ? null : performance.eventLoopUtilization(loop, before.loop).utilization;
    this.#figures = {
      ...figuresOf(before?.readings, readings, before === undefined ? 0 : (at - before.at) / 1000),
      busy,
      memory: process.memoryUsage.rss(),
    };
    this.#before = { at, readings, loop };
    this.#history.add(this.#clock.wall(), this.#figures);
  }

  look(): void {
    for (const part of this.#parts) part.look?.();
  }

  history(): HistoryEvent {
    return this.#history.toEvent();
  }

  snapshot(): Snapshot {
    const { waitingFor, ...process } = this.#process;
    return Object.assign(
      { at: this.#clock.wall(), process: { ...process, waitingFor: waitingFor() }, sampledAt: this.#history.at, figures: this.#figures },
      ...this.#parts.map((part) => part.view()),
    ) as Snapshot;
  }
}

import { withoutCredentials } from '../../core/credentials.ts';
import type { Clock } from '../../core/clock.ts';
import { defaultEventSeries, EventSeries, type EventSeriesOptions, type Occurrence } from '../runtime/event-series.ts';
import { microTime } from '../runtime/micro-time.ts';
import type { KubeClient } from './client.ts';
import type { ClientMetrics } from './client-metrics.ts';
import type { OperatorJournal } from './log-lines.ts';
import { collectionPath, objectPath, resources } from './resources.ts';

/** Records what a user should see in `kubectl describe`. */
export interface Recorder {
  /** Never fails and never waits. An event that can't be written is counted and dropped. */
  record(occurrence: Occurrence): void;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly journal: OperatorJournal;
  readonly metrics: ClientMetrics;
  /** Name of this process' pod. */
  readonly instance: string;
  readonly series?: EventSeriesOptions;
}

/** Bounds of an event's fields in the API server, in characters. */
const noteMax = 1024;
const namePrefixMax = 200;
/** Events that may wait to be written; more are dropped. */
const waitingMax = 500;
const controller = 'barrage.dev/operator';
/** Digits of an event's number in its name: `kubectl describe` sorts by name, and so shows events in their order. */
const numberDigits = 7;
/** Kubernetes' own words. */
const combinedWords = '(combined from similar events):';

interface Written {
  readonly occurrence: Occurrence;
  readonly name: string;
  readonly note: string;
  /** Absent: the event is new. */
  readonly count?: number;
  readonly at: number;
}

/**
 * Writes events of `events.k8s.io/v1`, one after another. A repetition raises a count. Beyond its rate an object's
 * events are combined.
 */
export class EventRecorder implements Recorder {
  readonly #options: EventRecorderOptions;
  readonly #series: EventSeries;
  /** Part of each event's name: when this process began. Its events sort after those of an earlier process. */
  readonly #run: string;
  readonly #waiting: Written[] = [];
  readonly #leaving = new AbortController();
  #writing: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#series = new EventSeries(options.series ?? defaultEventSeries);
    this.#run = Math.floor(options.clock.wall()).toString(16);
  }

  record(occurrence: Occurrence): void {
    const { clock, metrics } = this.#options;
    const step = this.#series.occurred(occurrence, clock.monotonic());
    if (step.kind === 'keep') return metrics.event('kept');
    if (this.#leaving.signal.aborted || this.#waiting.length >= waitingMax) return metrics.event('dropped');
    const name = `${occurrence.regarding.name.slice(0, namePrefixMax)}.${this.#run}.${step.id.padStart(numberDigits, '0')}`;
    const note = step.kind === 'create' && step.isCombined ? `${combinedWords} ${occurrence.note}` : occurrence.note;
    this.#waiting.push({ occurrence, name, note, at: clock.wall(), ...(step.kind === 'count' ? { count: step.count } : {}) });
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
  }

  /** Resolves when every recorded event is written or has failed. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /**
   * Takes no more events. Resolves when the waiting ones are written, at the latest after `ms` milliseconds; the rest
   * is dropped.
   */
  async close(ms: number): Promise<void> {
    const callOff = this.#options.clock.after(ms, () => this.#leaving.abort());
    await this.flushed();
    callOff();
    this.#leaving.abort();
  }

  async #writeAll(): Promise<void> {
    const { journal, metrics } = this.#options;
    const { signal } = this.#leaving;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        signal.throwIfAborted();
        await this.#write(next, signal);
        metrics.event(next.count === undefined ? 'created' : 'counted');
      } catch (error) {
        if (signal.aborted) {
          metrics.event('dropped');
          continue;
        }
        metrics.event('failed');
        const { namespace, kind, name } = next.occurrence.regarding;
        journal.writeTrouble('event-lost', '', error, { namespace, kind, name, lost: next.occurrence.reason });
      }
    }
  }

  async #write({ occurrence, name, note, count, at }: Written, signal: AbortSignal): Promise<void> {
    const { client, instance } = this.#options;
    // Events about cluster-wide objects are kept in `default`.
    const namespace = occurrence.regarding.namespace === '' ? 'default' : occurrence.regarding.namespace;
    const { apiVersion, kind } = resources.event;
    if (count !== undefined) {
      const series = { count, lastObservedTime: microTime(at) };
      const path = objectPath(resources.event, { namespace, name });
      await client.request({
        verb: 'apply',
        path,
        body: { apiVersion, kind, series },
        contentType: 'application/merge-patch+json',
        signal,
      });
      return;
    }
    const { type, reason, action, regarding } = occurrence;
    const body = {
      apiVersion,
      kind,
      metadata: { namespace, name },
      eventTime: microTime(at),
      type,
      reason,
      action,
      regarding,
      note: withoutCredentials(note).slice(0, noteMax),
      reportingController: controller,
      reportingInstance: instance,
    };
    await client.request({ verb: 'create', path: collectionPath(resources.event, namespace), body, signal });
  }
}

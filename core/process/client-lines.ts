import { Counter, type Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import { TokenBucket } from '../token-bucket.ts';
import type { FieldsOf, Journal, LogTable } from './journal.ts';
import type { ProcessJournal } from './log-lines.ts';

/** Wait from the first line that is left out to the line that tells how many were, in milliseconds. */
const tellMs = 1_000;

const metric = {
  name: 'barrage_log_lines_left_out_total',
  help: 'Lines of `debug` about clients and backends that were not logged, because there were more of one kind than may be.',
};

/** The record of one kind of line. */
interface Kind {
  readonly bucket: TokenBucket;
  leftOut: number;
}

interface ClientLinesOptions<Table extends LogTable> {
  readonly journal: Journal<Table>;
  /** The log of the summaries. */
  readonly summaries: ProcessJournal;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly registry: Registry;
}

/**
 * The lines that clients and backends can cause, each kind at a bounded rate: `limits.clientLinesPerSecondMax`, and
 * `limits.clientLinesBurst` at once. Lines beyond it are left out and counted, and a summary follows within a second.
 */
export class ClientLines<Table extends LogTable> {
  readonly #options: ClientLinesOptions<Table>;
  readonly #kinds = new Map<keyof Table & string, Kind>();
  readonly #leftOut: Counter<'event'>;
  #callOffTelling: (() => void) | undefined;

  constructor(options: ClientLinesOptions<Table>) {
    this.#options = options;
    this.#leftOut = leftOutLines(options.registry);
  }

  /** Whether lines of `debug` are written: without them, their fields need not be gathered. */
  get hasDebug(): boolean {
    return this.#options.journal.hasDebug;
  }

  write<Event extends keyof Table & string>(event: Event, fields: FieldsOf<Table, Event>): void {
    const { journal, clock } = this.#options;
    const { clientLinesPerSecondMax, clientLinesBurst } = limits;
    const now = clock.monotonic();
    let kind = this.#kinds.get(event);
    if (kind === undefined) this.#kinds.set(event, (kind = { bucket: new TokenBucket(clientLinesBurst, now), leftOut: 0 }));
    if (kind.bucket.tryTake(now, clientLinesPerSecondMax, clientLinesBurst)) {
      journal.write(event, fields);
      return;
    }
    kind.leftOut += 1;
    this.#leftOut.inc({ event });
    this.#callOffTelling ??= clock.after(tellMs, () => this.tell());
  }

  /** Tells at once how many lines were left out since the summary before. */
  tell(): void {
    this.#callOffTelling?.();
    this.#callOffTelling = undefined;
    for (const [event, kind] of this.#kinds) {
      if (kind.leftOut === 0) continue;
      this.#options.summaries.write('lines-left-out', { of: event, times: kind.leftOut });
      kind.leftOut = 0;
    }
  }
}

/** The counter of lines that were left out: one in a registry, which a gateway and a publisher in one process share. */
export function leftOutLines(registry: Registry): Counter<'event'> {
  const present = registry.getSingleMetric(metric.name);
  return present === undefined ? new Counter({ ...metric, labelNames: ['event'], registers: [registry] }) : (present as Counter<'event'>);
}

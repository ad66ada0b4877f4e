import { boundedCache } from '../bounded-cache.ts';
import type { Clock } from '../clock.ts';
import { withoutCredentials } from '../credentials.ts';
import type { Logger } from './logging.ts';
import { SparseLog } from './sparse-log.ts';

/** One kind of line. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly message: string;
  /** Names of the fields that the line may have. One thing has one name in all lines. */
  readonly fields: readonly string[];
}

/** The lines of a process or a part of it, by their names. */
export type LogTable = Readonly<Record<string, LogLine>>;

/** The fields that a line of a table may have. */
export type FieldsOf<Table extends LogTable, Event extends keyof Table> = {
  readonly [Field in Table[Event]['fields'][number]]?: unknown;
};

/** How long the same change of a subject is not written again, in milliseconds. */
const sameChangeMs = 60_000;
/** Bounds of what is remembered. A forgotten subject gets a line too much. */
const subjectsMax = 10_000;
const troublesMax = 1_000;

/**
 * The log of a process, by a table of its lines. The field `event` of a line is its name in the table. URLs lose user,
 * password and query.
 */
export class Journal<Table extends LogTable> {
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #lines: Table;
  readonly #changes = boundedCache<string, { readonly change: string; readonly at: number }>(subjectsMax);
  readonly #troubles = boundedCache<string, SparseLog>(troublesMax);

  constructor(options: { readonly logger: Logger; readonly clock: Pick<Clock, 'monotonic'>; readonly lines: Table }) {
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.#lines = options.lines;
  }

  /** Whether lines of `debug` are written: without them, their fields need not be gathered. */
  get hasDebug(): boolean {
    return this.#logger.isLevelEnabled('debug');
  }

  write<Event extends keyof Table & string>(event: Event, fields?: FieldsOf<Table, Event>): void {
    const { level, message } = this.#lines[event] as LogLine;
    if (this.#logger.isLevelEnabled(level)) this.#logger[level]({ event, ...cleaned(fields ?? {}) }, message);
  }

  /**
   * Writes a change of a subject, unless it is the last change of this subject and was written within a minute: a step
   * may be taken twice.
   */
  writeChange<Event extends keyof Table & string>(
    event: Event,
    { subject, change }: { readonly subject: string; readonly change: string },
    fields: FieldsOf<Table, Event>,
  ): void {
    const now = this.#clock.monotonic();
    const last = this.#changes.get(subject);
    if (last?.change === change && now - last.at < sameChangeMs) return;
    this.#changes.set(subject, { change, at: now });
    this.write(event, fields);
  }

  /**
   * Writes a trouble of a subject that may come again and again: when it begins, and then ever more rarely
   * ({@link SparseLog}). The line has `reason` and `times`.
   */
  writeTrouble<Event extends keyof Table & string>(event: Event, subject: string, error: unknown, fields?: FieldsOf<Table, Event>): void {
    const key = `${event} ${subject}`;
    let log = this.#troubles.get(key);
    if (log === undefined) this.#troubles.set(key, (log = this.sparse(event)));
    log.warn(error, fields ?? {});
  }

  /** A log of one kind of fault, which writes ever more rarely. Its lines have `reason` and `times`. */
  sparse<Event extends keyof Table & string>(event: Event): SparseLog<FieldsOf<Table, Event>> {
    return new SparseLog({ clock: this.#clock, write: (fields) => this.write(event, fields) });
  }
}

function cleaned(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? withoutCredentials(value) : value]),
  );
}

import { boundedCache } from '../bounded-cache.ts';
import type { Clock } from '../clock.ts';
import { withoutCredentials } from '../credentials.ts';
import type { Logger } from './logging.ts';
import { SparseLog } from './sparse-log.ts';

/** One kind of line. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly message: string;
}

/** Fields of a line. One thing has one name in all lines; `note` is a text for people. */
export interface LogFields {
  readonly namespace?: string | undefined;
  /** Name of the GatewayPool. */
  readonly pool?: string | undefined;
  readonly pod?: string | undefined;
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  readonly [field: string]: unknown;
}

/** How long the same change of a subject is not written again, in milliseconds. */
const sameChangeMs = 60_000;
/** Bounds of what is remembered. A forgotten subject gets a line too much. */
const subjectsMax = 10_000;
const troublesMax = 1_000;

/**
 * The log of a process, by a table of its lines. The field `event` of a line is its name in the table. URLs lose user,
 * password and query.
 */
export class Journal<Event extends string> {
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #lines: Readonly<Record<Event, LogLine>>;
  readonly #changes = boundedCache<string, { readonly change: string; readonly at: number }>(subjectsMax);
  readonly #troubles = boundedCache<string, SparseLog>(troublesMax);

  constructor(options: {
    readonly logger: Logger;
    readonly clock: Pick<Clock, 'monotonic'>;
    readonly lines: Readonly<Record<Event, LogLine>>;
  }) {
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.#lines = options.lines;
  }

  write(event: Event, fields: LogFields = {}): void {
    const { level, message } = this.#lines[event];
    this.#logger[level]({ event, ...cleaned(fields) }, message);
  }

  /**
   * Writes a change of a subject, unless it is the last change of this subject and was written within a minute: a step
   * may be taken twice.
   */
  writeChange(event: Event, { subject, change }: { readonly subject: string; readonly change: string }, fields: LogFields): void {
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
  writeTrouble(event: Event, subject: string, error: unknown, fields: LogFields = {}): void {
    const key = `${event} ${subject}`;
    let log = this.#troubles.get(key);
    if (log === undefined) {
      const written = (counted: object): void => this.write(event, counted as LogFields);
      log = new SparseLog({ logger: { info: written, warn: written, error: written }, message: '', clock: this.#clock });
      this.#troubles.set(key, log);
    }
    log.warn(error, fields);
  }
}

function cleaned(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? withoutCredentials(value) : value]),
  );
}

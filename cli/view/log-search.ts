import { printable } from './terminal-text.ts';

/** One line of a process's log that is about the user or connection in question. */
export interface FoundLine {
  /** The pod, or the file. */
  readonly source: string;
  /** ISO 8601, as the line has it; empty without a time. */
  readonly time: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Connections of one log that are remembered: as the user's, and with lines from before the user was known. */
const connectionsMax = 10_000;
/** Lines that are remembered of a connection whose user is not known yet. */
const earlyLinesMax = 20;

/**
 * Searches one log for a user or a connection, line by line. A user's connections are known from lines with both; then
 * lines of these connections from before and after belong to the user, too.
 */
export class LogSearch {
  readonly #wanted: string;
  readonly #source: string;
  /** The user's connections. */
  readonly #own = new Set<string>();
  /** Lines of connections without a user, by connection. */
  readonly #early = new Map<string, FoundLine[]>();

  /**
   * @param wanted a user's id, or a connection's
   * @param source name of the log
   */
  constructor(wanted: string, source: string) {
    this.#wanted = wanted;
    this.#source = source;
  }

  /** @returns the lines that are found with this one; a line that is no JSON object is about nobody */
  read(text: string): readonly FoundLine[] {
    // Most lines are about others: they are not parsed.
    if (!text.includes('"connection"') && !text.includes(jsonPart(this.#wanted))) return [];
    const fields = readFields(text);
    if (fields === undefined) return [];
    const [user, connection] = [wordIn(fields, 'user'), wordIn(fields, 'connection')];
    const { time } = fields;
    const line: FoundLine = { source: this.#source, time: typeof time === 'string' ? time : '', fields };
    if (connection === this.#wanted) return [line];
    if (user === this.#wanted) {
      if (connection === undefined) return [line];
      const early = this.#early.get(connection) ?? [];
      this.#early.delete(connection);
      if (this.#own.size < connectionsMax) this.#own.add(connection);
      return [...early, line];
    }
    if (user !== undefined || connection === undefined) return [];
    if (this.#own.has(connection)) return [line];
    this.#remember(connection, line);
    return [];
  }

  #remember(connection: string, line: FoundLine): void {
    const lines = this.#early.get(connection);
    if (lines === undefined) {
      const [oldest] = this.#early.keys();
      if (this.#early.size >= connectionsMax && oldest !== undefined) this.#early.delete(oldest);
      this.#early.set(connection, [line]);
    } else if (lines.length < earlyLinesMax) lines.push(line);
  }
}

function readFields(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function wordIn(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

/** The part of a text that any JSON writer leaves as it is. */
function jsonPart(text: string): string {
  return /[\x20-\x21\x23-\x2e\x30-\x5b\x5d-\x7e]*/.exec(text)?.[0] ?? '';
}

/** Fields that stand in other places of the line. */
const placed = new Set(['time', 'level', 'message', 'event', 'part', 'pid', 'hostname']);

/** One line for a person: time, level, source, event, message, and the other fields. */
export function foundText({ source, time, fields }: FoundLine): string {
  const others = Object.entries(fields)
    .filter(([name]) => !placed.has(name))
    .map(([name, value]) => `${name}=${wordOf(value)}`);
  const [level, event, message] = ['level', 'event', 'message'].map((name) => (typeof fields[name] === 'string' ? fields[name] : ''));
  const parts = [time, (level ?? '').toUpperCase().padEnd(5), source, event, event === '' ? message : message && `"${message}"`, ...others];
  return printable(parts.filter((part) => part !== '' && part !== undefined).join('  '));
}

/** A field's value: a word as it is, anything else as JSON. */
function wordOf(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

/** The newest lines in the order of their times, at most `most` of them. */
export class FoundLines {
  readonly #most: number;
  #lines: FoundLine[] = [];
  #leftOut = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(found: FoundLine): void {
    this.#lines.push(found);
    // Amortised: sorted once for each `most` lines.
    if (this.#lines.length >= 2 * this.#most) this.#shorten();
  }

  /** Older lines that were left out. Valid after `sorted`. */
  get leftOut(): number {
    return this.#leftOut;
  }

  sorted(): readonly FoundLine[] {
    this.#shorten();
    return this.#lines;
  }

  #shorten(): void {
    const sorted = this.#lines.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
    this.#leftOut += Math.max(0, sorted.length - this.#most);
    this.#lines = sorted.slice(-this.#most);
  }
}

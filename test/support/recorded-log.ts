import { createLogger, type Logger } from '../../core/process/logging.ts';

/** A line of a log. */
export type RecordedLine = Readonly<Record<string, unknown>> & { readonly event: string; readonly level: string };

/** A logger whose lines a test reads. */
export interface RecordedLog {
  readonly logger: Logger;
  /** All lines so far. A test may empty it. */
  readonly lines: RecordedLine[];
}

export function recordedLog(level = 'info'): RecordedLog {
  const lines: RecordedLine[] = [];
  const logger = createLogger({ part: 'test', level }, { write: (line: string) => void lines.push(JSON.parse(line) as RecordedLine) });
  return { logger, lines };
}

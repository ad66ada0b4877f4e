import { pino, type DestinationStream, type Logger } from 'pino';
import { withoutCredentials } from '../credentials.ts';
import { limits } from '../limits.ts';

export type { Logger } from 'pino';

/** File descriptor of the log: standard error. Standard output is for people and pipes. */
const standardError = 2;

let lost = 0;

/** Lines of this process's log that were lost, because standard error could not be written for too long. */
export function logLinesLost(): number {
  return lost;
}

interface LoggerOptions {
  /** The kind of process, in the field `part`. */
  readonly part: string;
  readonly level: string;
}

/**
 * Logs JSON lines, with one logger a process. Levels are words, times are ISO 8601 in UTC. Payloads, tokens and keys
 * are never logged. Every line is written before the call returns, so none is lost when the process ends.
 * @param to default: standard error
 */
export function createLogger({ part, level }: LoggerOptions, to: DestinationStream = linesTo(standardError)): Logger {
  return pino(
    {
      level,
      base: { part },
      formatters: { level: (word) => ({ level: word }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      serializers: { err: errorForLog },
    },
    to,
  );
}

/**
 * Writes lines at once. A full disk ends no process that serves: up to `limits.logWaitingCharactersMax` characters of
 * lines wait for room, and further lines are lost and counted.
 * @param fileDescriptor is open for writing
 */
export function linesTo(fileDescriptor: number): DestinationStream {
  const destination = pino.destination({ dest: fileDescriptor, sync: true, maxLength: limits.logWaitingCharactersMax });
  destination.on('error', () => {});
  destination.on('drop', () => lost++);
  return destination;
}

/**
 * The logger of a process: JSON lines, or readable lines where standard error is a terminal. The formatter of readable
 * lines is loaded for a terminal only, and runs in this thread: a thread of its own would lose the last lines.
 */
export async function createProcessLogger(options: LoggerOptions): Promise<Logger> {
  if (!process.stderr.isTTY) return createLogger(options);
  const { default: pretty } = await import('pino-pretty');
  const colorize = process.stderr.hasColors();
  return createLogger(
    options,
    pretty({
      destination: standardError,
      sync: true,
      colorize,
      messageKey: 'message',
      ignore: 'part',
      translateTime: 'SYS:HH:MM:ss.l',
      singleLine: true,
    }),
  );
}

/**
 * An error for a line. Only the type, the words and the stack: libraries hang more on their errors. The Redis client
 * hangs a publication on its own.
 */
function errorForLog(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code } = error as NodeJS.ErrnoException;
  const { name: type, message, stack = '' } = error;
  return { type, message: withoutCredentials(message), stack: withoutCredentials(stack), ...(code === undefined ? {} : { code }) };
}

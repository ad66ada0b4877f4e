import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/**
 * Logs JSON lines to standard error, with one logger a process. Levels are words. Payloads, tokens and keys are never
 * logged.
 */
export function createLogger(options: { readonly part: string; readonly level: string }): Logger {
  return pino(
    {
      level: options.level,
      base: { part: options.part },
      formatters: { level: (word) => ({ level: word }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
    },
    pino.destination(2),
  );
}

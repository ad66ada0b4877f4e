import { Journal, type LogTable } from '../core/process/journal.ts';
import type { Logger } from '../core/process/logging.ts';
import { systemClock } from '../core/process/system-clock.ts';

/** Every line of the all-in-one process's own, by its name. docs/logs.md explains them. */
export const standaloneLines = {
  'standalone-listens': { level: 'info', message: 'gateway and publisher listen', fields: ['gatewayPort', 'publisherPort', 'adminPort'] },
  'demo-missing': { level: 'info', message: 'the pages of the demo are not installed', fields: [] },
} as const satisfies LogTable;

export function standaloneJournal(logger: Logger): Journal<typeof standaloneLines> {
  return new Journal({ logger, clock: systemClock, lines: standaloneLines });
}

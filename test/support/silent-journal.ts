import { createLogger } from '../../core/process/logging.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { operatorJournal } from '../../operator/kube/log-lines.ts';

/** The log of an operator that nobody reads. */
export const silentJournal = operatorJournal(createLogger({ part: 'test', level: 'silent' }), systemClock);

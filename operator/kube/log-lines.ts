import { Journal, type LogLine } from '../../core/process/journal.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/process/logging.ts';

/** Every line of the operator's own, by its name. docs/logs.md explains them. */
export const logLines = {
  'operator-listens': { level: 'info', message: 'the operator listens' },
  'lead-taken': { level: 'info', message: 'this operator leads' },
  'lead-lost': { level: 'fatal', message: 'this operator has lost the lead: it ends' },
  'lease-unreached': { level: 'warn', message: 'the Lease could not be read or written' },
  'lease-kept': { level: 'warn', message: 'the Lease could not be released: the next leader waits until it runs out' },
  'action-taken': { level: 'info', message: 'an action was taken' },
  'pool-scaled': { level: 'info', message: 'the desired number of gateways has changed' },
  'bus-change-step': { level: 'info', message: 'a pool goes from one bus to another' },
  'rollout-began': { level: 'info', message: 'a rollout begins' },
  'rollout-resumed': { level: 'info', message: 'a rollout goes on under this operator' },
  'rollout-progressed': { level: 'info', message: 'a rollout makes progress' },
  'rollout-ended': { level: 'info', message: 'a rollout has ended' },
  'fault-began': { level: 'warn', message: 'a fault has begun' },
  'fault-ended': { level: 'info', message: 'a fault is over' },
  'request-refused': { level: 'warn', message: 'the API server refused' },
  'status-refused': { level: 'warn', message: 'the API server refuses the status of this object' },
  'event-lost': { level: 'warn', message: 'an event could not be written' },
  'document-not-taken': { level: 'warn', message: 'a pod did not take the pool document' },
  'command-refused': { level: 'warn', message: 'a gateway refused a command' },
  'reconcile-failed': { level: 'warn', message: 'a reconcile failed and is tried again' },
  'reconcile-threw': { level: 'error', message: 'a reconcile threw: this is a bug' },
  'listener-threw': { level: 'error', message: 'a listener of a store threw: this is a bug' },
  'watch-failed': { level: 'warn', message: 'a watch failed and is tried again' },
  'namespace-refused': {
    level: 'warn',
    message: 'a namespace can not be read whole, so nothing is done there; does it exist, with its Roles?',
  },
  'namespace-read': { level: 'info', message: 'a namespace that was refused has been read' },
} as const satisfies Readonly<Record<string, LogLine>>;

/** The operator's log. */
export type OperatorJournal = Journal<keyof typeof logLines>;

export function operatorJournal(logger: Logger, clock: Pick<Clock, 'monotonic'>): OperatorJournal {
  return new Journal({ logger, clock, lines: logLines });
}

import { Journal, type LogTable } from '../../core/process/journal.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/process/logging.ts';

/** Every line of the operator's own, by its name. docs/logs.md explains them. */
export const logLines = {
  'operator-listens': { level: 'info', message: 'the operator listens', fields: ['host', 'port', 'metricsPort', 'server'] },
  'lead-taken': { level: 'info', message: 'this operator leads', fields: ['lease', 'identity'] },
  'lead-lost': { level: 'fatal', message: 'this operator has lost the lead: it ends', fields: ['reason'] },
  'lease-unreached': { level: 'warn', message: 'the Lease could not be read or written', fields: ['lease', 'isLeader', 'reason', 'times'] },
  'lease-kept': {
    level: 'warn',
    message: 'the Lease could not be released: the next leader waits until it runs out',
    fields: ['lease', 'reason', 'times'],
  },
  'first-pool-applied': { level: 'info', message: 'the pool that a ConfigMap asks for was applied', fields: ['namespace', 'pool'] },
  'first-pool-refused': {
    level: 'warn',
    message: 'the pool that a ConfigMap asks for was not made',
    fields: ['namespace', 'reason', 'times'],
  },
  'action-taken': { level: 'info', message: 'an action was taken', fields: ['namespace', 'pool', 'pod', 'action', 'reason', 'note'] },
  'pool-scaled': { level: 'info', message: 'the desired number of gateways has changed', fields: ['namespace', 'pool', 'reason', 'note'] },
  'bus-change-step': { level: 'info', message: 'a pool goes from one bus to another', fields: ['namespace', 'pool', 'reason', 'note'] },
  'rollout-began': {
    level: 'info',
    message: 'a rollout begins',
    fields: ['namespace', 'pool', 'revision', 'replaced', 'old', 'desired', 'seconds', 'note'],
  },
  'rollout-resumed': {
    level: 'info',
    message: 'a rollout goes on under this operator',
    fields: ['namespace', 'pool', 'revision', 'replaced', 'old', 'desired', 'seconds', 'note'],
  },
  'rollout-progressed': {
    level: 'info',
    message: 'a rollout makes progress',
    fields: ['namespace', 'pool', 'revision', 'replaced', 'old', 'desired', 'seconds', 'note'],
  },
  'rollout-ended': {
    level: 'info',
    message: 'a rollout has ended',
    fields: ['namespace', 'pool', 'revision', 'replaced', 'old', 'desired', 'seconds', 'note'],
  },
  'fault-began': { level: 'warn', message: 'a fault has begun', fields: ['namespace', 'pool', 'reason', 'note'] },
  'fault-ended': { level: 'info', message: 'a fault is over', fields: ['namespace', 'pool', 'reason', 'note'] },
  'request-refused': {
    level: 'warn',
    message: 'the API server refused',
    fields: ['namespace', 'pool', 'subject', 'status', 'reason', 'times'],
  },
  'status-refused': {
    level: 'warn',
    message: 'the API server refuses the status of this object',
    fields: ['namespace', 'kind', 'name', 'reason', 'times'],
  },
  'event-lost': {
    level: 'warn',
    message: 'an event could not be written',
    fields: ['namespace', 'kind', 'name', 'lost', 'reason', 'times'],
  },
  'document-not-taken': {
    level: 'warn',
    message: 'a pod did not take the pool document',
    fields: ['namespace', 'pool', 'pod', 'epoch', 'reason', 'times'],
  },
  'command-refused': {
    level: 'warn',
    message: 'a gateway refused a command',
    fields: ['namespace', 'pool', 'pod', 'command', 'status', 'reason', 'times'],
  },
  'reconcile-failed': {
    level: 'warn',
    message: 'a reconcile failed and is tried again',
    fields: ['namespace', 'pool', 'controller', 'failures', 'delayMs', 'reason', 'times'],
  },
  'reconcile-threw': {
    level: 'error',
    message: 'a reconcile threw: this is a bug',
    fields: ['namespace', 'pool', 'controller', 'err', 'reason', 'times'],
  },
  'listener-threw': { level: 'error', message: 'a listener of a store threw: this is a bug', fields: ['kind', 'err', 'reason', 'times'] },
  'watch-failed': {
    level: 'warn',
    message: 'a watch failed and is tried again',
    fields: ['namespace', 'kind', 'failures', 'delayMs', 'reason', 'times'],
  },
  'namespace-refused': {
    level: 'warn',
    message: 'a namespace can not be read whole, so nothing is done there; does it exist, with its Roles?',
    fields: ['namespace'],
  },
  'namespace-read': { level: 'info', message: 'a namespace that was refused has been read', fields: ['namespace'] },
} as const satisfies LogTable;

/** The operator's log. */
export type OperatorJournal = Journal<typeof logLines>;

export function operatorJournal(logger: Logger, clock: Pick<Clock, 'monotonic'>): OperatorJournal {
  return new Journal({ logger, clock, lines: logLines });
}

import type { Clock } from '../clock.ts';
import { Journal, type LogTable } from './journal.ts';
import type { Logger } from './logging.ts';
import { systemClock } from './system-clock.ts';

/** Every line of the code that all processes share, by its name. docs/logs.md explains them. */
export const processLines = {
  'setting-unknown': { level: 'warn', message: 'this environment variable is no setting; is it misspelt?', fields: ['variable'] },
  leaving: { level: 'info', message: 'the process leaves', fields: ['signal'] },
  'leaving-hastened': { level: 'info', message: 'the process leaves at once', fields: ['signal'] },
  'closing-failed': { level: 'error', message: 'closing failed', fields: ['err'] },
  'work-cut-off': { level: 'warn', message: 'open work still held the process; it was cut off', fields: [] },
  'policy-file-changed': { level: 'info', message: 'the policies of the changed file are in force', fields: ['file', 'policies'] },
  'policy-file-mended': { level: 'info', message: 'the policy file holds the policies in force again', fields: ['file'] },
  'policy-file-refused': {
    level: 'error',
    message: 'the policy file can not be used: the policies that were in force stay',
    fields: ['file', 'faults'],
  },
  'certificate-taken': { level: 'info', message: 'this certificate is shown to clients', fields: ['file', 'subject', 'endsAt'] },
  'certificate-refused': {
    level: 'error',
    message: 'the certificate can not be used: the one in force stays',
    fields: ['file', 'keyFile', 'reason', 'endsAt'],
  },
  'pool-document-taken': { level: 'info', message: 'a pool document is in force', fields: ['epoch', 'gateways', 'policiesHash'] },
  'policies-of-other-version': {
    level: 'warn',
    message: 'policies of another version: their fields and values that are unknown here are ignored or replaced',
    fields: ['epoch', 'unknownFields', 'replacedValues', 'unread', 'examples'],
  },
  'pool-folder-refused': {
    level: 'error',
    message: 'the pool folder can not be used: what was in force stays',
    fields: ['folder', 'reason'],
  },
  'bus-up': { level: 'info', message: 'the bus is up', fields: ['bus'] },
  'bus-down': { level: 'warn', message: 'the bus is down', fields: ['bus', 'reason', 'times'] },
  'redis-failed': { level: 'warn', message: 'Redis failed', fields: ['bus', 'reason', 'times'] },
  'redis-masters': { level: 'info', message: 'the masters of the Redis Cluster have changed', fields: ['bus', 'masters'] },
  'redis-backlog-short': { level: 'warn', message: 'Redis may cut off this process', fields: ['bus', 'reason'] },
  'envelope-unreadable': {
    level: 'warn',
    message: 'an envelope on a bus channel could not be read',
    fields: ['bus', 'reason', 'times'],
  },
  'call-unreadable': {
    level: 'warn',
    message: 'a message of the gateway calls could not be read',
    fields: ['bus', 'reason', 'times'],
  },
  'subscription-ended': {
    level: 'warn',
    message: 'Redis ended a subscription, which is made again',
    fields: ['bus', 'reason', 'times'],
  },
  'subscription-refused-by-redis': {
    level: 'warn',
    message: 'Redis refused a subscription, which is tried again',
    fields: ['bus', 'reason', 'times'],
  },
  'subscriptions-unproved': {
    level: 'warn',
    message: 'subscriptions could not be proved, so the connection to Redis is made anew',
    fields: ['bus', 'reason', 'times'],
  },
  'append-failed': { level: 'warn', message: 'publications could not be appended', fields: ['bus', 'reason', 'times'] },
  'gateway-number-lost': {
    level: 'error',
    message: 'another gateway has this gateway number; calls to it go there',
    fields: ['bus', 'gateway'],
  },
  'gateway-number-back': { level: 'info', message: 'this gateway has its number again', fields: ['bus', 'gateway'] },
  'gateway-number-taken': {
    level: 'warn',
    message: 'another gateway of this bus has the gateway number of this process; it is claimed again',
    fields: ['bus', 'gateway'],
  },
  'traces-recorded': { level: 'info', message: 'traces are recorded', fields: ['sampler', 'ratio'] },
  'traces-lost': { level: 'warn', message: 'the collector did not take traces', fields: ['reason', 'times'] },
  'trace-setting-odd': { level: 'warn', message: 'a setting of traces has no effect', fields: ['reason', 'times'] },
  'lines-left-out': {
    level: 'info',
    message: 'lines were left out: there were more than a second may have',
    fields: ['of', 'times'],
  },
} as const satisfies LogTable;

/** The log of the code that all processes share. */
export type ProcessJournal = Journal<typeof processLines>;

export function processJournal(logger: Logger, clock: Pick<Clock, 'monotonic'> = systemClock): ProcessJournal {
  return new Journal({ logger, clock, lines: processLines });
}

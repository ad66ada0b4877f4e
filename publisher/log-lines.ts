import type { Clock } from '../core/clock.ts';
import { Journal, type LogTable } from '../core/process/journal.ts';
import type { Logger } from '../core/process/logging.ts';

/** Every line of a publisher's own, by its name. docs/logs.md explains them. */
export const publisherLines = {
  'publisher-listens': { level: 'info', message: 'the publisher listens', fields: ['host', 'port', 'adminPort'] },
  'request-failed': { level: 'error', message: 'a request failed', fields: ['operation', 'err'] },
  'key-refused': { level: 'debug', message: 'a request without a known key was refused', fields: ['address', 'key', 'reason'] },
  'operation-refused': {
    level: 'debug',
    message: 'a request was refused',
    fields: ['operation', 'channel', 'reason', 'status', 'retryAfterSeconds'],
  },
  'backend-refused': {
    level: 'debug',
    message: 'a handshake of the WebSocket API was refused',
    fields: ['address', 'reason', 'status', 'retryAfterSeconds'],
  },
  'input-unreadable': { level: 'debug', message: 'a request could not be read, or did not come in time', fields: ['address', 'reason'] },
  'handshake-failed': { level: 'debug', message: 'a TLS handshake failed', fields: ['address', 'reason'] },
  'backend-opened': { level: 'debug', message: 'a backend opened a connection of the WebSocket API', fields: ['backend', 'address'] },
  'backend-closed': {
    level: 'debug',
    message: 'a connection of the WebSocket API has ended',
    fields: ['backend', 'address', 'by', 'code', 'reason', 'requests', 'bytesIn', 'bytesOut', 'durationMs'],
  },
} as const satisfies LogTable;

/** The log of a publisher. */
export type PublisherJournal = Journal<typeof publisherLines>;

export function publisherJournal(logger: Logger, clock: Pick<Clock, 'monotonic'>): PublisherJournal {
  return new Journal({ logger, clock, lines: publisherLines });
}

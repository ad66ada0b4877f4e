import type { Clock } from '../../core/clock.ts';
import { Journal, type LogTable } from '../../core/process/journal.ts';
import type { Logger } from '../../core/process/logging.ts';

/** Every line of a gateway's own, by its name. docs/logs.md explains them. */
export const gatewayLines = {
  'gateway-listens': { level: 'info', message: 'the gateway listens', fields: ['host', 'port', 'adminPort'] },
  'bus-awaited': { level: 'warn', message: 'waiting for the bus', fields: ['reason', 'times'] },
  'gateway-number-refused': { level: 'error', message: 'no gateway number could be taken', fields: ['err'] },
  'drain-began': {
    level: 'info',
    message: 'draining',
    fields: ['connections', 'connectionsPerSecond', 'deadlineMs', 'hintAfterMs', 'lastCallMs'],
  },
  'drain-called-off': { level: 'info', message: 'the drain is called off', fields: ['moved'] },
  'drain-ended': { level: 'info', message: 'nobody is left', fields: ['moved', 'afterMs'] },
  'origin-refused': {
    level: 'warn',
    message: 'a page may not connect, and its browser does not say why: allow its origin',
    fields: ['origin', 'host', 'setting', 'times'],
  },
  'host-refused': {
    level: 'warn',
    message: 'a request names another host than loopback, and is refused: set the host, or connect to localhost',
    fields: ['origin', 'host', 'setting', 'times'],
  },
  'tokens-refused': { level: 'warn', message: 'tokens were refused', fields: ['reason', 'times'] },
  'tokens-unchecked': {
    level: 'warn',
    message: 'tokens could not be checked: their clients are told to try again',
    fields: ['reason', 'times'],
  },
  'room-unopened': {
    level: 'warn',
    message: 'a room could not be opened: the bus did not take the subscription',
    fields: ['reason', 'times'],
  },
  'windows-stretched': {
    level: 'warn',
    message: 'the windows of the costliest rooms are stretched',
    fields: ['reason', 'times', 'rooms', 'demand', 'share'],
  },
  'command-failed': { level: 'error', message: 'a command failed', fields: ['connection', 'user', 'err'] },
  'pull-failed': { level: 'error', message: 'a head or a segment could not be made', fields: ['channel', 'err'] },
  'script-failed': { level: 'error', message: 'the client for browsers can not be served', fields: ['err'] },
  'stream-failed': { level: 'error', message: 'a request for an event stream failed', fields: ['err'] },
  'handshake-refused': {
    level: 'debug',
    message: 'a handshake was refused',
    fields: ['address', 'origin', 'host', 'reason', 'status', 'retryAfterSeconds'],
  },
  'request-unreadable': { level: 'debug', message: 'a request could not be read, or did not come in time', fields: ['address', 'reason'] },
  'socket-crowded-out': {
    level: 'debug',
    message: 'a socket without a request was closed, because there were too many',
    fields: ['address'],
  },
  'connection-opened': { level: 'debug', message: 'a connection was opened', fields: ['connection', 'address', 'protocol', 'origin'] },
  'user-identified': { level: 'debug', message: 'the user of a connection is known', fields: ['connection', 'user', 'by', 'expiresInMs'] },
  'user-expired': { level: 'debug', message: 'the identity of a connection has ended', fields: ['connection', 'user'] },
  'token-refused': { level: 'debug', message: 'the token of a connection was refused', fields: ['connection', 'user', 'reason', 'key'] },
  subscribed: { level: 'debug', message: 'a connection subscribed', fields: ['connection', 'user', 'channel', 'by'] },
  'subscription-refused': {
    level: 'debug',
    message: 'a subscription was refused',
    fields: ['connection', 'user', 'channel', 'reason', 'by'],
  },
  unsubscribed: { level: 'debug', message: 'a connection unsubscribed', fields: ['connection', 'user', 'channel', 'by', 'reason'] },
  'rate-limited': {
    level: 'debug',
    message: 'a client reached a rate',
    fields: ['connection', 'user', 'channel', 'reason', 'times'],
  },
  'move-told': {
    level: 'debug',
    message: 'a client was told to move',
    fields: ['connection', 'user', 'url', 'afterMs'],
  },
  'connection-closed': {
    level: 'debug',
    message: 'a connection has ended',
    fields: [
      'connection',
      'user',
      'address',
      'protocol',
      'by',
      'code',
      'reason',
      'subscriptions',
      'channels',
      'bytesIn',
      'bytesOut',
      'durationMs',
    ],
  },
} as const satisfies LogTable;

/** The log of a gateway. */
export type GatewayJournal = Journal<typeof gatewayLines>;

export function gatewayJournal(logger: Logger, clock: Pick<Clock, 'monotonic'>): GatewayJournal {
  return new Journal({ logger, clock, lines: gatewayLines });
}

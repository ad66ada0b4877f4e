import { limits } from '../../core/limits.ts';
import type { HttpServerOptions } from '../../core/process/http-server.ts';
import { plainText } from '../../core/process/plain-answer.ts';
import type { Settings } from '../../core/process/settings.ts';
import { plainHttpRefusal } from '../../core/tls/handshakes.ts';
import type { Tls } from '../../core/tls/tls.ts';
import type { ClientLog } from '../accounts/client-log.ts';

/** Bytes that a client's socket keeps. Bytes that wait longer are in a queue that a policy bounds. */
const socketBytes = 16_384;

/** The times and bounds of the port on which clients connect, and its TLS if the process has any. */
export function clientsPort({
  settings: { httpKeepAliveMs, connectionsMax, acceptsPerSecond },
  tls,
  clients,
}: {
  readonly settings: Pick<Settings, 'httpKeepAliveMs' | 'connectionsMax' | 'acceptsPerSecond'>;
  readonly tls: Tls | undefined;
  readonly clients: Pick<ClientLog, 'unreadable'>;
}): Omit<HttpServerOptions, 'request' | 'upgrade' | 'unreadable' | 'onCrowded'> {
  return {
    keepAliveMs: httpKeepAliveMs,
    headersMs: limits.handshakeTimeoutMs,
    requestMs: limits.handshakeTimeoutMs,
    socketsMax: connectionsMax,
    highWaterMark: socketBytes,
    tls: tls && {
      tls,
      port: 'clients',
      handshakesPerSecond: acceptsPerSecond,
      plainAnswer: plainText(plainHttpRefusal),
      onFailed: (address, reason) => clients.unreadable(address, reason),
    },
  };
}

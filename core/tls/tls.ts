import type { Registry } from 'prom-client';
import type { Logger } from '../process/logging.ts';
import type { Settings } from '../process/settings.ts';
import { exportCertificate, HandshakeMetrics } from './tls-metrics.ts';
import { watchCertificate, type WatchedCertificate } from './watched-certificate.ts';

/** What the ports of a process need to speak TLS. */
export interface Tls {
  readonly certificate: WatchedCertificate;
  readonly metrics: HandshakeMetrics;
}

/**
 * The TLS of a process by its settings, with metrics: once in a registry. `undefined`: its ports speak plain HTTP.
 * @throws CertificateFault when the settings name a pair that can't be used
 */
export async function openTls(
  { tlsCertFile: certFile, tlsKeyFile: keyFile }: Pick<Settings, 'tlsCertFile' | 'tlsKeyFile'>,
  { registry, logger }: { readonly registry: Registry; readonly logger: Logger },
): Promise<Tls | undefined> {
  if (certFile === '') return undefined;
  const certificate = await watchCertificate({ certFile, keyFile }, { logger });
  exportCertificate(registry, certificate);
  return { certificate, metrics: new HandshakeMetrics(registry) };
}

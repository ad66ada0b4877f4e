import { Counter, Gauge, type Registry } from 'prom-client';
import { readCounters, readGauge } from '../process/read-metrics.ts';
import type { HandshakeResult } from './handshake-result.ts';
import type { WatchedCertificate } from './watched-certificate.ts';

/** The ports that may speak TLS. */
export type TlsPortName = 'clients' | 'publish';

/** Counts the handshakes of a process, by port. Once in a registry. */
export class HandshakeMetrics {
  readonly #results: Counter<'port' | 'result'>;
  readonly #readers = new Map<TlsPortName, () => number>();

  constructor(registry: Registry) {
    this.#results = new Counter({
      name: 'barrage_tls_handshakes_total',
      help: 'Sockets on a port of TLS, by what became of their handshake: done, or the reason for which it failed.',
      labelNames: ['port', 'result'],
      registers: [registry],
    });
    const readers = this.#readers;
    void new Gauge({
      name: 'barrage_tls_handshakes_open',
      help: 'Sockets whose TLS handshake is not done: silent ones, those that wait for their turn, and those under way.',
      labelNames: ['port'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [port, read] of readers) this.set({ port }, read());
      },
    });
  }

  count(port: TlsPortName, result: HandshakeResult): void {
    this.#results.inc({ port, result });
  }

  /** Shows the open handshakes of a port. */
  show(port: TlsPortName, open: () => number): void {
    this.#readers.set(port, open);
  }
}

/** Registers the metrics of the certificate. Without TLS there are none of them. */
export function exportCertificate(registry: Registry, certificate: Pick<WatchedCertificate, 'pair' | 'isValid' | 'counts'>): void {
  readGauge(
    registry,
    {
      name: 'barrage_tls_certificate_expiry_timestamp_seconds',
      help: 'End of the certificate that this process shows to its clients, in Unix seconds. Only with BARRAGE_TLS_CERT_FILE.',
    },
    () => certificate.pair.endsAt / 1000,
  );
  readGauge(
    registry,
    {
      name: 'barrage_tls_certificate_valid',
      help: '0 while the files of the certificate hold a pair that was refused, and an older one is in force; otherwise 1.',
    },
    () => (certificate.isValid ? 1 : 0),
  );
  readCounters(
    registry,
    {
      name: 'barrage_tls_certificate_loads_total',
      help: 'Contents of the files of the certificate, by result: loaded, or refused with the reason in the log.',
      labelNames: ['result'],
    },
    () => [
      [{ result: 'loaded' }, certificate.counts.loaded],
      [{ result: 'refused' }, certificate.counts.refused],
    ],
  );
}

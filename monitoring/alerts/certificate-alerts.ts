import type { AlertGroup } from './alert.ts';
import { byPool, byProcess, counted, gatewayLabels, ofGateway, ofPool, poolLabels, process } from './names.ts';

const daySeconds = 86_400;

/** What gateways and publishers with TLS of their own tell of their certificate. */
export const certificateAlerts: AlertGroup = {
  name: 'barrage-certificates',
  recordings: [],
  alerts: [
    {
      name: 'BarrageCertificateExpires',
      runbook: 'certificate',
      severity: 'warning',
      expression: `(min by (${byPool}) (barrage_tls_certificate_expiry_timestamp_seconds) - time()) / ${daySeconds} < 14`,
      forDuration: '1h',
      summary: 'The certificate that clients see expires within two weeks.',
      description: `The certificate that processes${ofPool} show to clients and backends expires in ${counted('day')}. After that no new connection is made.`,
      fires: {
        series: { [ofGateway('barrage_tls_certificate_expiry_timestamp_seconds')]: `${3 * daySeconds}x130` },
        atMinutes: 120,
        alerts: [
          {
            labels: poolLabels,
            description:
              'The certificate that processes of pool live/web show to clients and backends expires in 3 days. After that no new connection is made.',
          },
        ],
      },
      silent: { series: { [ofGateway('barrage_tls_certificate_expiry_timestamp_seconds')]: `${15 * daySeconds}x130` }, atMinutes: 120 },
    },
    {
      name: 'BarrageCertificateRefused',
      runbook: 'certificate',
      severity: 'warning',
      expression: `min by (${byProcess}) (barrage_tls_certificate_valid) < 1`,
      forDuration: '10m',
      summary: 'A new certificate can not be used, and the one before is still shown.',
      description: `${process}${ofPool} has refused the certificate in its files, and shows the one before.`,
      fires: {
        series: { [ofGateway('barrage_tls_certificate_valid')]: '0x20' },
        atMinutes: 15,
        alerts: [
          {
            labels: gatewayLabels,
            description: 'web-1 of pool live/web has refused the certificate in its files, and shows the one before.',
          },
        ],
      },
      silent: { series: { [ofGateway('barrage_tls_certificate_valid')]: '1x20' }, atMinutes: 15 },
    },
  ],
};

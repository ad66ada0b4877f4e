import { z } from 'zod';
import { setting } from './setting.ts';

/** TLS on the ports of gateways and publishers. */
export const tlsSettings = {
  tlsCertFile: setting({
    variable: 'BARRAGE_TLS_CERT_FILE',
    fallback: '',
    accepts: 'a path',
    schema: z.string(),
    meaning:
      'PEM file with the certificate that gateways and publishers show on their main ports, and behind it the certificates of its chain. Read again when it changes: open connections stay, and new ones see the new certificate. Needs BARRAGE_TLS_KEY_FILE. Empty: these ports speak plain HTTP, and TLS ends in front of them (docs/tls.md).',
  }),
  tlsKeyFile: setting({
    variable: 'BARRAGE_TLS_KEY_FILE',
    fallback: '',
    accepts: 'a path',
    schema: z.string(),
    meaning: 'PEM file with the private key of that certificate, without a passphrase. Read again when it changes.',
  }),
} as const;

/** The fault of TLS settings of which one is missing. */
export function tlsFault({ tlsCertFile, tlsKeyFile }: { readonly tlsCertFile: string; readonly tlsKeyFile: string }): string | undefined {
  if ((tlsCertFile === '') === (tlsKeyFile === '')) return undefined;
  const [set, missing] =
    tlsCertFile === '' ? ['BARRAGE_TLS_KEY_FILE', 'BARRAGE_TLS_CERT_FILE'] : ['BARRAGE_TLS_CERT_FILE', 'BARRAGE_TLS_KEY_FILE'];
  return `${set} needs ${missing}, which is not set: a certificate and its key belong together`;
}

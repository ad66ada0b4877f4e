import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

/** A certificate with its chain and its key, as PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
  /** The name of its subject, for people. */
  readonly subject: string;
  /** The end of the first certificate, in Unix milliseconds. */
  readonly endsAt: number;
}

export type PairRead =
  | { readonly kind: 'good'; readonly pair: CertificatePair }
  /** It works but for its dates: clients refuse it now. */
  | { readonly kind: 'out-of-date'; readonly pair: CertificatePair; readonly fault: string }
  | { readonly kind: 'unusable'; readonly fault: string };

/**
 * Ciphers of TLS 1.3, and those of TLS 1.2 with forward secrecy and authenticated encryption.
 * @see https://wiki.mozilla.org/Security/Server_Side_TLS "intermediate", without finite-field Diffie-Hellman
 */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** How this process speaks TLS. The client chooses the cipher: a phone without AES in hardware knows best. */
export function contextOptions({ cert, key }: Pick<CertificatePair, 'cert' | 'key'>): SecureContextOptions {
  return { cert, key, ciphers, minVersion: 'TLSv1.2', honorCipherOrder: false };
}

/**
 * Reads a certificate and its key, and says what is wrong with them. No fault repeats a part of the key.
 * @param now in Unix milliseconds
 */
export function readPair({ cert, key }: Pick<CertificatePair, 'cert' | 'key'>, now: number): PairRead {
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch {
    return unusable('the certificate file holds no certificate in PEM (-----BEGIN CERTIFICATE-----)');
  }
  let own: KeyObject;
  try {
    own = createPrivateKey(key);
  } catch {
    return unusable('the key file holds no private key in PEM (-----BEGIN PRIVATE KEY-----), or one with a passphrase');
  }
  const subject = nameOf(leaf);
  if (!leaf.checkPrivateKey(own)) return unusable(`the key is not that of the first certificate (${subject}) in the file`);
  try {
    createSecureContext(contextOptions({ cert, key }));
  } catch (error) {
    return unusable(`TLS can't use the pair: ${(error as Error).message}`);
  }
  const startsAt = Date.parse(leaf.validFrom);
  const endsAt = Date.parse(leaf.validTo);
  const pair = { cert, key, subject, endsAt };
  const outOfDate = (fault: string): PairRead => ({ kind: 'out-of-date', pair, fault: `the certificate (${subject}) ${fault}` });
  if (endsAt <= now) return outOfDate(`has expired at ${new Date(endsAt).toISOString()}`);
  if (startsAt > now) return outOfDate(`is good from ${new Date(startsAt).toISOString()} only`);
  return { kind: 'good', pair };
}

function unusable(fault: string): PairRead {
  return { kind: 'unusable', fault };
}

/** The alternative names, or else the subject. */
function nameOf({ subjectAltName, subject }: X509Certificate): string {
  const name = subjectAltName ?? (subject as string | undefined)?.replaceAll('\n', ', ') ?? 'without a name';
  return name.length > 200 ? `${name.slice(0, 200)}…` : name;
}

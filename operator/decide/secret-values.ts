/** Whether values of the user's Secrets do for what they are for. */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';

/** Whether `BARRAGE_API_KEYS` takes the value as one of its keys. */
export function isApiKey(value: string): boolean {
  return /^[\x21-\x2b\x2d-\x7e]{16,256}$/.test(value);
}

/** Whether the first certificate can be parsed. A pod would take any text as an authority, and then trust no server. */
export function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== '';
  } catch {
    return false;
  }
}

/**
 * Whether a gateway starts with the value as `BARRAGE_JWT_SECRET`. An environment variable does not carry bytes that
 * are no text.
 */
export function isJwtSecret(value: string): boolean {
  return value.length >= 32 && value.length <= 4096 && !/[\0\uFFFD]/.test(value);
}

/** A PEM that is an Ed25519 public key; `undefined` for any other text. */
export function readablePublicKey(pem: string | undefined): string | undefined {
  try {
    return pem === undefined || createPublicKey(pem).asymmetricKeyType !== 'ed25519' ? undefined : pem;
  } catch {
    return undefined;
  }
}

/** Whether two PEMs are a pair of Ed25519 keys. */
export function isKeyPair(privateKey: string, publicKey: string): boolean {
  try {
    const derived = createPublicKey(privateKey);
    return derived.asymmetricKeyType === 'ed25519' && derived.equals(createPublicKey(publicKey));
  } catch {
    return false; // it can't be read
  }
}

const tlsType = 'kubernetes.io/tls';

/**
 * The fault of a Secret that holds a certificate and its key, as the rest of a sentence with its remedy. Nothing of the
 * key is repeated. Dates are for the pods to judge.
 */
export function tlsSecretFault(type: string | undefined, valueOf: (key: string) => string | undefined): string | undefined {
  if (type !== tlsType) return `is of the type ${type ?? 'Opaque'}, not ${tlsType}. Create it by kubectl create secret tls`;
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(valueOf('tls.crt') ?? '');
  } catch {
    return 'holds no certificate in PEM under the key tls.crt. Correct it';
  }
  try {
    const isPair = certificate.checkPrivateKey(createPrivateKey(valueOf('tls.key') ?? ''));
    return isPair ? undefined : 'holds under tls.key the key of another certificate than the first in tls.crt. Correct it';
  } catch {
    return 'holds no private key in PEM without a passphrase under the key tls.key. Correct it';
  }
}

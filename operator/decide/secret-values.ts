/** Whether values of the user's Secrets do for what they are for. */
import { X509Certificate } from 'node:crypto';

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

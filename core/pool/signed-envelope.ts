import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { z } from 'zod';

/**
 * The content of an envelope, or its fault. `malformed` is no envelope at all; `forged` is not signed with the pool's
 * key.
 */
export type OpenedEnvelope =
  | { readonly kind: 'opened'; readonly text: string }
  | { readonly kind: 'malformed' | 'forged'; readonly fault: string };

// An Ed25519 signature has 64 bytes.
const envelopeSchema = z.object({ document: z.string(), signature: z.string().regex(/^[A-Za-z0-9+/]{86}==$/) });

/**
 * Signs a text, and joins text and signature in one JSON text.
 * @param privateKeyPem an Ed25519 key in PKCS #8
 * @throws when the key is none
 */
export function sealEnvelope(text: string, privateKeyPem: string): string {
  const key = createPrivateKey(privateKeyPem);
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('the signing key is not Ed25519');
  return JSON.stringify({ document: text, signature: sign(null, Buffer.from(text), key).toString('base64') });
}

/**
 * The same text signed with another key.
 * @param envelope one that `sealEnvelope` made
 * @throws when it is none, or the key is none
 */
export function resealEnvelope(envelope: string, privateKeyPem: string): string {
  return sealEnvelope(envelopeSchema.parse(JSON.parse(envelope)).document, privateKeyPem);
}

/**
 * Reads an envelope. Never throws, whatever its content.
 * @param publicKeyPem an Ed25519 key for which `publicKeyFault` is undefined
 */
export function openEnvelope(envelope: string, publicKeyPem: string): OpenedEnvelope {
  let value: unknown;
  try {
    value = JSON.parse(envelope);
  } catch {
    return { kind: 'malformed', fault: 'the envelope is not JSON' };
  }
  const read = envelopeSchema.safeParse(value);
  if (!read.success) return { kind: 'malformed', fault: 'the envelope is not {"document": text, "signature": base64 of 64 bytes}' };
  const { document, signature } = read.data;
  const isGenuine = verify(null, Buffer.from(document), createPublicKey(publicKeyPem), Buffer.from(signature, 'base64'));
  if (!isGenuine) return { kind: 'forged', fault: "the signature is not one of this pool's key" };
  return { kind: 'opened', text: document };
}

/** The fault of a text that is no Ed25519 public key. A private key is refused too: it does not belong in a pod. */
export function publicKeyFault(pem: string): string | undefined {
  if (/PRIVATE/.test(pem)) return 'this is a private key';
  try {
    return createPublicKey(pem).asymmetricKeyType === 'ed25519' ? undefined : 'not an Ed25519 key';
  } catch {
    return 'not a public key in PEM';
  }
}

import { z } from 'zod';
import { signDocument, verifyDocument, type PoolDocument } from '../../core/pool/pool-document.ts';
import type { KubeObject } from '../runtime/kube-api.ts';

/** A document with its signed envelope. */
export interface StoredDocument {
  readonly document: PoolDocument;
  readonly envelope: string;
}

/** The envelope in a document's ConfigMap; empty where it has none. */
export function envelopeIn(configMap: KubeObject | undefined): string {
  return (configMap as { readonly data?: Readonly<Record<string, string>> } | undefined)?.data?.['pool.json'] ?? '';
}

/** The document in a ConfigMap, where this key has signed it. */
export function verified(configMap: KubeObject, publicKey: string): StoredDocument | undefined {
  const envelope = envelopeIn(configMap);
  const read = verifyDocument(envelope, publicKey);
  return read.kind === 'verified' ? { document: read.document, envelope } : undefined;
}

/**
 * Signs a document.
 * @returns the fault of the content where it breaks a bound of the document
 */
export function signed(document: PoolDocument, privateKey: string): StoredDocument | string {
  try {
    const envelope = signDocument(document, privateKey);
    // As pods read it: changes are told between documents in the same form.
    const { document: text } = JSON.parse(envelope) as { readonly document: string };
    return { document: JSON.parse(text) as PoolDocument, envelope };
  } catch (error) {
    if (error instanceof z.ZodError) return z.prettifyError(error);
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

import { z } from 'zod';
import type { ChannelPolicy } from '../policy/policy.ts';
import type { PolicyMisfits } from '../policy/policy-part.ts';
import { decideDocument, readPolicyParts, verifyDocument, type DocumentMark, type PoolDocument } from '../pool/pool-document.ts';

/** A pool document with its policies, as offered to a process. */
export interface PoolOffer {
  /** The signed envelope. */
  readonly envelope: string;
  /** Each policy part as text. Empty when the policies in force stay: membership changes more often than policies. */
  readonly policies: readonly string[];
}

/** An offer, and the state that it is compared with. */
export interface OfferInput {
  /** An offer, or the text of a request's body that holds one. */
  readonly offer: PoolOffer | string;
  readonly publicKeyPem: string;
  /** Mark and policies hash of the document in force. */
  readonly current: (DocumentMark & { readonly policiesHash: string }) | undefined;
}

export type OfferRead =
  /** `policies` and `misfits` are undefined when they stay the same. */
  | {
      readonly kind: 'accept';
      readonly document: PoolDocument;
      readonly digest: string;
      readonly policies: readonly ChannelPolicy[] | undefined;
      readonly misfits: PolicyMisfits | undefined;
    }
  | { readonly kind: 'same' | 'older' | 'conflict'; readonly epoch: number }
  | { readonly kind: 'malformed' | 'forged'; readonly fault: string };

const bodySchema = z.object({ envelope: z.string(), policies: z.array(z.string()) });

/**
 * Reads an offer and decides on it: the signature first, then the epoch, then the policies of an accepted document.
 * Never throws.
 */
export function readOffer({ offer, publicKeyPem, current }: OfferInput): OfferRead {
  const given = typeof offer === 'string' ? readBody(offer) : offer;
  if (given === undefined) return { kind: 'malformed', fault: 'the body is not {"envelope": text, "policies": [text, …]}' };
  const verified = verifyDocument(given.envelope, publicKeyPem);
  if (verified.kind !== 'verified') return verified;
  const { document, digest } = verified;
  const decision = decideDocument(current, { pool: document.pool, epoch: document.epoch, digest });
  if (decision !== 'accept') return { kind: decision, epoch: document.epoch };
  if (document.policies.hash === current?.policiesHash)
    return { kind: 'accept', document, digest, policies: undefined, misfits: undefined };
  const read = readPolicyParts(document, given.policies);
  if (read.kind === 'faults') return { kind: 'malformed', fault: read.faults.join('\n') };
  return { kind: 'accept', document, digest, policies: read.policies, misfits: read.misfits };
}

function readBody(text: string): PoolOffer | undefined {
  try {
    return bodySchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

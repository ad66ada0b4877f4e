import { z } from 'zod';
import { documentChangeSchema, envelopeAfter, type DocumentChange } from '../pool/document-change.ts';
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

/** The change of the document in force, with the signature of the whole, as offered to a process. */
interface PoolChangeOffer {
  readonly change: DocumentChange;
  readonly signature: string;
  readonly policies: readonly string[];
}

/** An offer, and the state that it is compared with. */
export interface OfferInput {
  /** An offer, or the text of a request's body that holds one. */
  readonly offer: PoolOffer | string;
  readonly publicKeyPem: string;
  /** The document in force, with its mark. */
  readonly current: (DocumentMark & { readonly document: PoolDocument }) | undefined;
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

const bodySchema = z.union([
  z.object({ envelope: z.string(), policies: z.array(z.string()) }),
  z.object({ change: documentChangeSchema, signature: z.string(), policies: z.array(z.string()) }),
]);

/**
 * Reads an offer and decides on it: the signature first, then the epoch, then the policies of an accepted document.
 * Never throws.
 */
export function readOffer({ offer, publicKeyPem, current }: OfferInput): OfferRead {
  const given = typeof offer === 'string' ? readBody(offer) : offer;
  if (given === undefined)
    return {
      kind: 'malformed',
      fault: 'the body is neither {"envelope": text, "policies": [text, …]} nor {"change": …, "signature": text, "policies": [text, …]}',
    };
  const envelope = envelopeOf(given, current?.document);
  if (envelope === undefined)
    return { kind: 'malformed', fault: `the change does not apply to the document in force (epoch ${current?.epoch ?? 0})` };
  const verified = verifyDocument(envelope, publicKeyPem);
  if (verified.kind !== 'verified') return verified;
  const { document, digest } = verified;
  const decision = decideDocument(current, { pool: document.pool, epoch: document.epoch, digest });
  if (decision !== 'accept') return { kind: decision, epoch: document.epoch };
  if (document.policies.hash === current?.document.policies.hash)
    return { kind: 'accept', document, digest, policies: undefined, misfits: undefined };
  const read = readPolicyParts(document, given.policies);
  if (read.kind === 'faults') return { kind: 'malformed', fault: read.faults.join('\n') };
  return { kind: 'accept', document, digest, policies: read.policies, misfits: read.misfits };
}

/** @returns `undefined` where the offer is a change of another document than the one in force */
function envelopeOf(given: PoolOffer | PoolChangeOffer, document: PoolDocument | undefined): string | undefined {
  if ('envelope' in given) return given.envelope;
  return document?.epoch === given.change.from ? envelopeAfter(document, given.change, given.signature) : undefined;
}

function readBody(text: string): PoolOffer | PoolChangeOffer | undefined {
  try {
    return bodySchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

import { z } from 'zod';
import { documentChangeSchema, envelopeAfter, type DocumentChange } from '../pool/document-change.ts';
import type { ChannelPolicy } from '../policy/policy.ts';
import type { PolicyMisfits } from '../policy/policy-part.ts';
import { policiesAfter, policyChangeSchema, type PolicyChange } from '../pool/policy-change.ts';
import { decideDocument, readPolicyParts, verifyDocument, type DocumentMark, type PoolDocument } from '../pool/pool-document.ts';

/** A pool document with its policies, as offered to a process. */
export interface PoolOffer {
  /** The signed envelope. */
  readonly envelope: string;
  /**
   * Each policy part as text, or the change of those in force. Empty when the policies in force stay: membership
   * changes more often than policies.
   */
  readonly policies: readonly string[] | PolicyChange;
}

/** The change of the document in force, with the signature of the whole, as offered to a process. */
interface PoolChangeOffer {
  readonly change: DocumentChange;
  readonly signature: string;
  readonly policies: PoolOffer['policies'];
}

/** An offer in either form. */
export type AnyOffer = PoolOffer | PoolChangeOffer;

/** An offer, and the state that it is compared with. */
export interface OfferInput {
  /** An offer, or the text of a request's body that holds one. */
  readonly offer: AnyOffer | string;
  readonly publicKeyPem: string;
  /** The document in force, with its mark and the parts of its policies. */
  readonly current: (DocumentMark & { readonly document: PoolDocument; readonly parts: readonly string[] }) | undefined;
}

export type OfferRead =
  /** `policies`, their `parts` and `misfits` are undefined when they stay the same. */
  | {
      readonly kind: 'accept';
      readonly document: PoolDocument;
      readonly digest: string;
      readonly policies: readonly ChannelPolicy[] | undefined;
      readonly parts: readonly string[] | undefined;
      readonly misfits: PolicyMisfits | undefined;
    }
  | { readonly kind: 'same' | 'older' | 'conflict'; readonly epoch: number }
  | { readonly kind: 'malformed' | 'forged'; readonly fault: string };

const policiesSchema = z.union([z.array(z.string()), policyChangeSchema]);
const bodySchema = z.union([
  z.object({ envelope: z.string(), policies: policiesSchema }),
  z.object({ change: documentChangeSchema, signature: z.string(), policies: policiesSchema }),
]);

/**
 * Reads an offer and decides on it: the signature first, then the epoch, then the policies of an accepted document.
 * Never throws.
 */
export function readOffer({ offer, publicKeyPem, current }: OfferInput): OfferRead {
  const given = typeof offer === 'string' ? readOfferText(offer) : offer;
  if (given === undefined)
    return {
      kind: 'malformed',
      fault:
        'the body is neither {"envelope": text, "policies": …} nor {"change": …, "signature": text, "policies": …}, where "policies" is [text, …] or {"from": hash, …}',
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
    return { kind: 'accept', document, digest, policies: undefined, parts: undefined, misfits: undefined };
  const parts = 'from' in given.policies ? changedParts(given.policies, current) : given.policies;
  if (parts === undefined) return { kind: 'malformed', fault: 'the change of the policies does not apply to those in force' };
  const read = readPolicyParts(document, parts);
  if (read.kind === 'faults') return { kind: 'malformed', fault: read.faults.join('\n') };
  return { kind: 'accept', document, digest, policies: read.policies, parts, misfits: read.misfits };
}

/** @returns `undefined` where the offer is a change of another document than the one in force */
function envelopeOf(given: AnyOffer, document: PoolDocument | undefined): string | undefined {
  if ('envelope' in given) return given.envelope;
  return document?.epoch === given.change.from ? envelopeAfter(document, given.change, given.signature) : undefined;
}

function changedParts(change: PolicyChange, current: OfferInput['current']): readonly string[] | undefined {
  return current?.document.policies.hash === change.from ? policiesAfter(current.parts, change) : undefined;
}

/** Reads the text of a request's body; `undefined` where it is no offer. */
export function readOfferText(text: string): AnyOffer | undefined {
  try {
    return bodySchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/**
 * The difference between two pool documents. A gateway that comes or goes changes one entry of a document that may have
 * thousands: pods with the document before get the difference, and the signature of the whole.
 */
import { z } from 'zod';
import { gatewaySchema, policiesSchema, type PoolDocument, type PoolGateway } from './pool-document.ts';

export const documentChangeSchema = z
  .object({
    /** Epoch of the document to which the change applies. */
    from: z.int().min(1),
    epoch: z.int().min(1),
    /** Absent where the policies stay. */
    policies: policiesSchema.optional(),
    /** Gateways that are new or changed. */
    put: z.array(gatewaySchema),
    /** Names of gateways that are gone. */
    gone: z.array(z.string()),
  })
  .readonly();

/** Everything else stays as it is in the document with epoch `from`. */
export type DocumentChange = z.output<typeof documentChangeSchema>;

/** The order of a document's gateways: it does not depend on how the document came about. */
export function inOrder(gateways: readonly PoolGateway[]): readonly PoolGateway[] {
  return gateways.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** The change from one document to a later one; `undefined` where more than gateways and policies differ. */
export function changeBetween(from: PoolDocument, to: PoolDocument): DocumentChange | undefined {
  const before = new Map(from.gateways.map((gateway) => [gateway.name, JSON.stringify(gateway)]));
  const present = new Set(to.gateways.map(({ name }) => name));
  const hasNewPolicies = JSON.stringify(from.policies) !== JSON.stringify(to.policies);
  const change: DocumentChange = {
    from: from.epoch,
    epoch: to.epoch,
    ...(hasNewPolicies ? { policies: to.policies } : {}),
    put: to.gateways.filter((gateway) => before.get(gateway.name) !== JSON.stringify(gateway)),
    gone: from.gateways.flatMap(({ name }) => (present.has(name) ? [] : [name])),
  };
  return JSON.stringify(changed(from, change)) === JSON.stringify(to) ? change : undefined;
}

/** The document after a change. Its fields stand in the order of the document before. */
export function changed(from: PoolDocument, { epoch, policies = from.policies, put, gone }: DocumentChange): PoolDocument {
  const gateways = new Map(from.gateways.map((gateway) => [gateway.name, gateway]));
  for (const name of gone) gateways.delete(name);
  for (const gateway of put) gateways.set(gateway.name, gateway);
  return { ...from, epoch, policies, gateways: inOrder([...gateways.values()]) };
}

/**
 * The envelope of the document after a change. Its signature is not verified yet: it fits only if both sides make the
 * same text.
 */
export function envelopeAfter(from: PoolDocument, change: DocumentChange, signature: string): string {
  return JSON.stringify({ document: JSON.stringify(changed(from, change)), signature });
}

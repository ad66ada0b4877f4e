/**
 * When the pool document is written anew, and with which epoch.
 *
 * The epoch only rises: above what lies in the ConfigMap and above whatever any gateway or publisher has said it has.
 * So a ConfigMap that was deleted or restored from a backup can't make the fleet refuse what the operator says next.
 */

/** One gateway of the pool document. The URL is added by `gatewayUrl` in desired/, since it is no decision. */
export interface DocumentMember {
  readonly name: string;
  readonly uid: string;
  readonly ip: string | undefined;
  readonly hostIp: string | undefined;
  readonly weight: number;
  readonly state: 'serving' | 'draining';
}

export interface DocumentDecisionInput {
  /**
   * The epoch and the content (all but the epoch, as JSON text of one key order) that lie in the ConfigMap and carry
   * our signature.
   */
  readonly stored: { readonly epoch: number; readonly content: string } | undefined;
  /** The content that is wanted now, made the same way. */
  readonly content: string;
  /** Every `poolEpoch` that a gateway or publisher of the pool has said. */
  readonly polledEpochs: readonly number[];
}

/**
 * `keep`: what is stored is right (push it to whoever has less). `write`: write this epoch to the ConfigMap first, then
 * push it.
 */
export interface DocumentDecision {
  readonly kind: 'keep' | 'write';
  readonly epoch: number;
}

/**
 * A pod that says more has made it up: no operator gets there, and from the last whole number there would be no way on.
 */
const believedMax = 2 ** 52;

export function nextDocument({ stored, content, polledEpochs }: DocumentDecisionInput): DocumentDecision {
  const believed = Math.max(believedMax, stored?.epoch ?? 0);
  const polled = Math.max(0, ...polledEpochs.filter((epoch) => Number.isSafeInteger(epoch) && epoch <= believed));
  const epoch = Math.max(stored?.epoch ?? 0, polled) + 1;
  const isRight = stored !== undefined && stored.content === content && polled <= stored.epoch;
  return isRight ? { kind: 'keep', epoch: stored.epoch } : { kind: 'write', epoch };
}

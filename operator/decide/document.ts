/**
 * Decides when the pool document is written anew, and with which epoch.
 *
 * The epoch only rises, above the stored one and above every epoch that a gateway or publisher has reported. So after a
 * ConfigMap was deleted or restored from a backup, pods still take the next document.
 */

/** One gateway of the pool document. `gatewayUrl` in desired/ adds the URL. */
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
   * Epoch and content of the ConfigMap's document, where it carries our signature. The content is JSON text without the
   * epoch, in a fixed order of keys.
   */
  readonly stored: { readonly epoch: number; readonly content: string } | undefined;
  /** The desired content, in the same form. */
  readonly content: string;
  /** Every `poolEpoch` that a gateway or publisher of the pool has reported. */
  readonly polledEpochs: readonly number[];
}

/**
 * `keep`: the stored document is right; push it to pods with a lower epoch. `write`: write this epoch to the ConfigMap
 * first, then push it.
 */
export interface DocumentDecision {
  readonly kind: 'keep' | 'write';
  readonly epoch: number;
}

/**
 * Highest epoch that is believed. No operator ever gets there; a pod that reports more is wrong, and above the last
 * safe integer no epoch could follow.
 */
const believedMax = 2 ** 52;

export function nextDocument({ stored, content, polledEpochs }: DocumentDecisionInput): DocumentDecision {
  const believed = Math.max(believedMax, stored?.epoch ?? 0);
  const polled = Math.max(0, ...polledEpochs.filter((epoch) => Number.isSafeInteger(epoch) && epoch <= believed));
  const epoch = Math.max(stored?.epoch ?? 0, polled) + 1;
  const isRight = stored !== undefined && stored.content === content && polled <= stored.epoch;
  return isRight ? { kind: 'keep', epoch: stored.epoch } : { kind: 'write', epoch };
}

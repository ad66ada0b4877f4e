/**
 * Decides which pods get the pool document, and which of them need its policies too. Membership changes far more often
 * than policies, and policies are by far the larger part.
 */

/** A pod that should have the document, with its last answer. */
export interface Recipient {
  readonly name: string;
  readonly uid: string;
  readonly address: string;
  /** Epoch of its document; 0 = none yet. */
  readonly poolEpoch: number;
  /** Hash of the policies that it has; empty without a document. */
  readonly policiesHash: string;
  /** Milliseconds since the first question that it did not answer; 0 where it answered the last one. */
  readonly silentMs: number;
  /** The signing key that it trusts, by `trustOf`; empty where its pod does not say. */
  readonly trusts: string;
}

export interface PlannedPush {
  readonly to: Recipient;
  /** Whether the pod lacks the document's policies. */
  readonly needsPolicies: boolean;
}

/**
 * The pushes of one document. Pods that answered the last question come first. A pod that was silent for `silentMsMax`
 * gets none: its next answer brings another plan.
 */
export function planPushes(
  recipients: readonly Recipient[],
  document: { readonly epoch: number; readonly policiesHash: string },
  silentMsMax: number,
): readonly PlannedPush[] {
  return recipients
    .filter(({ poolEpoch, silentMs }) => poolEpoch < document.epoch && silentMs < silentMsMax)
    .toSorted((a, b) => a.silentMs - b.silentMs)
    .map((to) => ({ to, needsPolicies: to.policiesHash !== document.policiesHash }));
}

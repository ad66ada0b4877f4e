// Written by operator/api/generate.ts from crds/barragechannels.yaml.

/** State of the policy. Only the operator writes it. */
export interface BarrageChannelStatus {
  /** Generation of the spec that this status is about. */
  readonly observedGeneration?: number;
  /** Conditions, each with a reason and a message that says what to do. */
  readonly conditions?: readonly BarrageChannelStatusCondition[];
}

export interface BarrageChannelStatusCondition {
  /** Type of the condition, such as Accepted. */
  readonly type: string;
  /** Whether the condition holds. */
  readonly status: 'True' | 'False' | 'Unknown';
  /** Generation of the spec that the condition is about. */
  readonly observedGeneration?: number;
  /** When status changed last. */
  readonly lastTransitionTime: string;
  /** Reason, in one word for programs. */
  readonly reason: string;
  /** Reason, in words for people. */
  readonly message: string;
}

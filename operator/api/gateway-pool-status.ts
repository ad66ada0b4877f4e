// Written by operator/api/generate.ts from crds/gatewaypools.yaml.

/** State that the operator saw last. Only the operator writes it. */
export interface GatewayPoolStatus {
  /** Generation of the spec that this status is about. */
  readonly observedGeneration?: number;
  /** Label selector of the gateways' pods, for autoscalers. */
  readonly selector?: string;
  /** Number of gateways. */
  readonly replicas?: number;
  /** Desired number of gateways. */
  readonly desiredReplicas?: number;
  /** Number of gateways that take clients. */
  readonly readyReplicas?: number;
  /** Number of gateways with the newest template. */
  readonly updatedReplicas?: number;
  /** Number of gateways that give up their connections. */
  readonly drainingReplicas?: number;
  /** Revision that all gateways had when the last replacement was complete. */
  readonly currentRevision?: string;
  /** Revision that the newest template makes. */
  readonly updateRevision?: string;
  /** Number of the pool document in force; it grows with each change of gateways, policies or placement. */
  readonly placementEpoch?: number;
  /** When the desired number of gateways changed last. */
  readonly lastScaleTime?: string;
  /** Conditions, each with a reason and a message that says what to do. */
  readonly conditions?: readonly GatewayPoolStatusCondition[];
}

export interface GatewayPoolStatusCondition {
  /** Type of the condition, such as Ready. */
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

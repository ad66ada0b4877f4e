import type { DocumentMember } from './document.ts';
import type { RolloutState } from './rollout.ts';
import type { ScalingDecision } from './scaling.ts';

/** The pod an action is about. `uid` is a precondition: a pod that took the name meanwhile is not touched. */
export interface PodReference {
  readonly name: string;
  readonly uid: string;
}

/** What `kubectl describe` shows of an action. */
export interface ActionEvent {
  readonly type: 'Normal' | 'Warning';
  /** One of {@link eventReasons}. */
  readonly reason: EventReason;
  readonly message: string;
}

export const eventReasons = [
  'ScaledUp',
  'ScaledDown',
  'ScaleDownStarted',
  'ScaleDownAborted',
  'PodCreated',
  'PodDrainStarted',
  'PodDrained',
  'DrainDeadlineExceeded',
  'PodReplaced',
  'PodFailed',
  'PodRemoved',
  'PodLabelsRestored',
  'MetricsUnavailable',
  'MetricsAvailable',
  'MissingSecret',
  'InvalidTemplate',
  'PodSecurityRefused',
  'QuotaExceeded',
  'MissingGatewayAPI',
  'NameTaken',
  'Forbidden',
  'ApiServerUnavailable',
  'ApplyFailed',
  'Unschedulable',
  'ImagePullFailed',
  'ContainerConfigError',
  'GatewayCrashes',
  'RedisUnreachable',
  'GatewaySilent',
  'GatewayNotReady',
  'PublishersNotReady',
  'HostPortNotRestricted',
  'PrivilegedTemplate',
  'TemplateOverruled',
  'DrainTooSlow',
  'SharedPrefix',
  'TooManyPolicies',
  'InvalidSpec',
  'StatusRefused',
  'Recovered',
] as const;
export type EventReason = (typeof eventReasons)[number];

/**
 * One step towards what is desired. Each is harmless when it is done twice or when it comes late, and none depends on
 * another of the same plan: apply them in order, drop the rest of the plan at the first one that fails, observe again.
 */
export type PoolAction =
  /** Create the pod. `AlreadyExists` is success (the store is late) if the controller reference is this pool's. */
  | { readonly kind: 'create-pod'; readonly name: string; readonly event: ActionEvent }
  /**
   * Apply the annotations drain-started and drain-deadline, and the condition Serving=False, in this order. Times in
   * milliseconds since 1970.
   */
  | {
      readonly kind: 'mark-draining';
      readonly pod: PodReference;
      readonly startedAt: number;
      readonly deadlineAt: number;
      readonly event: ActionEvent;
    }
  /** `PUT /admin/v1/drain` with command drain. A pod that does not answer is no failure: the deadline holds. */
  | { readonly kind: 'send-drain'; readonly pod: PodReference; readonly connectionsPerSecond: number; readonly deadlineSeconds: number }
  /** `PUT /admin/v1/drain` with command abort-drain. */
  | { readonly kind: 'send-abort'; readonly pod: PodReference }
  /** Take the drain annotations away. Serving follows when the next observation says that the pod serves. */
  | { readonly kind: 'unmark-draining'; readonly pod: PodReference; readonly event: ActionEvent }
  /** Write the pod condition `barrage.dev/Serving`. */
  | {
      readonly kind: 'set-serving';
      readonly pod: PodReference;
      readonly serving: boolean;
      readonly reason: string;
      readonly message: string;
    }
  /** Apply our labels again: somebody changed them. */
  | {
      readonly kind: 'restore-labels';
      readonly pod: PodReference;
      readonly labels: Readonly<Record<string, string>>;
      readonly event: ActionEvent;
    }
  /** Delete with the precondition uid. NotFound and a uid that differs are success. */
  | { readonly kind: 'delete-pod'; readonly pod: PodReference; readonly event: ActionEvent };

/** What is to be done with a pool's gateways now, and all that follows from it. */
export interface PoolPlan {
  readonly actions: readonly PoolAction[];
  /**
   * The gateways of the pool document as they are once the actions are done: give them to `nextDocument`. Sorted by
   * name.
   */
  readonly members: readonly DocumentMember[];
  /** Events about the pool itself, to be recorded once. */
  readonly events: readonly ActionEvent[];
  /** Keep `scaling.memory` for the next observation, and write `scaling.desired` to the status. */
  readonly scaling: ScalingDecision;
  readonly rollout: RolloutState;
  readonly counts: GatewayCounts;
  /** `minAvailable` of the gateways' PodDisruptionBudget. */
  readonly minAvailable: number;
  /**
   * Plan again after this time even if nothing changes (a deadline, the end of a window); `undefined` = only on a
   * change.
   */
  readonly requeueAfterMs: number | undefined;
}

export interface GatewayCounts {
  /** Pods that are neither terminating nor ended. */
  readonly replicas: number;
  /** Of these, the ready ones that serve and do not drain. */
  readonly ready: number;
  /** Of these, the ones of the update revision that do not drain. */
  readonly updated: number;
  readonly draining: number;
}

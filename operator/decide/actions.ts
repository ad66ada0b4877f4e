import type { DocumentMember } from './document.ts';
import type { EvictionBudget } from './eviction-budget.ts';
import type { ObservedGateway } from './observed.ts';
import type { RolloutState } from './rollout.ts';
import type { ScalingDecision } from './scaling.ts';

/** The pod of an action. `uid` is a precondition: another pod that has taken the name is not touched. */
export interface PodReference {
  readonly name: string;
  readonly uid: string;
}

/** The event of an action, as `kubectl describe` shows it. */
export interface ActionEvent {
  readonly type: 'Normal' | 'Warning';
  /** One of {@link eventReasons}. */
  readonly reason: EventReason;
  readonly message: string;
  /** The fault that is over, where the event tells of one. */
  readonly ended?: EventReason;
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
  'PodAdopted',
  'BusChangeStarted',
  'BusMoved',
  'BusMoveForced',
  'BusChanged',
  'MetricsUnavailable',
  'MetricsAvailable',
  'MissingSecret',
  'InvalidTemplate',
  'PodSecurityRefused',
  'QuotaExceeded',
  'MissingGatewayAPI',
  'RouteRefused',
  'RouteUnanswered',
  'NameTaken',
  'AdmissionDenied',
  'NamespaceTerminating',
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
 * One step towards the desired state. A step may be applied twice or late without harm, and no step of a plan needs
 * another one's result. Apply them in order; `PlanCourse` says which ones still may after a failure.
 */
export type PoolAction =
  /** Create the pod. `AlreadyExists` is success where the controller reference is this pool's: the store was late. */
  | { readonly kind: 'create-pod'; readonly name: string; readonly revision: string; readonly event: ActionEvent }
  /**
   * Apply the annotations drain-started and drain-deadline, then the condition Serving=False. Times in Unix
   * milliseconds.
   */
  | {
      readonly kind: 'mark-draining';
      readonly pod: PodReference;
      readonly startedAt: number;
      readonly deadlineAt: number;
      readonly event: ActionEvent;
    }
  /** `PUT /admin/v1/drain` with command drain. A silent pod is no failure: the deadline holds. */
  | { readonly kind: 'send-drain'; readonly pod: PodReference; readonly connectionsPerSecond: number; readonly deadlineSeconds: number }
  /** `PUT /admin/v1/drain` with command abort-drain. */
  | { readonly kind: 'send-abort'; readonly pod: PodReference }
  /** Remove the drain annotations. The next observation decides about Serving. */
  | { readonly kind: 'unmark-draining'; readonly pod: PodReference; readonly event: ActionEvent }
  /** Write the pod condition `barrage.dev/Serving`. */
  | {
      readonly kind: 'set-serving';
      readonly pod: PodReference;
      readonly serving: boolean;
      readonly reason: string;
      readonly message: string;
    }
  /** Apply our labels again after somebody has changed them. */
  | {
      readonly kind: 'restore-labels';
      readonly pod: PodReference;
      readonly labels: Readonly<Record<string, string>>;
      readonly event: ActionEvent;
    }
  /** Delete with the precondition uid. NotFound and another uid are success. */
  | { readonly kind: 'delete-pod'; readonly pod: PodReference; readonly event: ActionEvent };

/** The actions for a pool's gateways, and all that follows from them. */
export interface PoolPlan {
  readonly actions: readonly PoolAction[];
  /** The gateways of the pool document after the actions, sorted by name, for `nextDocument`. */
  readonly members: readonly DocumentMember[];
  /** Events about the pool itself. Record them once. */
  readonly events: readonly ActionEvent[];
  /** Pass `scaling.memory` to the next observation, and write `scaling.desired` to the status. */
  readonly scaling: ScalingDecision;
  readonly rollout: RolloutState;
  readonly counts: GatewayCounts;
  /** Least number of ready gateways that counts as enough: desired − `disruption.maxUnavailable`. */
  readonly minAvailable: number;
  /** The gateways' PodDisruptionBudget. It asks for more while more gateways than desired carry clients. */
  readonly budget: EvictionBudget;
  /**
   * Milliseconds until the next plan even without a change (a deadline, the end of a window); `undefined`: only after a
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

/** Deletes a gateway, with an event. */
export function removal(gateway: ObservedGateway, reason: ActionEvent['reason'], message: string): PoolAction {
  return { kind: 'delete-pod', pod: reference(gateway), event: { type: reason === 'PodFailed' ? 'Warning' : 'Normal', reason, message } };
}

export function reference({ name, uid }: ObservedGateway): PodReference {
  return { name, uid };
}

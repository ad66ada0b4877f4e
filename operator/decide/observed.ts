import type { ObservedFault } from './fault.ts';
import type { ScalingMemory } from './scaling.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/**
 * The whole input of {@link planPool}. The shell gathers it from its stores, its memory and the pool. Any part may be
 * missing or late.
 */
export interface ObservedPool {
  /** Unix milliseconds of the operator's clock, for times that pods and other operators hold. */
  readonly now: number;
  /** The same moment in milliseconds of the operator's monotonic clock, for windows that it remembers. */
  readonly monotonic: number;
  readonly pool: GatewayPool;
  /** Revision of the pod that the pool describes now: `gatewayRevision(…)`. */
  readonly updateRevision: string;
  /** The revision that was complete last, where gateways can be made of it; it may be the update revision. */
  readonly keptRevision: string | undefined;
  /**
   * The difference between an older pod and the present template, by `podDifference`, for the event of its replacement.
   * `undefined` without older pods.
   */
  readonly updateDifference: string | undefined;
  /** Pods whose controller is the pool, terminating and failed ones included. */
  readonly gateways: readonly ObservedGateway[];
  /** Pods of others whose names look like this pool's. Such names are never used, and such pods never touched. */
  readonly foreignNames: readonly string[];
  /** The newest pool document; `undefined` before the first. */
  readonly document: { readonly memberUids: readonly string[] } | undefined;
  /** The gateways' PodDisruptionBudget; `undefined` before the first. */
  readonly budget: StoredBudget | undefined;
  /** Memory of the last scaling decision; `undefined` after a start of the operator. */
  readonly scaling: ScalingMemory | undefined;
  /** Faults of the last plan (quota, an invalid template, …). Empty after a plan without failures. */
  readonly faults: readonly ObservedFault[];
  /**
   * Names of pods for which an earlier plan's action was refused, as by an admission policy. The rest of the plan is
   * made as though they could not be changed.
   */
  readonly refusedPods: readonly string[];
}

/** The gateways' PodDisruptionBudget as the API server has it. */
export interface StoredBudget {
  readonly minAvailable: number;
  /** The ready gateways that it has counted last. */
  readonly currentHealthy: number;
}

/** One gateway pod in the API server, with the last answer of its admin port. */
export interface ObservedGateway {
  readonly name: string;
  readonly uid: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Value of the label `barrage.dev/revision`; empty without the label. */
  readonly revision: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  /** Whether somebody has deleted the pod (`deletionTimestamp`), so that it ends by itself. */
  readonly isTerminating: boolean;
  /** When it was deleted, in Unix milliseconds. */
  readonly deletedAt: number | undefined;
  /** Whether the gateway's container runs now. */
  readonly isRunning: boolean;
  /** Condition `ContainersReady`: the readiness probe passes. */
  readonly containersReady: boolean;
  /**
   * Condition `Ready`: the kubelet has seen the probe pass and `serving` become True. Only now do Services lead to the
   * pod.
   */
  readonly isReady: boolean;
  /** Condition `barrage.dev/Serving`, which only the operator writes. */
  readonly serving: 'True' | 'False' | 'Unknown';
  /** When the pod became Failed or Succeeded, in Unix milliseconds. */
  readonly endedAt: number | undefined;
  readonly drain: DrainMark | undefined;
  readonly ip: string | undefined;
  readonly hostIp: string | undefined;
  /** Whether it was made with TLS of its own: pods of two kinds stand side by side in a rollout. */
  readonly hasTls?: boolean;
  readonly zone: string | undefined;
  /** Obstacle to running, in the API server's words: a container's waiting reason, or `Unschedulable`. */
  readonly obstacle: { readonly reason: string; readonly message: string } | undefined;
  /**
   * Whether the pod's EndpointSlice entry says ready. `undefined` without EndpointSlices: then only the propagation
   * time counts.
   */
  readonly endpointReady: boolean | undefined;
  /** The newest answer of its admin port, of any age; `undefined` before the first. Read it with {@link pollOf}. */
  readonly polled: PolledGateway | undefined;
  /**
   * For a silent pod that has started: when the first question that it did not answer was asked, in Unix milliseconds.
   * `undefined` for any other pod.
   */
  readonly unansweredSince: number | undefined;
}

/** The annotations of a drain. An unreadable time is `undefined`; the mark is then written again. */
export interface DrainMark {
  readonly startedAt: number | undefined;
  readonly deadlineAt: number | undefined;
}

/** The part of `GET /admin/v1/status` that decisions need. */
export interface PolledGateway {
  /** When the answer came, in Unix milliseconds of the operator's clock. */
  readonly at: number;
  /** Uid of the pod that answered. Another pod may have the address now. */
  readonly uid: string;
  readonly ready: boolean;
  readonly waitingFor: readonly string[];
  readonly poolEpoch: number;
  readonly policiesHash: string;
  readonly connections: number;
  /** Whether it refused clients in the last seconds because it has all the connections that it takes. */
  readonly isRefusing: boolean;
  readonly drainState: 'serving' | 'draining' | 'drained';
}

/** The newest answer of the pod itself. An answer of another pod that has the address now does not count. */
export function pollOf(gateway: ObservedGateway): PolledGateway | undefined {
  return gateway.polled?.uid === gateway.uid ? gateway.polled : undefined;
}

/** Runs and does not leave. */
export function isServable(gateway: ObservedGateway): boolean {
  return gateway.isRunning && gateway.phase === 'Running' && !gateway.isTerminating && gateway.drain === undefined;
}

/** Ready for clients: the readiness probe passes, the operator lets it serve, and Services lead to it. */
export function isAvailable(gateway: ObservedGateway): boolean {
  const isWanted = !gateway.isTerminating && gateway.serving === 'True';
  return isWanted && gateway.phase === 'Running' && gateway.containersReady && gateway.isReady;
}

/** A publisher that takes publications: publishers have no condition Serving. */
export function isPublishing({ isTerminating, isRunning, isReady }: ObservedGateway): boolean {
  return !isTerminating && isRunning && isReady;
}

/** Silence of a started gateway that counts, in milliseconds: as a fault, and as an answer that will not come. */
export const silentMs = 10_000;

/** Whether this operator has not heard from a gateway, and has not asked it for long. */
export function owesFirstAnswer(gateway: ObservedGateway, now: number): boolean {
  const { unansweredSince } = gateway;
  return pollOf(gateway) === undefined && (unansweredSince === undefined || now - unansweredSince < silentMs);
}

/**
 * The connections that a gateway is known to hold; `undefined`: it has not answered the newest question, so it may hold
 * any number.
 */
export function connectionsOf(gateway: ObservedGateway): number | undefined {
  const polled = pollOf(gateway);
  if (!gateway.isRunning) return 0;
  if (polled === undefined) return gateway.serving !== 'True' && !gateway.containersReady ? 0 : undefined;
  return gateway.unansweredSince === undefined ? polled.connections : undefined;
}

/** Holds no connection for sure: it has never served, does not run, or reports none. */
export function isIdle(gateway: ObservedGateway): boolean {
  return connectionsOf(gateway) === 0;
}

/** Has ended, and will not run again. */
export function hasEnded({ phase }: ObservedGateway): boolean {
  return phase === 'Failed' || phase === 'Succeeded';
}

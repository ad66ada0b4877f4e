import type { ObservedFault } from './fault.ts';
import type { ScalingMemory } from './scaling.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/**
 * All that {@link planPool} looks at. The reconcile shell gathers it from its store (pods), from memory (polls, scaling
 * memory, faults) and from the pool itself; nothing in here is a promise, each part may be missing or late.
 */
export interface ObservedPool {
  /** Milliseconds since 1970, of the operator's clock. */
  readonly now: number;
  readonly pool: GatewayPool;
  /** Revision of the pod that the pool describes now: `revisionOf(gatewayPod(…))`. */
  readonly updateRevision: string;
  /**
   * What distinguishes an older pod from it, by `podDifference`, for the event of its replacement; `undefined` if
   * nobody looked.
   */
  readonly updateDifference: string | undefined;
  /** Pods whose controller reference carries the pool's uid, terminating and failed ones included. */
  readonly gateways: readonly ObservedGateway[];
  /** Names in the namespace that begin like this pool's pods but belong to somebody else: never used, never touched. */
  readonly foreignNames: readonly string[];
  /** The pool document that lies in the ConfigMap; `undefined` before the first. */
  readonly document: { readonly memberUids: readonly string[] } | undefined;
  /** What the last scaling decision handed back; `undefined` after a start of the operator. */
  readonly scaling: ScalingMemory | undefined;
  /** What went wrong when the last plan was applied (quota, an invalid template, …); empties when it goes right. */
  readonly faults: readonly ObservedFault[];
}

/** One gateway pod as the API server tells of it, with what its admin port said last. */
export interface ObservedGateway {
  readonly name: string;
  readonly uid: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Value of the label `barrage.dev/revision`; empty where somebody took it away. */
  readonly revision: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  /** `deletionTimestamp` is set: somebody has deleted it, and it ends by itself. */
  readonly isTerminating: boolean;
  /** When that was, in milliseconds since 1970. */
  readonly deletedAt: number | undefined;
  /** The gateway's container is running at this moment. */
  readonly isRunning: boolean;
  /** Condition `ContainersReady`: the readiness probe passes. */
  readonly containersReady: boolean;
  /** Condition `Ready`: the kubelet has taken notice of probe and `serving`. Only now do Services lead to it. */
  readonly isReady: boolean;
  /** Condition `barrage.dev/Serving`, which only the operator writes. */
  readonly serving: 'True' | 'False' | 'Unknown';
  /** When the pod became Failed or Succeeded, in milliseconds since 1970. */
  readonly endedAt: number | undefined;
  readonly drain: DrainMark | undefined;
  readonly ip: string | undefined;
  readonly hostIp: string | undefined;
  readonly zone: string | undefined;
  /** Why it can't run, where the API server knows: a container's waiting reason, or `Unschedulable`. */
  readonly obstacle: { readonly reason: string; readonly message: string } | undefined;
  /**
   * Its EndpointSlice entry says ready; `undefined` where there is no EndpointSlice (then the time of propagation has
   * to do).
   */
  readonly endpointReady: boolean | undefined;
  /** The newest answer of its admin port, of whatever age; `undefined` if it never answered. */
  readonly polled: PolledGateway | undefined;
  /**
   * When its admin port was first asked in vain after its start, in milliseconds since 1970; `undefined` if it has
   * answered since, or was not asked yet.
   */
  readonly unansweredSince: number | undefined;
}

/** The annotations of a drain. A time that nobody can read is `undefined`: the mark is then written again. */
export interface DrainMark {
  readonly startedAt: number | undefined;
  readonly deadlineAt: number | undefined;
}

/** What the decisions need of `GET /admin/v1/status`. */
export interface PolledGateway {
  /** When the answer came, in milliseconds since 1970 of the operator's clock. */
  readonly at: number;
  /** The pod uid that answered: an address may have gone to another pod meanwhile. */
  readonly uid: string;
  readonly ready: boolean;
  readonly waitingFor: readonly string[];
  readonly poolEpoch: number;
  readonly policiesHash: string;
  readonly connections: number;
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

/** Holds no connection, as far as anybody can tell: it has never served, does not run, or says so itself. */
export function isIdle(gateway: ObservedGateway): boolean {
  if (!gateway.isRunning) return true;
  const polled = pollOf(gateway);
  return polled === undefined ? gateway.serving !== 'True' && !gateway.containersReady : polled.connections === 0;
}

/**
 * State of one gateway's drain. Only its duration is remembered (`withSteadyTimes`): the annotations hold its
 * beginning, and the admin port tells whether connections are left. So a new operator continues a drain in the middle.
 *
 * ```
 *  serving ──mark──▶ propagating ──time and endpoints──▶ evicting ──empty──▶ empty ─┐
 *     ▲                   │                                  │                       ├─▶ delete
 *     └────── abort ──────┴────────── abort (Always) ────────┴──deadline──▶ overdue ─┘
 * ```
 */
import { pollOf, type ObservedGateway } from './observed.ts';
import type { GatewayPoolSpec } from '../api/gateway-pool.ts';

export type DrainState =
  | { readonly state: 'serving' }
  /** Somebody has made the mark unreadable. It is written again, with the present time. */
  | { readonly state: 'unreadable' }
  /** New connections may still arrive: balancers have not heard yet. */
  | { readonly state: 'propagating'; readonly changesInMs: number }
  /** Its connections are moving. */
  | { readonly state: 'evicting'; readonly secondsLeft: number; readonly changesInMs: number }
  | { readonly state: 'empty' }
  | { readonly state: 'overdue'; readonly connections: number | undefined };

type DrainSpec = GatewayPoolSpec['drain'];

/** Deadline of a drain that begins now, in Unix milliseconds. */
export function drainDeadline(now: number, drain: DrainSpec): number {
  return now + drain.deadlineSeconds * 1000;
}

export function drainState(gateway: ObservedGateway, drain: DrainSpec, now: number): DrainState {
  const mark = gateway.drain;
  if (mark === undefined) return { state: 'serving' };
  // A gateway that does not run holds no connection.
  if (!gateway.isRunning) return { state: 'empty' };
  if (mark.startedAt === undefined) return { state: 'unreadable' };
  // Somebody may have put off the mark's deadline by hand: the spec bounds it. An earlier one holds.
  const deadlineAt = Math.min(mark.deadlineAt ?? Infinity, drainDeadline(mark.startedAt, drain));
  const polled = pollOf(gateway);
  if (now >= deadlineAt) return { state: 'overdue', connections: polled?.connections };
  const propagatedAt = mark.startedAt + drain.propagationSeconds * 1000;
  if (now < propagatedAt) return { state: 'propagating', changesInMs: propagatedAt - now };
  if (gateway.endpointReady === true) return { state: 'propagating', changesInMs: Math.min(1000, deadlineAt - now) };
  if (polled !== undefined && polled.at >= propagatedAt && polled.connections === 0) return { state: 'empty' };
  return { state: 'evicting', secondsLeft: Math.max(1, Math.round((deadlineAt - now) / 1000)), changesInMs: deadlineAt - now };
}

/** Whether the drain of a pod that is wanted again may be aborted. */
export function mayAbort(gateway: ObservedGateway, drain: DrainSpec, now: number): boolean {
  if (drain.abortOnDemand === 'Never' || !gateway.isRunning || gateway.isTerminating) return false;
  const { state } = drainState(gateway, drain, now);
  const waits = state === 'propagating' || state === 'unreadable';
  const hasBegun = !waits || (pollOf(gateway)?.drainState ?? 'serving') !== 'serving';
  if (drain.abortOnDemand === 'BeforeEvictionStarted') return !hasBegun;
  return state === 'propagating' || state === 'unreadable' || state === 'evicting';
}

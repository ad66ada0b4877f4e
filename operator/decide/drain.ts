/**
 * Where one gateway is on its way out. Nothing is remembered: the pod's annotations say when it began, the clock how
 * far it is, and its admin port whether it is empty. So an operator that starts in the middle of a drain goes on with
 * it.
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
  /** The mark can't be read: somebody edited it. It is written again, with the time of now. */
  | { readonly state: 'unreadable' }
  /** New connections may still come, since balancers have not heard yet. */
  | { readonly state: 'propagating'; readonly changesInMs: number }
  /** Its connections are being moved. */
  | { readonly state: 'evicting'; readonly secondsLeft: number; readonly changesInMs: number }
  | { readonly state: 'empty' }
  | { readonly state: 'overdue'; readonly connections: number | undefined };

type DrainSpec = GatewayPoolSpec['drain'];

/** When a drain that begins now is to end, in milliseconds. */
export function drainDeadline(now: number, drain: DrainSpec): number {
  return now + drain.deadlineSeconds * 1000;
}

export function drainState(gateway: ObservedGateway, drain: DrainSpec, now: number): DrainState {
  const mark = gateway.drain;
  if (mark === undefined) return { state: 'serving' };
  // A gateway that does not run, or has ended, holds no connection: there is nothing to wait for.
  if (!gateway.isRunning) return { state: 'empty' };
  if (mark.startedAt === undefined || mark.startedAt > now + clockSkewMsMax) return { state: 'unreadable' };
  const deadlineAt = mark.deadlineAt ?? drainDeadline(mark.startedAt, drain);
  const polled = pollOf(gateway);
  if (now >= deadlineAt) return { state: 'overdue', connections: polled?.connections };
  const propagatedAt = mark.startedAt + drain.propagationSeconds * 1000;
  if (now < propagatedAt) return { state: 'propagating', changesInMs: propagatedAt - now };
  if (gateway.endpointReady === true) return { state: 'propagating', changesInMs: Math.min(1000, deadlineAt - now) };
  if (polled !== undefined && polled.at >= propagatedAt && polled.connections === 0) return { state: 'empty' };
  return { state: 'evicting', secondsLeft: Math.max(1, Math.round((deadlineAt - now) / 1000)), changesInMs: deadlineAt - now };
}

/** Whether a drain may be taken back: the pod is wanted after all. */
export function mayAbort(gateway: ObservedGateway, drain: DrainSpec, now: number): boolean {
  if (drain.abortOnDemand === 'Never' || !gateway.isRunning || gateway.isTerminating) return false;
  const { state } = drainState(gateway, drain, now);
  const hasBegun = state !== 'propagating' || (pollOf(gateway)?.drainState ?? 'serving') !== 'serving';
  if (drain.abortOnDemand === 'BeforeEvictionStarted') return !hasBegun;
  return state === 'propagating' || state === 'evicting';
}

/** Another leader's clock may be a little ahead of ours; a start far in the future was not written by one. */
const clockSkewMsMax = 60_000;

import { limits } from '../../core/limits.ts';
import { capsWindowMs, windowCaps, type WindowPolicy } from './merge-window.ts';

/** Load of one room, measured in the last interval. */
export interface RoomLoad {
  /** CPU time of one flush, for encoding and fan-out, in milliseconds. */
  readonly flushCostMs: number;
  /** Bus batches that arrive each second. */
  readonly arrivalsPerSecond: number;
  /** Publications that arrive each second. */
  readonly publicationsPerSecond: number;
  /** Payload bytes that arrive each second. */
  readonly bytesPerSecond: number;
  readonly policy: WindowPolicy;
}

export interface RoomCadence {
  readonly windowMs: number;
  /** Factor ≤ 1 on the room's budgets. */
  readonly budgetFactor: number;
}

/**
 * The cadence of one room at the level of all rooms. At or below the level it keeps its policy's window. Above it, its
 * window is stretched until its demand meets the level. A room that would need more than `limits.mergeWindowMsMax` gets
 * that window, and its budgets shrink by the rest.
 * @param level from `levelOf`
 */
export function cadenceAt(room: RoomLoad, level: number): RoomCadence {
  if (demandOf(room) <= level) return { windowMs: room.policy.merge.windowMilliseconds, budgetFactor: 1 };
  const wantedMs = windowWithin(room, level);
  if (wantedMs <= limits.mergeWindowMsMax && demandAt(room, wantedMs) <= level * (1 + rounding))
    return { windowMs: wantedMs, budgetFactor: 1 };
  // No longer window is allowed, or its caps can't grow any further and would cut it too often.
  const windowMs = limits.mergeWindowMsMax;
  return { windowMs, budgetFactor: Math.min(1, level / demandAt(room, windowMs)) };
}

/** Share of the event loop that a room's flushes take at its policy's window. */
export function demandOf(room: RoomLoad): number {
  return demandAt(room, room.policy.merge.windowMilliseconds);
}

/** Share of the event loop that a room's flushes take at a window of this length. */
export function demandAt(room: RoomLoad, windowMs: number): number {
  const byWindow = windowMs > 0 ? Math.min(room.arrivalsPerSecond, 1000 / windowMs) : room.arrivalsPerSecond;
  return (room.flushCostMs * Math.max(byWindow, capsReachedPerSecond(room, windowMs))) / 1000;
}

const rounding = 1e-9;

/** Number of times a second that a window of this length reaches its caps before its end. */
function capsReachedPerSecond({ publicationsPerSecond, bytesPerSecond, policy }: RoomLoad, windowMs: number): number {
  const caps = windowCaps(policy, windowMs);
  return Math.max(publicationsPerSecond / caps.publications, bytesPerSecond / caps.bytes);
}

/** The shortest window at which a room demands at most `level`, given that its caps grow with its window. */
function windowWithin(room: RoomLoad, level: number): number {
  const capsMs = capsWindowMs(room.policy);
  const cutsPerWindow = Math.max(1, (capsReachedPerSecond(room, capsMs) * capsMs) / 1000);
  return Math.max(room.policy.merge.windowMilliseconds, (room.flushCostMs * cutsPerWindow) / level);
}

/**
 * Most flushes of a room that may be under way at once, for flushes of this cost. A large room gets one or two, so that
 * waiting publications never get old. A small room gets enough to take a burst without merging more than its policy
 * does.
 */
export function flushesUnderWayMax(flushCostMs: number): number {
  return Math.max(1, Math.min(limits.fanOutFlushesMax, Math.floor(limits.fanOutBacklogMsMax / flushCostMs)));
}

/**
 * The level L with Σ min(demand, L) = share, by which Σ (flush cost × flushes a second) stays below `share` of the
 * event loop; Infinity when all demands together fit. The costliest rooms are stretched first: a cheap room never pays
 * for a room of 50,000.
 * @param demands shares of the loop, of each room
 */
export function levelOf(demands: readonly number[], share: number): number {
  if (demands.reduce((sum, demand) => sum + demand, 0) <= share) return Infinity;
  const rising = Float64Array.from(demands).sort();
  let left = share;
  for (const [index, demand] of rising.entries()) {
    const level = left / (rising.length - index);
    if (demand > level) return level;
    left -= demand;
  }
  return Infinity;
}

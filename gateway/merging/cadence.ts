import { limits } from '../../core/limits.ts';
import { capsWindowMs, windowCaps, type WindowPolicy } from './merge-window.ts';

/** What the last interval showed of one room. */
export interface RoomLoad {
  /** CPU of one flush: encoding and fan-out, in milliseconds. */
  readonly flushCostMs: number;
  /** Bus batches a second that arrived. */
  readonly arrivalsPerSecond: number;
  /** Publications in them a second. */
  readonly publicationsPerSecond: number;
  /** Bytes of their payloads a second. */
  readonly bytesPerSecond: number;
  readonly policy: WindowPolicy;
}

export interface RoomCadence {
  readonly windowMs: number;
  /** Factor ≤ 1 on the budgets. */
  readonly budgetFactor: number;
}

/**
 * Keeps Σ (flush cost × flushes a second) below `share` of the event loop. Rooms are filled like vessels: there is a
 * level such that every room whose demand lies below it keeps its policy's window, and every room above it is stretched
 * down to the level. So the costliest rooms pay first, and a cheap room never pays for a room of 50,000. A room that
 * would need more than `limits.mergeWindowMsMax` gets that window, and its budgets shrink by what is missing.
 */
export function planCadence(rooms: readonly RoomLoad[], share: number): readonly RoomCadence[] {
  const level = levelOf(rooms.map(demandOf), share);
  return rooms.map((room) => cadenceAt(room, level));
}

/** The cadence of one room at a level that `levelOf` gave. */
export function cadenceAt(room: RoomLoad, level: number): RoomCadence {
  if (demandOf(room) <= level) return { windowMs: room.policy.merge.windowMilliseconds, budgetFactor: 1 };
  const wantedMs = windowWithin(room, level);
  if (wantedMs <= limits.mergeWindowMsMax && demandAt(room, wantedMs) <= level * (1 + rounding))
    return { windowMs: wantedMs, budgetFactor: 1 };
  // Caps that can't grow any further still cut it too often, or there is no window as long.
  const windowMs = limits.mergeWindowMsMax;
  return { windowMs, budgetFactor: Math.min(1, level / demandAt(room, windowMs)) };
}

/** The share of the loop that a room's flushes take at its policy's window. */
export function demandOf(room: RoomLoad): number {
  return demandAt(room, room.policy.merge.windowMilliseconds);
}

/** The share of the loop that a room's flushes take at a window of this length. */
export function demandAt(room: RoomLoad, windowMs: number): number {
  const byWindow = windowMs > 0 ? Math.min(room.arrivalsPerSecond, 1000 / windowMs) : room.arrivalsPerSecond;
  return (room.flushCostMs * Math.max(byWindow, capsReachedPerSecond(room, windowMs))) / 1000;
}

const rounding = 1e-9;

/** How often a second a window of this length is full before its end. */
function capsReachedPerSecond({ publicationsPerSecond, bytesPerSecond, policy }: RoomLoad, windowMs: number): number {
  const caps = windowCaps(policy, windowMs);
  return Math.max(publicationsPerSecond / caps.publications, bytesPerSecond / caps.bytes);
}

/** The window at which a room demands no more than `level`, as long as its caps grow with its window. */
function windowWithin(room: RoomLoad, level: number): number {
  const capsMs = capsWindowMs(room.policy);
  const cutsPerWindow = Math.max(1, (capsReachedPerSecond(room, capsMs) * capsMs) / 1000);
  return Math.max(room.policy.merge.windowMilliseconds, (room.flushCostMs * cutsPerWindow) / level);
}

/**
 * How many flushes of a room may be under way at once where each takes so long: one or two of a large room, so that
 * what waits is never old; of a small one enough to take a burst without merging what its policy does not merge.
 */
export function flushesUnderWayMax(flushCostMs: number): number {
  return Math.max(1, Math.min(limits.fanOutFlushesMax, Math.floor(limits.fanOutBacklogMsMax / flushCostMs)));
}

/**
 * The level L with Σ min(demand, L) = share; Infinity where all demands together fit.
 * @param demands shares of the loop, of each room
 */
export function levelOf(demands: readonly number[], share: number): number {
  const rising = Float64Array.from(demands).sort();
  let left = share;
  for (const [index, demand] of rising.entries()) {
    const level = left / (rising.length - index);
    if (demand > level) return level;
    left -= demand;
  }
  return Infinity;
}

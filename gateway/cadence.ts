import { limits } from '../core/limits.ts';

/** What the last interval showed of one room. */
export interface RoomLoad {
  readonly channel: string;
  /** CPU of one flush: encoding and fan-out, in milliseconds. */
  readonly flushCostMs: number;
  /** Bus batches a second that arrived. */
  readonly arrivalsPerSecond: number;
  /** The policy's window, in milliseconds. */
  readonly windowMs: number;
}

export interface RoomCadence {
  readonly channel: string;
  readonly windowMs: number;
  /** Factor ≤ 1 on the budgets. */
  readonly budgetFactor: number;
}

/**
 * Keeps Σ (flush cost ÷ window) below `share` of the event loop. Rooms are filled like vessels: there is a level such that every room whose
 * demand lies below it keeps its policy's window, and every room above it is stretched down to the level. So the costliest
 * rooms pay first, and a cheap room never pays for a room of 50,000. A room that would need more than `limits.mergeWindowMsMax` gets that
 * window, and its budgets shrink by what is missing.
 */
export function planCadence(rooms: readonly RoomLoad[], share: number): readonly RoomCadence[] {
  const demands = rooms.map((room) => ({ room, demand: demandOf(room) }));
  const level = levelOf(
    demands.map(({ demand }) => demand),
    share,
  );
  return demands.map(({ room, demand }) => {
    if (demand <= level) return { channel: room.channel, windowMs: room.windowMs, budgetFactor: 1 };
    const wantedMs = room.flushCostMs / level;
    const windowMs = Math.min(limits.mergeWindowMsMax, Math.max(room.windowMs, wantedMs));
    return { channel: room.channel, windowMs, budgetFactor: Math.min(1, windowMs / wantedMs) };
  });
}

/** The share of the loop that a room's flushes take at its policy's window. */
export function demandOf({ flushCostMs, arrivalsPerSecond, windowMs }: RoomLoad): number {
  const flushesPerSecond = windowMs > 0 ? Math.min(arrivalsPerSecond, 1000 / windowMs) : arrivalsPerSecond;
  return (flushCostMs * flushesPerSecond) / 1000;
}

/** The level L with Σ min(demand, L) = share; Infinity where all demands together fit. */
function levelOf(demands: readonly number[], share: number): number {
  const rising = demands.toSorted((a, b) => a - b);
  let left = share;
  for (const [index, demand] of rising.entries()) {
    const level = left / (rising.length - index);
    if (demand > level) return level;
    left -= demand;
  }
  return Infinity;
}

import { channelOwner } from '../../core/channel.ts';
import type { Placement } from '../../core/pool/placement.ts';

/** How a gateway gives up its connections. Times count from its beginning, in milliseconds. */
export interface DrainOrder {
  readonly connectionsPerSecond: number;
  /**
   * From here on those who are left are closed, evenly over `lastCallMs`, whatever the rate; who was told to move, at
   * least half of it after that.
   */
  readonly deadlineMs: number;
  readonly lastCallMs: number;
  /** A client that is told to move goes after a random part of this. */
  readonly hintAfterMs: number;
}

/** How a process that ends gives up its connections. */
export interface Ending {
  /** Longest time until nobody is left, in milliseconds. */
  readonly withinMs: number;
  /** `undefined`: as many as it takes, evenly. */
  readonly connectionsPerSecond: number | undefined;
}

/** Longest time over which those who are left at the deadline are closed, in milliseconds. */
export const lastCallMsMax = 5_000;
/** Most of the time of a whole drain that its last call may take. */
const lastCallShareMax = 0.3;
/**
 * Part of the time before the last call in which everybody is moved where no rate is set: the rest is for what a busy
 * loop is late by.
 */
const evenShare = 0.9;
const hintAfterMsMax = 500;
const hintAfterShareMax = 0.1;

/** What an operator's command orders. */
export function commandedOrder(command: { readonly connectionsPerSecond: number; readonly deadlineSeconds: number }): DrainOrder {
  const { connectionsPerSecond, deadlineSeconds } = command;
  return { connectionsPerSecond, deadlineMs: deadlineSeconds * 1000, lastCallMs: lastCallMsMax, hintAfterMs: hintAfterMsMax };
}

/**
 * The drain of a process that ends. One that is under way goes on at its rate, since an operator knows better than the
 * settings that the process was started with, and to the earlier of both ends.
 */
export function finalOrder(
  { withinMs, connectionsPerSecond }: Ending,
  connections: number,
  underWay?: { readonly order: DrainOrder; readonly elapsedMs: number },
): DrainOrder {
  const lastCallMs = Math.min(lastCallMsMax, withinMs * lastCallShareMax);
  const deadlineMs = withinMs - lastCallMs;
  const own: DrainOrder = {
    connectionsPerSecond: connectionsPerSecond ?? Math.max(1, (connections * 1000) / Math.max(1, deadlineMs * evenShare)),
    deadlineMs,
    lastCallMs,
    hintAfterMs: Math.min(hintAfterMsMax, withinMs * hintAfterShareMax),
  };
  if (underWay === undefined) return own;
  const { order, elapsedMs } = underWay;
  if (order.deadlineMs + order.lastCallMs <= elapsedMs + withinMs) return order;
  return { ...order, deadlineMs: elapsedMs + deadlineMs, lastCallMs, hintAfterMs: Math.min(order.hintAfterMs, own.hintAfterMs) };
}

/** How far a drain has come. */
export interface DrainPace {
  readonly elapsedMs: number;
  /** Connections that may be moved by now and were not; a fraction is kept. */
  readonly credit: number;
  /**
   * Whether the last turn was over before its budget was spent: then the rest is kept, as if the loop had been held.
   */
  readonly wasCut?: boolean;
}

export const drainStart: DrainPace = { elapsedMs: 0, credit: 0 };

/**
 * Longest time for which the rate is caught up after the loop was held: more at once would be the burst that a drain is
 * to avoid.
 */
const catchUpMsMax = 250;
/**
 * A client that was told to move has left by now, or it does not understand: it finds the new gateway, connects and
 * catches up.
 */
export const leaveWithinMs = 15_000;

/**
 * How many connections to move now: at the set rate, and in the last call as many as it takes to be done at its end.
 * Whoever spends of the credit takes it off the pace; what is not spent, for want of somebody to move, does not add up.
 */
export function paceDrain(
  order: DrainOrder,
  pace: DrainPace,
  observed: { readonly elapsedMs: number; readonly connections: number },
): { readonly pace: DrainPace; readonly budget: number; readonly isLastCall: boolean } {
  const { elapsedMs, connections } = observed;
  const sinceMs = Math.max(0, elapsedMs - pace.elapsedMs);
  const isLastCall = elapsedMs >= order.deadlineMs;
  const leftMs = order.deadlineMs + order.lastCallMs - elapsedMs;
  if (isLastCall && leftMs <= sinceMs) return { pace: { elapsedMs, credit: connections }, budget: connections, isLastCall };
  const rate = isLastCall ? Math.max(order.connectionsPerSecond, (connections * 1000) / leftMs) : order.connectionsPerSecond;
  const mostOf = (ms: number): number => (rate * Math.min(ms, catchUpMsMax)) / 1000;
  const kept = Math.min(pace.credit, pace.wasCut === true ? Math.max(1, mostOf(catchUpMsMax)) : 1);
  const credit = kept + mostOf(sinceMs);
  return { pace: { elapsedMs, credit }, budget: Math.min(Math.floor(credit), connections), isLastCall };
}

/** What a drain knows of one connection. */
export interface Leaver {
  readonly id: number;
  /** Its channels, in the order in which it subscribed. */
  readonly channels: readonly string[];
  /**
   * Not where its encoding has no word for it, where it had a hint before (a connection gets one), or where no time is
   * left for it.
   */
  readonly mayBeHinted: boolean;
}

/**
 * How one connection is made to go: by a hint where to, or by being closed with 1012 (who comes back is sent
 * elsewhere).
 */
export type Departure = { readonly kind: 'hint'; readonly url: string } | { readonly kind: 'close' };

/**
 * The hint names the gateway that should host the client's anchor. Where no other gateway serves, there is none to
 * name.
 */
export function departureOf(leaver: Leaver, placement: Placement | undefined, ownUid: string): Departure {
  if (!leaver.mayBeHinted || placement === undefined) return { kind: 'close' };
  const target = placement.of(anchorOf(leaver)).find(({ uid, state }) => state === 'serving' && uid !== ownUid);
  return target === undefined ? { kind: 'close' } : { kind: 'hint', url: target.url };
}

/**
 * The channel by which a connection is placed: the first it subscribed to that is nobody's own. One without is placed
 * by its id, to spread them.
 */
function anchorOf({ id, channels }: Leaver): string {
  return channels.find((channel) => channelOwner(channel) === undefined) ?? `client-${id}`;
}

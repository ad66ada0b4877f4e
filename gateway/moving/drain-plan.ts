import { channelOwner } from '../../core/channel.ts';
import type { Placement } from '../../core/pool/placement.ts';
import type { Reach } from '../connections/connection.ts';
import { canReach } from './reach.ts';

/** Plan of a drain. Its times count from its beginning, in milliseconds. */
export interface DrainOrder {
  readonly connectionsPerSecond: number;
  /**
   * Start of the last call. Over `lastCallMs` the remaining connections are closed evenly, whatever the rate.
   * A connection that was told to move is closed no sooner than half of `lastCallMs` after that.
   */
  readonly deadlineMs: number;
  readonly lastCallMs: number;
  /** Clients that are told to move leave after a random part of this time. */
  readonly hintAfterMs: number;
}

/** Plan for the connections of a process that ends. */
export interface Ending {
  /** Longest time until no connection is left, in milliseconds. */
  readonly withinMs: number;
  /** Rate of moves; `undefined`: evenly over the time. */
  readonly connectionsPerSecond: number | undefined;
}

/** Longest last call, in milliseconds: the time in which remaining connections are closed. */
export const lastCallMsMax = 5_000;
/** Largest share of the last call in a whole drain. */
const lastCallShareMax = 0.3;
/**
 * Share of the time before the last call in which all connections are moved when no rate is set. The rest makes up for
 * a busy event loop.
 */
const evenShare = 0.9;
const hintAfterMsMax = 500;
const hintAfterShareMax = 0.1;

/** The plan that an operator's command orders. */
export function commandedOrder(command: { readonly connectionsPerSecond: number; readonly deadlineSeconds: number }): DrainOrder {
  const { connectionsPerSecond, deadlineSeconds } = command;
  return { connectionsPerSecond, deadlineMs: deadlineSeconds * 1000, lastCallMs: lastCallMsMax, hintAfterMs: hintAfterMsMax };
}

/**
 * The drain of a process that ends. A drain under way keeps its rate: an operator knows better than the settings at the
 * process's start. The earlier of both ends applies.
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

/** Progress of a drain. */
export interface DrainPace {
  readonly elapsedMs: number;
  /** Connections that may be moved now; fractions are kept. */
  readonly credit: number;
  /** Whether the last turn ended before its budget was spent. The rest is then kept, as if the loop had been held. */
  readonly wasCut?: boolean;
}

export const drainStart: DrainPace = { elapsedMs: 0, credit: 0 };

/**
 * Longest time for which the rate is caught up after the event loop was held, in milliseconds. More at once would be a
 * burst, which a drain is to avoid.
 */
const catchUpMsMax = 250;
/**
 * Time for a client that was told to move, in milliseconds: it finds the new gateway, connects and catches up. A client
 * that stays longer does not understand.
 */
export const leaveWithinMs = 15_000;

/**
 * Number of connections to move now: by the set rate, or in the last call by the time that is left. The caller takes
 * moved connections off the credit. Unspent credit does not add up when no connection is left to move.
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

/** A drain's view of one connection. */
export interface Leaver {
  readonly id: number;
  /** Channels of the connection, in the order of subscription. */
  readonly channels: readonly string[];
  /**
   * `false` when its encoding has no hint, when it had a hint before (a connection gets one), or when no time is left.
   */
  readonly mayBeHinted: boolean;
  /** The addresses to which the client can be sent. */
  readonly reach: Reach;
}

/**
 * The way to make a connection leave: by a hint with the new address, by a hint to come back by the client's own
 * address (`url` is `undefined`), or by a close with 1012.
 */
export type Departure = { readonly kind: 'hint'; readonly url: string | undefined } | { readonly kind: 'close' };

/**
 * Chooses a departure. A hint names the gateway that should host the client's anchor, if the client can reach it.
 * Without another serving gateway the connection is closed.
 */
export function departureOf(leaver: Leaver, placement: Placement | undefined, ownUid: string): Departure {
  if (!leaver.mayBeHinted || placement === undefined) return { kind: 'close' };
  const target = placement.of(anchorOf(leaver)).find(({ uid, state }) => state === 'serving' && uid !== ownUid);
  if (target === undefined) return { kind: 'close' };
  return { kind: 'hint', url: canReach(leaver.reach, target.url) ? target.url : undefined };
}

/**
 * The channel that places a connection: its first subscription that is not a user's own channel. A connection without
 * one is placed by its id, to spread them.
 */
function anchorOf({ id, channels }: Leaver): string {
  return channels.find((channel) => channelOwner(channel) === undefined) ?? `client-${id}`;
}

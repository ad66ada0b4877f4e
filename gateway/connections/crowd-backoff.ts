import type { BackoffBounds } from '../../core/backoff.ts';

/** The clients of one gateway, and who would take them if it died now. */
export interface Crowd {
  /** Connections of the gateway. */
  readonly connections: number;
  /** New connections that each gateway takes in a second. */
  readonly acceptsPerSecond: number;
  /** Gateways that would take the clients. Where there is no other, the gateway itself comes back: then it is 1. */
  readonly takers: number;
}

/** Longest base that a client is ever told, in milliseconds. */
export const crowdBaseMsMax = 600_000;
/** The clients' return is spread over this many times the shortest time in which it is possible: room for chance, and for unequal shares. */
const spread = 1.5;
/** Clients are told anew where the base is off by more than this factor: they are then spread over 1.2 to 1.9 times the shortest time. */
const tellFactor = 1.25;

/**
 * The back-off for the clients of a gateway, should their connections end now. Their first wait is evenly spread over `baseMs`, so that they arrive at
 * two thirds of the rate at which the takers accept.
 * @param least the bounds of the settings, which are the least
 */
export function crowdBackoff({ connections, acceptsPerSecond, takers }: Crowd, least: BackoffBounds): BackoffBounds {
  return atLeast(least, (spread * connections * 1000) / (acceptsPerSecond * takers));
}

/** The bounds that have this base, where it is within what may be told. */
export function atLeast(least: BackoffBounds, wantedMs: number): BackoffBounds {
  const baseMs = Math.max(least.baseMs, Math.min(crowdBaseMsMax, Math.ceil(wantedMs)));
  return { baseMs, capMs: Math.max(least.capMs, baseMs) };
}

/** Whether clients that were told the one base are to be told the other. */
export function isWorthTelling(toldMs: number, baseMs: number): boolean {
  return baseMs > toldMs * tellFactor || baseMs * tellFactor < toldMs;
}

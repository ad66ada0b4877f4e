import type { BackoffBounds } from '../../core/backoff.ts';

/** The clients of one gateway, and the gateways that would take them if it died now. */
export interface Crowd {
  /** Connections of the gateway. */
  readonly connections: number;
  /** New connections that each gateway takes in a second. */
  readonly acceptsPerSecond: number;
  /** Gateways that would take the clients. Without another gateway, this one itself comes back: then it is 1. */
  readonly takers: number;
}

/** Longest base that a client is ever told, in milliseconds. */
export const crowdBaseMsMax = 600_000;
/**
 * Factor by which the clients' return is spread beyond the shortest possible time: room for chance, and for unequal
 * shares.
 */
const spread = 1.5;
/**
 * Factor between the present base and the told one above which clients are told anew. They are then spread over 1.2 to
 * 1.9 times the shortest time.
 */
const tellFactor = 1.25;

/**
 * The back-off for the clients of a gateway, in case their connections end now. Their first wait is evenly spread over
 * `baseMs`. So they arrive at two thirds of the rate at which the takers accept.
 * @param least the bounds of the settings: the shortest that are told
 */
export function crowdBackoff({ connections, acceptsPerSecond, takers }: Crowd, least: BackoffBounds): BackoffBounds {
  return atLeast(least, (spread * connections * 1000) / (acceptsPerSecond * takers));
}

/** The bounds with this base, brought within the range that may be told. */
export function atLeast(least: BackoffBounds, wantedMs: number): BackoffBounds {
  const baseMs = Math.max(least.baseMs, Math.min(crowdBaseMsMax, Math.ceil(wantedMs)));
  return { baseMs, capMs: Math.max(least.capMs, baseMs) };
}

/** Whether clients with the one base are to be told the other. */
export function isWorthTelling(toldMs: number, baseMs: number): boolean {
  return baseMs > toldMs * tellFactor || baseMs * tellFactor < toldMs;
}

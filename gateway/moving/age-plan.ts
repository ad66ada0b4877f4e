/** The settings of a gateway that make its plan. */
export interface AgeSettings {
  /** Greatest age of a connection, in seconds; 0: none. */
  readonly connectionAgeMaxSeconds: number;
  /** New connections that each gateway accepts in a second. */
  readonly acceptsPerSecond: number;
}

/** Plan for connections that reach their age. Its times are in milliseconds. */
export interface AgePlan {
  /** Age at which the first connections are due. */
  readonly earliestMs: number;
  /** Each connection is due after a random part of this time more. */
  readonly spreadMs: number;
  /** Time in which every connection is looked at once. */
  readonly walkMs: number;
  /** Most connections that are told to move, or are closed, in a second. */
  readonly movesPerSecond: number;
  /** Clients that are told to move leave after a random part of this time. */
  readonly hintAfterMs: number;
}

/** Share of the greatest age at which the first connections are due. */
const earliestShare = 0.75;
/** Share of the greatest age at which the last are due. A walk finds them before the rest is over. */
const latestShare = 0.95;
/**
 * Share of a gateway's accepts that its own aged connections may take. They come back to gateways with the same rate,
 * so most of it is left for those who come anew.
 */
const acceptsShare = 0.25;
const walkMsMax = 10_000;
const hintAfterMs = 500;

/** The plan of a gateway; `undefined`: its connections have no greatest age. */
export function agePlanOf(settings: AgeSettings): AgePlan | undefined {
  if (settings.connectionAgeMaxSeconds === 0) return undefined;
  const ageMs = settings.connectionAgeMaxSeconds * 1000;
  return {
    earliestMs: ageMs * earliestShare,
    spreadMs: ageMs * (latestShare - earliestShare),
    walkMs: Math.min(walkMsMax, ageMs * (1 - latestShare)),
    movesPerSecond: Math.max(1, settings.acceptsPerSecond * acceptsShare),
    hintAfterMs,
  };
}

/**
 * The time from which a connection is due to move, in whole seconds of the monotonic clock: a small integer costs a
 * connection 8 bytes, and a fraction costs more.
 * @param openedAt milliseconds of the monotonic clock
 * @param random a number of [0, 1) that keeps those apart that came together
 */
export function agedFrom({ earliestMs, spreadMs }: AgePlan, openedAt: number, random: number): number {
  return Math.floor((openedAt + earliestMs + spreadMs * random) / 1000);
}

/** Whether a connection is due. @param now milliseconds of the monotonic clock */
export function isAged(agedAt: number | undefined, now: number): boolean {
  return agedAt !== undefined && agedAt * 1000 <= now;
}

/** Most moves at once, after an event loop that was held or a time without moves: those of a quarter of a second. */
export function movesAtOnce({ movesPerSecond }: AgePlan): number {
  return Math.max(1, movesPerSecond / 4);
}

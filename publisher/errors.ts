import type { BusTrouble, BusUnavailable, KeysRefused } from '../core/bus/bus.ts';

/**
 * All refusals of requests: the code in `E.c`, and the HTTP status of a request by HTTP. Codes 101, 301 and 401 are
 * CONNMIX's; the others are in a range that it leaves free.
 */
export const refusals = {
  badArguments: { code: 101, status: 400 },
  contentType: { code: 101, status: 415 },
  callFailed: { code: 301, status: 409 },
  sendFailed: { code: 401, status: 404 },
  internal: { code: 500, status: 500 },
  notAuthorised: { code: 501, status: 401 },
  tooMany: { code: 502, status: 429 },
  unavailable: { code: 503, status: 503 },
  tooLarge: { code: 504, status: 413 },
  noHistory: { code: 506, status: 404 },
  epochChanged: { code: 509, status: 409 },
  keyReused: { code: 507, status: 422 },
  batchRefused: { code: 508, status: 424 },
  notFound: { code: 505, status: 404 },
  methodNotAllowed: { code: 505, status: 405 },
  getOnly: { code: 505, status: 405 },
} as const satisfies Record<string, { readonly code: number; readonly status: number }>;

export type RefusalReason = keyof typeof refusals;

/** A refusal of a request. `message` names the fault and its remedy. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  readonly message: string;
  /** Whole seconds after which repeating the same request may help. */
  readonly retryAfterSeconds?: number;
  /** Of a publication that the bus did not confirm: `unknown` where it may have been published all the same. */
  readonly published?: 'no' | 'unknown';
}

/** Outcome of a request. `result` is the `r` of the answer. */
export type Outcome = Refusal | { readonly kind: 'done'; readonly result: Readonly<Record<string, unknown>> };

export function refuse(reason: RefusalReason, message: string): Refusal {
  return { kind: 'refused', reason, message };
}

/** What happened on the bus, in words for a backend, and after how many seconds a repetition is worth its while. */
const troubles: Readonly<Record<BusTrouble, { readonly words: string; readonly retryAfterSeconds: number }>> = {
  away: { words: 'the bus cannot be reached', retryAfterSeconds: 1 },
  late: { words: 'the bus did not answer in time', retryAfterSeconds: 1 },
  full: { words: 'too many publications wait for the bus', retryAfterSeconds: 1 },
  memory: { words: 'the bus has no memory left', retryAfterSeconds: 5 },
  refused: { words: "the bus refuses it, and the publisher's log says why", retryAfterSeconds: 5 },
};

function troubleWords({ trouble, answer }: Pick<BusUnavailable, 'trouble' | 'answer'>): string {
  const from = answer === undefined ? '' : ` (Redis: ${answer})`;
  return `temporarily unavailable: ${troubles[trouble].words}${from}`;
}

/**
 * The bus did not confirm a publication. The request may be fine, and can be repeated as it is.
 * @param hasKey whether a repetition is known by its idempotency key
 */
export function notPublished(error: BusUnavailable, hasKey: boolean): Refusal {
  const { retryAfterSeconds } = troubles[error.trouble];
  const condition = hasKey ? 'with the same idempotency key' : 'if twice is better than not at all';
  const rest = error.mayBeDone
    ? `It may have been published; repeat it after ${retryAfterSeconds} s ${condition}`
    : `It was not published; repeat it after ${retryAfterSeconds} s`;
  const published = error.mayBeDone ? 'unknown' : 'no';
  return { kind: 'refused', reason: 'unavailable', message: `${troubleWords(error)}. ${rest}`, retryAfterSeconds, published };
}

/** The bus can't be used now for another request, which can be repeated as it is. */
export function temporarilyUnavailable(error: Pick<BusUnavailable, 'trouble' | 'answer'>): Refusal {
  const { retryAfterSeconds } = troubles[error.trouble];
  const message = `${troubleWords(error)}. Repeat the request after ${retryAfterSeconds} s`;
  return { kind: 'refused', reason: 'unavailable', message, retryAfterSeconds };
}

/** Whole seconds after which some of too many idempotency keys may have ended. */
const keysFullRetrySeconds = 5;

/** The bus refused a publication for its idempotency key. */
export function keyRefusal({ reason }: KeysRefused): Refusal {
  if (reason === 'full')
    return tooMany(
      'idempotencyKey: as many keys are remembered as may be; repeat, or shorten idempotency.windowSeconds in the policy',
      keysFullRetrySeconds,
    );
  return refuse('keyReused', 'idempotencyKey: it was used for another publication; give each publication a key of its own');
}

/** This publisher accepts no more requests; another publisher, or the next one at this address, will. */
export function leaving(): Refusal {
  return { kind: 'refused', reason: 'unavailable', message: 'the publisher is leaving, connect again', retryAfterSeconds: 1 };
}

/** Too much at once; `message` says of which. */
export function tooMany(message: string, retryAfterSeconds: number): Refusal {
  return { kind: 'refused', reason: 'tooMany', message, retryAfterSeconds };
}

/** The answer's body, without the request's number: `{"E":null,"r":{…}}` or `{"E":{"c","m"}}`. */
export function answerBody(outcome: Outcome): Readonly<Record<string, unknown>> {
  if (outcome.kind === 'done') return { E: null, r: outcome.result };
  const { reason, message, published } = outcome;
  return { E: { c: refusals[reason].code, m: message, ...(published === undefined ? {} : { published }) } };
}

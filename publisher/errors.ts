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
}

/** Outcome of a request. `result` is the `r` of the answer. */
export type Outcome = Refusal | { readonly kind: 'done'; readonly result: Readonly<Record<string, unknown>> };

export function refuse(reason: RefusalReason, message: string): Refusal {
  return { kind: 'refused', reason, message };
}

/** The bus can't be used now. The request may be fine, and can be repeated as it is. */
export function temporarilyUnavailable(): Refusal {
  return { kind: 'refused', reason: 'unavailable', message: 'temporarily unavailable, repeat', retryAfterSeconds: 1 };
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
  return { E: { c: refusals[outcome.reason].code, m: outcome.message } };
}

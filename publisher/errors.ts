/**
 * Every way in which a request is refused: the code in `E.c`, and the HTTP status where the request came by HTTP. 101,
 * 301 and 401 are CONNMIX's; the others are ours, in a range that it leaves free.
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
  notFound: { code: 505, status: 404 },
  methodNotAllowed: { code: 505, status: 405 },
} as const satisfies Record<string, { readonly code: number; readonly status: number }>;

export type RefusalReason = keyof typeof refusals;

/** A request that was not carried out. `message` says what is wrong and what to do. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  readonly message: string;
  /** Where repeating the same request may help: after how many whole seconds. */
  readonly retryAfterSeconds?: number;
}

/** What became of a request. `result` is the `r` of the answer. */
export type Outcome = Refusal | { readonly kind: 'done'; readonly result: Readonly<Record<string, unknown>> };

export function refuse(reason: RefusalReason, message: string): Refusal {
  return { kind: 'refused', reason, message };
}

/** The bus can't be used now: it says nothing about the request, which is worth repeating as it is. */
export function temporarilyUnavailable(): Refusal {
  return { kind: 'refused', reason: 'unavailable', message: 'temporarily unavailable, repeat', retryAfterSeconds: 1 };
}

/** This publisher takes nothing more; another one, or the next one at this address, will. */
export function leaving(): Refusal {
  return { kind: 'refused', reason: 'unavailable', message: 'the publisher is leaving, connect again', retryAfterSeconds: 1 };
}

/** Too much at once, of whatever `message` says. */
export function tooMany(message: string, retryAfterSeconds: number): Refusal {
  return { kind: 'refused', reason: 'tooMany', message, retryAfterSeconds };
}

/** The answer's body, without the request's number: `{"E":null,"r":{…}}` or `{"E":{"c","m"}}`. */
export function answerBody(outcome: Outcome): Readonly<Record<string, unknown>> {
  if (outcome.kind === 'done') return { E: null, r: outcome.result };
  return { E: { c: refusals[outcome.reason].code, m: outcome.message } };
}

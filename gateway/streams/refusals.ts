/** An answer in place of a stream, or to commands that were not handed over. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 500 | 503;
  readonly code: string;
  /** The fault and its remedy, in words. */
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Every refusal but those of admission. `docs/sse.md` lists them by status and code. */
export const refusals = {
  request: (message: string) => ({ status: 400, code: 'bad_request', message }),
  unauthenticated: (reason: string) => ({
    status: 401,
    code: 'not_authenticated',
    message: reason,
    headers: { 'www-authenticate': 'Bearer' },
  }),
  ended: () => ({ status: 404, code: 'no_such_stream', message: 'this stream has ended, or never was: open another, and use its hello' }),
  method: () => ({
    status: 405,
    code: 'method_not_allowed',
    message: 'use GET, or POST for commands',
    headers: { allow: 'GET, POST, OPTIONS' },
  }),
  bytes: (bytesMax: number) => ({
    status: 413,
    code: 'payload_too_large',
    message: `the body may have ${bytesMax} bytes: send fewer commands at once`,
    headers: { connection: 'close' },
  }),
  internal: () => ({ status: 500, code: 'internal', message: 'internal error; the gateway logged it' }),
  rate: () => busy('this gateway answers so many requests for streams a second and no more: come back'),
  crowded: () => busy('too many bodies are under way: come back'),
  auth: () => busy('the token could not be checked: come back'),
  unanswered: () => busy('the gateway of this stream did not answer: the commands may have arrived. Wait for their replies, or try again'),
} as const satisfies Readonly<Record<string, (...values: never[]) => Refusal>>;

function busy(message: string): Refusal {
  return { status: 503, code: 'unavailable', message, headers: { 'retry-after': '1' } };
}

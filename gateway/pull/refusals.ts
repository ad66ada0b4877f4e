import { originSetting } from '../connections/admission.ts';

/** An answer without a document. */
export interface Refusal {
  readonly status: 308 | 400 | 401 | 403 | 404 | 405 | 410 | 500 | 503;
  readonly code: string;
  /** The fault and its remedy, in words. */
  readonly message: string;
  /** Time for which the answer stays right for everybody, in seconds; absent: it is for this request alone. */
  readonly maxAgeSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is not there now may be there in a second. */
const shortSeconds = 1;
/** What history has lost does not come back. */
const goneSeconds = 10;

/** One spelling of an address is there for good. */
const spellingSeconds = 86_400;

/** Every refusal of pull, and the way to the right spelling. `docs/pull.md` lists them by status and code. */
export const refusals = {
  request: (message: string) => lasting({ status: 400, code: 'bad_request', message }, shortSeconds),
  channel: (message: string) => lasting({ status: 400, code: 'bad_channel', message }, shortSeconds),
  spelling: (location: string) => ({
    ...lasting({ status: 308, code: 'other_spelling', message: `each document has one address: ${location}` }, spellingSeconds),
    headers: { location },
  }),
  method: () => ({ status: 405, code: 'method_not_allowed', message: 'use GET or HEAD', headers: { allow: 'GET, HEAD, OPTIONS' } }),
  path: () =>
    lasting(
      {
        status: 404,
        code: 'not_found',
        message:
          'there are GET /v1/channels/{channel}/head and /v1/channels/{channel}/segments/{epoch}/{n}; backends read /v1/channels/{channel}/history at the publisher',
      },
      shortSeconds,
    ),
  history: (channel: string, pattern: string) =>
    lasting(
      {
        status: 404,
        code: 'no_history',
        message: `channel "${channel}" keeps no history, so it can't be pulled: set history in the policy for ${pattern}, or subscribe with a WebSocket`,
      },
      shortSeconds,
    ),
  open: () =>
    lasting({ status: 404, code: 'not_closed', message: 'this segment is not closed yet: its publications are in the head' }, shortSeconds),
  lost: () =>
    lasting(
      {
        status: 410,
        code: 'gone',
        message: 'history does not keep this segment any more: go on with the head, and take what lies between for a gap',
      },
      goneSeconds,
    ),
  ended: () =>
    lasting(
      { status: 410, code: 'epoch_ended', message: 'this epoch ended before that offset: the head tells where, and the new one' },
      goneSeconds,
    ),
  unknownEpoch: () =>
    lasting(
      { status: 410, code: 'epoch_unknown', message: 'this epoch is not known here: ask for the head, which names those that are' },
      shortSeconds,
    ),
  unauthenticated: (message: string) => ({
    status: 401,
    code: 'not_authenticated',
    message,
    headers: { 'www-authenticate': 'Bearer' },
  }),
  forbidden: () => ({ status: 403, code: 'forbidden', message: "this channel is another user's: ask for your own" }),
  host: () => ({
    status: 403,
    code: 'forbidden',
    message: 'this gateway listens on loopback only: ask localhost, or set BARRAGE_GATEWAY_HOST',
  }),
  origin: (origin: string) => ({
    status: 403,
    code: 'forbidden',
    message: `pages of ${origin} may not ask a gateway on loopback: add that origin to ${originSetting}`,
  }),
  rate: () => busy('this gateway answers so many requests a second and no more (BARRAGE_PULL_REQUESTS_PER_SECOND): come back'),
  crowded: () => busy('too many answers are under way: come back'),
  unready: () => busy('this gateway does not know its policies yet: come back'),
  bus: () => busy('the bus gives no answer: come back'),
  auth: () => busy('the token could not be checked: come back'),
  internal: () => ({ status: 500, code: 'internal', message: 'internal error; the gateway logged it' }),
} as const satisfies Readonly<Record<string, (...words: string[]) => Refusal>>;

function lasting(refusal: Refusal, maxAgeSeconds: number): Refusal {
  return { ...refusal, maxAgeSeconds };
}

function busy(message: string): Refusal {
  return { status: 503, code: 'unavailable', message, headers: { 'retry-after': '1' } };
}

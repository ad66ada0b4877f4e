import { codingOf, hasAlready } from '../pull/headers.ts';
import type { ScriptFile, ScriptFiles } from './script-files.ts';

/** A request for a file of the SDK. */
export interface ScriptRequest {
  readonly method: string;
  readonly url: string;
  readonly acceptEncoding: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

export interface ScriptAnswer {
  readonly result: 'sent' | 'unchanged' | 'missing';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: none, or none for this method. */
  readonly body?: Buffer | string;
}

/** Seconds for which `/barrage.js` is good without asking again. */
export const firstSeconds = 300;

/** Any page, also one that isolates itself, may load the SDK from a gateway. */
const forAnyPage = { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' } as const;

/** Whether a request is for a file of the SDK: `/barrage.js`, or an address with a hash. */
export function isScriptRequest(method = '', url = ''): boolean {
  return (method === 'GET' || method === 'HEAD') && /^\/barrage(?:[.-][\w.-]+)?\.js(?:\?|$)/.test(url);
}

/** Answers a request for a file of the SDK. @param files `undefined` where none were built */
export function answerScript(request: ScriptRequest, files: ScriptFiles | undefined): ScriptAnswer {
  const path = request.url.split('?', 1)[0] ?? '';
  const file = files?.get(path);
  if (file === undefined) {
    const present = files?.get('/barrage.js')?.address;
    const why =
      present === undefined
        ? 'this gateway has no client for browsers: run npm run build:client where it was installed from'
        : `this gateway has another version of the client: load /barrage.js, which is ${present} now`;
    const headers = { ...forAnyPage, 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
    return { result: 'missing', status: 404, headers, ...bodyOf(request, `${why}\n`) };
  }
  const coding = codingOf(request.acceptEncoding, ['br', 'gzip']) ?? 'identity';
  const { bytes, etag } = file.codings[coding];
  const kept = { ...forAnyPage, ...keeping(file, path), etag, vary: 'Accept-Encoding' };
  if (hasAlready(request.ifNoneMatch, etag)) return { result: 'unchanged', status: 304, headers: kept };
  const headers = {
    ...kept,
    'content-type': 'text/javascript; charset=utf-8',
    'content-length': String(bytes.length),
    'x-content-type-options': 'nosniff',
    ...(coding === 'identity' ? {} : { 'content-encoding': coding }),
  };
  return { result: 'sent', status: 200, headers, ...bodyOf(request, bytes) };
}

/** How long a file may be kept; and its lasting address, and the value for `integrity`, for whoever looks. */
function keeping({ address, integrity }: ScriptFile, path: string): Readonly<Record<string, string>> {
  const control = path === address ? 'public, max-age=31536000, immutable' : `public, max-age=${firstSeconds}`;
  return { 'cache-control': control, 'barrage-address': address, 'barrage-integrity': integrity };
}

function bodyOf({ method }: ScriptRequest, body: Buffer | string): { readonly body?: Buffer | string } {
  return method === 'HEAD' ? {} : { body };
}

import { limits } from '../../core/limits.ts';
import type { Refusal } from './refusals.ts';

/** Any page may ask, and may read what it needs to keep to the answer. */
const shared = {
  'content-type': 'application/json; charset=utf-8',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'age, date, etag, retry-after',
} as const;

/** The answer to a page that asks whether it may send a token. */
export const preflightHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD',
  'access-control-allow-headers': 'authorization',
  'access-control-max-age': '86400',
};

/** Seconds for which a head is good. */
export const headSeconds = 1;

/** Who may keep an answer: every cache, or the asker's own. */
export type Audience = 'public' | 'private';

/** `Cache-Control` of a head. */
export function headControl(audience: Audience): string {
  return `${audience}, max-age=${headSeconds}`;
}

/**
 * `Cache-Control` of a segment, which lasts as long as all of it is kept.
 * @param lastsMs until history loses its oldest publication, in milliseconds
 */
export function segmentControl(audience: Audience, lastsMs: number): string {
  const seconds = Math.min(limits.pullSegmentSecondsMax, Math.floor(lastsMs / 1000));
  return `${audience}, max-age=${Math.max(0, seconds)}, immutable`;
}

/** The headers of a document, in its form for this asker. */
export function documentHeaders(
  { etag, isGzip, length }: { readonly etag: string; readonly isGzip: boolean; readonly length: number },
  { control, audience }: { readonly control: string; readonly audience: Audience },
): Readonly<Record<string, string>> {
  return {
    ...shared,
    'cache-control': control,
    vary: audience === 'public' ? 'Accept-Encoding' : 'Accept-Encoding, Authorization',
    etag,
    'content-length': String(length),
    ...(isGzip ? { 'content-encoding': 'gzip' } : {}),
  };
}

/** The headers of a document that its asker has already. */
export function unchangedHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('content-')));
}

/** The headers of a refusal. @param audience `private` for a channel that needs a token */
export function refusalHeaders({ maxAgeSeconds, headers = {} }: Refusal, audience: Audience): Readonly<Record<string, string>> {
  const control = maxAgeSeconds === undefined ? 'no-store' : `${audience}, max-age=${maxAgeSeconds}`;
  return { ...shared, 'cache-control': control, ...(audience === 'private' ? { vary: 'Authorization' } : {}), ...headers };
}

/**
 * The first of some codings that an asker takes (RFC 9110, 12.5.3); `undefined` for none. Without the header it gets
 * plain text, which everybody reads.
 */
export function codingOf<Coding extends 'br' | 'gzip'>(acceptEncoding: string | undefined, codings: readonly Coding[]): Coding | undefined {
  const weights = new Map(
    (acceptEncoding ?? '').split(',').map((entry) => {
      const [coding = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
      const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
      return [coding, quality === undefined ? 1 : Number(quality)];
    }),
  );
  return codings.find((coding) => (weights.get(coding) ?? weights.get(`x-${coding}`) ?? weights.get('*') ?? 0) > 0);
}

/** Whether an asker has a document already (RFC 9110, 13.1.2). A cache may have weakened the tag that it compares. */
export function hasAlready(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/** The token of `Authorization: Bearer …`; `undefined` without one. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +([^\s]+) *$/i.exec(authorization ?? '')?.[1];
}

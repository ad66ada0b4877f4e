import type { PublicationOptions, PublishData } from './api.ts';

/** A payload as the API takes it. */
export interface WirePayload {
  readonly d: string;
  readonly t?: 'binary';
}

/**
 * The wire form of a payload.
 * @throws TypeError for what is no payload, or has no JSON
 */
export function payloadOf(data: PublishData): WirePayload {
  if (typeof data === 'string') return { d: data };
  if (data instanceof Uint8Array) return { d: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'), t: 'binary' };
  if (ArrayBuffer.isView(data) || data instanceof ArrayBuffer) throw new TypeError('data: bytes must be a Uint8Array');
  const json: string | undefined = typeof data === 'object' && data !== null ? JSON.stringify(data) : undefined;
  if (json === undefined) throw new TypeError('data: must be a string, a Uint8Array, or an object or list with a JSON form');
  return { d: json };
}

/** A payload as the API gives it. */
export function dataOf({ d, t }: WirePayload): string | Uint8Array {
  return t === 'binary' ? new Uint8Array(Buffer.from(d, 'base64')) : d;
}

/** The fields of a publication that are options, without those that are for the call. */
export function publicationFields({ priority, ttlMs, conflateKey, conflate, count, user }: PublicationOptions): object {
  return { priority, ttlMs, conflateKey, conflate, count, user };
}

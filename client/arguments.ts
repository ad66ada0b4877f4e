import type { TransportName } from './transport/transport.ts';
import { toBase64 } from './wire.ts';

/** A payload for `publish`: text, bytes (a binary publication), or an object, which is sent as its JSON text. */
export type PublishData = string | ArrayBuffer | ArrayBufferView | object;

export interface PublishOptions {
  /** Milliseconds after which the publication is not delivered any more. */
  readonly ttlMs?: number;
  /** Publications with the same key become one within a merge window. */
  readonly conflateKey?: string;
  /** `Latest`: the newest publication replaces the others. `Sum`: the newest one carries the sum of all counts. */
  readonly conflate?: 'Latest' | 'Sum';
  /** The count that this publication adds to a `Sum`. */
  readonly count?: number;
  /**
   * A text of your own, such as `crypto.randomUUID()`: repeated with the same one, the publication is published once.
   * Gateways of an earlier version refuse it.
   */
  readonly idempotencyKey?: string;
  /** W3C `traceparent` of a trace that goes on with this publication. Gateways of an earlier version refuse it. */
  readonly traceparent?: string;
}

/** A payload as a `publish` command carries it: text, or bytes as base64. */
export interface WirePayload {
  readonly data: string;
  readonly kind?: 'binary';
}

/**
 * The wire form of an application's payload: text as it is, bytes as a binary publication, an object as its JSON text.
 * @throws TypeError for any other value, or an object without JSON
 */
export function payloadOf(data: unknown): WirePayload {
  if (typeof data === 'string') return { data };
  // Compared by name: a buffer may come from another frame, which has other classes.
  if (Object.prototype.toString.call(data) === '[object ArrayBuffer]')
    return { data: toBase64(new Uint8Array(data as ArrayBuffer)), kind: 'binary' };
  if (ArrayBuffer.isView(data)) {
    return { data: toBase64(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)), kind: 'binary' };
  }
  if (typeof data !== 'object' || data === null) throw new TypeError(`${taken}, and not ${nameOf(data)}`);
  let json: string | undefined;
  try {
    json = JSON.stringify(data);
  } catch (cause) {
    throw new TypeError(`${taken}; this object has no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  // A Map, a Blob or a Promise has the JSON `{}`, which tells nothing of its content.
  if (json === undefined || (json === '{}' && !isPlain(data))) throw new TypeError(`${taken}; this ${nameOf(data)} has no JSON`);
  return { data: json };
}

/** @throws TypeError for a text that names no channel */
export function channelOf(channel: unknown): string {
  if (typeof channel !== 'string' || channel === '')
    throw new TypeError(`a channel is named by text such as 'video:1', and not by ${nameOf(channel)}`);
  return channel;
}

/** @throws TypeError for an option of another type */
export function publishOptionsOf(options: unknown): PublishOptions {
  const { ttlMs, conflateKey, conflate, count, idempotencyKey, traceparent } = optionsOf(options) as {
    readonly [Name in keyof PublishOptions]: unknown;
  };
  if (conflateKey !== undefined && typeof conflateKey !== 'string')
    throw new TypeError(`conflateKey is text, and not ${nameOf(conflateKey)}`);
  if (conflate !== undefined && conflate !== 'Latest' && conflate !== 'Sum') throw new TypeError(`conflate is 'Latest' or 'Sum'`);
  if (idempotencyKey !== undefined && typeof idempotencyKey !== 'string')
    throw new TypeError(`idempotencyKey is text, and not ${nameOf(idempotencyKey)}`);
  if (traceparent !== undefined && typeof traceparent !== 'string')
    throw new TypeError(`traceparent is text, and not ${nameOf(traceparent)}`);
  return {
    ttlMs: numberOf('ttlMs', ttlMs),
    conflateKey,
    conflate,
    count: numberOf('count', count),
    idempotencyKey,
    traceparent,
  } as PublishOptions;
}

/** @throws TypeError for a density that is neither a number nor absent */
export function densityOf(density: unknown): number | undefined {
  return numberOf('density', density);
}

/**
 * Most publications that wait for a loop.
 * @throws TypeError for anything but a whole number above 0
 */
export function bufferMaxOf(bufferMax: unknown): number {
  if (bufferMax === undefined) return 1000;
  if (!Number.isSafeInteger(bufferMax) || (bufferMax as number) < 1)
    throw new TypeError('bufferMax is a whole number of publications, at least 1');
  return bufferMax as number;
}

/** @throws TypeError for a delay that is neither a function nor absent */
export function delayOf(delay: unknown): (() => number) | undefined {
  if (delay !== undefined && typeof delay !== 'function')
    throw new TypeError(`delay is a function that gives milliseconds, and not ${nameOf(delay)}`);
  return delay as (() => number) | undefined;
}

/**
 * Newest publications to begin with.
 * @throws TypeError for anything but a whole number above 0
 */
export function rewindOf(rewind: unknown): number | undefined {
  if (rewind === undefined) return undefined;
  if (!Number.isSafeInteger(rewind) || (rewind as number) < 1) throw new TypeError('rewind is a whole number of publications, at least 1');
  return rewind as number;
}

/** @throws TypeError for a token that is neither text nor a function nor absent */
export function tokenOf<T>(token: T): T {
  if (token !== undefined && typeof token !== 'string' && typeof token !== 'function') {
    throw new TypeError(`token is text or a function that gives text, and not ${nameOf(token)}`);
  }
  return token;
}

/**
 * The transports that may be used, the best first.
 * @throws TypeError for anything but a list of some of the three
 */
export function transportsOf(transports: unknown): readonly TransportName[] {
  if (transports === undefined) return allTransports;
  const given = Array.isArray(transports) ? [...new Set<unknown>(transports)] : [];
  if (given.length === 0 || !given.every((each) => (allTransports as readonly unknown[]).includes(each)))
    throw new TypeError(`transports is a list of some of ${allTransports.join(', ')}, the best first`);
  return given as readonly TransportName[];
}

/** @throws TypeError for options that are no object */
export function optionsOf(options: unknown): Readonly<Record<string, unknown>> {
  if (typeof options !== 'object' || options === null) throw new TypeError(`options are an object, and not ${nameOf(options)}`);
  return options as Readonly<Record<string, unknown>>;
}

const allTransports: readonly TransportName[] = ['websocket', 'sse', 'pull'];

const taken = 'publish takes text, bytes (an ArrayBuffer or a view of one), or an object, which is sent as JSON';

function numberOf(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new TypeError(`${name} is a finite number, and not ${nameOf(value)}`);
  return value;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'object') return Object.prototype.toString.call(value).slice('[object '.length, -1);
  return typeof value === 'number' || typeof value === 'string'
    ? `the ${typeof value} ${JSON.stringify(value).slice(0, 40)}`
    : typeof value;
}

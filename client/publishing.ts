import { checked, isText, nameOf, optionsOf, type HandedData } from './arguments.ts';
import type { CommandBody } from './command.ts';

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
 * The command that publishes.
 * @throws TypeError for data that can't be published, or an option of another type
 */
export function publishCommand(channel: string, handed: HandedData, options: unknown): CommandBody {
  return { op: 'publish', channel, ...payloadOf(handed), ...publishOptionsOf(options) };
}

/**
 * The wire form of an application's payload: text as it is, bytes as a binary publication, an object as its JSON text.
 * @throws TypeError for any other value, or an object without JSON
 */
function payloadOf({ data, json, cause }: HandedData): WirePayload {
  if (typeof data === 'string') return { data };
  if (data instanceof Uint8Array) return { data: toBase64(data), kind: 'binary' };
  // A Map, a Blob or a Promise has the JSON `{}`, which tells nothing of its content.
  if (typeof data === 'object' && data !== null && json !== undefined && (json !== '{}' || isPlain(data))) return { data: json };
  const why = cause === undefined ? '' : `: ${textOf(cause)}`;
  throw new TypeError(
    `publish takes text, bytes (an ArrayBuffer or a view of one), or an object, which is sent as JSON, and not ${nameOf(data)}${why}`,
  );
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** @throws TypeError for an option of another type */
export function publishOptionsOf(options: unknown): PublishOptions {
  const given = optionsOf(options);
  const take = (names: readonly string[], isGood: (value: unknown) => boolean, what: string): readonly (readonly [string, unknown])[] =>
    names.map((name) => [name, checked(name, given[name], isGood, what)]);
  return Object.fromEntries([
    ...take(['ttlMs', 'count'], Number.isFinite, 'a finite number'),
    ...take(['conflateKey', 'idempotencyKey', 'traceparent'], isText, 'text'),
    ...take(['conflate'], (value) => value === 'Latest' || value === 'Sum', "'Latest' or 'Sum'"),
  ]);
}

/** Bytes as base64. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  // Converted in parts, since a call's arguments are bounded.
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

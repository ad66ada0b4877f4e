import type { IncomingMessage } from 'node:http';
import { limits } from '../core/limits.ts';
import { parseJsonObject } from '../core/json.ts';
import { publisherBounds } from './bounds.ts';
import type { InFlight } from './in-flight.ts';
import type { Parsed } from './request.ts';

/** What arrived as a request's body. `bytes` stay entered in the in-flight bytes until the caller lets them leave. */
export type BodyRead =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'too-large' }
  /** Too many bytes of other requests are in flight. */
  | { readonly kind: 'full' }
  /** The sender went away, or was cut off for being too slow (by the server's `requestTimeout`). */
  | { readonly kind: 'gone' };

/** Collects a request's body, bounded by `limits.requestBytesMax`. After `too-large` and `full` the rest is still arriving. */
export function readBody(request: IncomingMessage, inFlight: InFlight): Promise<BodyRead> {
  if (Number(request.headers['content-length'] ?? 0) > limits.requestBytesMax) return Promise.resolve({ kind: 'too-large' });
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const end = (read: BodyRead): void => {
      if (read.kind !== 'whole') inFlight.leave(length);
      request.off('data', onData).off('end', onEnd).off('close', onClose).pause();
      resolve(read);
    };
    const onData = (chunk: Buffer): void => {
      if (length + chunk.length > limits.requestBytesMax) return end({ kind: 'too-large' });
      if (inFlight.enter(chunk.length) === 'full') return end({ kind: 'full' });
      length += chunk.length;
      chunks.push(chunk);
    };
    const onEnd = (): void => end({ kind: 'whole', bytes: Buffer.concat(chunks, length) });
    const onClose = (): void => end({ kind: 'gone' });
    request.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

/**
 * Reads and throws away what is left of a body, within bounds, so that its sender gets to read the answer: closing a socket with unread
 * bytes resets it, and the answer with it.
 */
export function discardBody(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let discarded = 0;
    const end = (): void => {
      clearTimeout(timer);
      request.off('data', onData);
      resolve();
    };
    const timer = setTimeout(end, publisherBounds.discardingMsMax);
    const onData = (chunk: Buffer): void => {
      discarded += chunk.length;
      if (discarded > publisherBounds.discardedBytesMax) end();
    };
    request.on('data', onData).once('end', end).once('close', end).resume();
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads a body that must be a JSON object in UTF-8. */
export function parseBody(bytes: Buffer): Parsed<Readonly<Record<string, unknown>>> {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { kind: 'fault', message: 'the body is not UTF-8' };
  }
  const parsed = parseJsonObject(text);
  return parsed.kind === 'fault'
    ? { kind: 'fault', message: `the body is not a request: ${parsed.message}` }
    : { kind: 'valid', value: parsed.value };
}

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { parseJsonObject } from '../core/json.ts';
import { publisherBounds } from './bounds.ts';
import type { Parsed } from './request.ts';

/**
 * Reads and discards the rest of a body, within bounds, so that its sender can read the answer. Closing a socket with
 * unread bytes resets it and loses the answer.
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

/** The byte order mark that some senders put before their JSON. */
const mark = Buffer.from([0xef, 0xbb, 0xbf]);

/** Reads a body that must be a JSON object in UTF-8. */
export function parseBody(bytes: Buffer): Parsed<Readonly<Record<string, unknown>>> {
  if (!isUtf8(bytes)) return { kind: 'fault', message: 'the body is not UTF-8' };
  const isMarked = bytes[0] === mark[0] && bytes.subarray(0, mark.length).equals(mark);
  const parsed = parseJsonObject(bytes.toString('utf8', isMarked ? mark.length : 0));
  return parsed.kind === 'fault'
    ? { kind: 'fault', message: `the body is not a request: ${parsed.message}` }
    : { kind: 'valid', value: parsed.value };
}

import type { AppendKeys } from '../idempotency-key.ts';
import { limits } from '../limits.ts';
import type { Publication } from '../publication.ts';

/** Payload bytes of a batch, bounded by `limits.appendBytesMax`. */
export function payloadBytesOf(publications: readonly Publication[]): number {
  let bytes = 0;
  for (const { payload } of publications) bytes += payload.length;
  return bytes;
}

/**
 * Checks a batch against the bounds of `append`.
 * @throws RangeError for an empty batch, or for one that its caller had to split
 */
export function checkAppend(publications: readonly Publication[], keys?: AppendKeys): void {
  const { length } = publications;
  if (length < 1 || length > limits.appendPublicationsMax)
    throw new RangeError(`a batch has 1 to ${limits.appendPublicationsMax} publications, this one has ${length}`);
  const bytes = payloadBytesOf(publications);
  if (bytes > limits.appendBytesMax)
    throw new RangeError(`a batch has at most ${limits.appendBytesMax} bytes of payload, this one has ${bytes}`);
  if (length > 1 && publications.some(({ recall }) => recall !== undefined)) throw new RangeError('a tombstone is appended alone');
  if (keys !== undefined) checkKeys(keys, length);
}

function checkKeys({ keys, windowSeconds }: AppendKeys, publications: number): void {
  if (keys.length !== publications) throw new RangeError(`${keys.length} keys for ${publications} publications`);
  if (!(windowSeconds > 0 && windowSeconds <= limits.keyWindowSecondsMax))
    throw new RangeError(`a window of ${windowSeconds} s, it may have 1 to ${limits.keyWindowSecondsMax}`);
  const ids = keys.flatMap((key) => key?.id ?? []);
  if (new Set(ids).size < ids.length) throw new RangeError('a key stands twice in one append');
}

import { printable } from './terminal-text.ts';

/** A publication as `tail` shows it. */
export interface TailedPublication {
  /** When it arrived here, in Unix milliseconds. */
  readonly at: number;
  readonly channel: string;
  readonly offset: number;
  readonly count: number | undefined;
  readonly data: string | Uint8Array;
}

/** The form for `-o json` and `-o yaml`. Binary payloads are base64. */
export function publicationDocument({ at, channel, offset, count, data }: TailedPublication): Readonly<Record<string, unknown>> {
  const payload =
    typeof data === 'string'
      ? { type: 'text', data }
      : { type: 'binary', data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64') };
  return { time: new Date(at).toISOString(), channel, offset, ...(count === undefined ? {} : { count }), ...payload };
}

/** One line for a person: time of arrival in UTC, offset, payload. A sum has its count, a binary payload its size. */
export function publicationLine({ at, offset, count, data }: TailedPublication): string {
  const time = new Date(at).toISOString().slice(11, 23);
  const times = count === undefined ? '' : ` ×${count}`;
  const payload =
    typeof data === 'string'
      ? printable(data)
      : `(${data.byteLength} bytes) ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')}`;
  return `${time}  #${offset}${times}  ${payload}`;
}

/**
 * The fate of a publication that the publisher could not confirm.
 * @param published the answer's own word on it, where it has one
 */
export function unconfirmedWords(published: unknown): string {
  return published === 'no' ? 'not published' : 'unknown whether it was published';
}

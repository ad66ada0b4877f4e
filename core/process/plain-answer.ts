import { STATUS_CODES } from 'node:http';

/** A body in a port's own form. */
export interface PlainAnswer {
  readonly contentType: string;
  readonly body: string;
}

/** A refusal in the words of plain text. */
export function plainText(words: string): PlainAnswer {
  return { contentType: 'text/plain', body: `${words}\n` };
}

/**
 * An answer as it stands on the wire (RFC 9112), for a socket that no response of the platform belongs to. It is the
 * last one of its connection.
 * @param retryAfterSeconds of `Retry-After`
 */
export function lastAnswer(status: number, { contentType, body }: PlainAnswer, retryAfterSeconds?: number): string {
  const retry = retryAfterSeconds === undefined ? '' : `Retry-After: ${retryAfterSeconds}\r\n`;
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${contentType}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n${retry}Connection: close\r\n\r\n${body}`
  );
}

import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const compress = promisify(gzip);

/** The bytes of a document in one coding, and their strong tag. */
export interface Coded {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** A document as all its askers share it. */
export interface EncodedDocument {
  readonly plain: Coded;
  readonly gzip: Coded;
}

/** Encodes a document once for all who will ask. Equal documents have equal tags, whichever gateway encodes them. */
export async function encodeDocument(text: string): Promise<EncodedDocument> {
  const plain = Buffer.from(text);
  return { plain: coded(plain), gzip: coded(await compress(plain)) };
}

/** Bytes that a document takes in memory. */
export function sizeOf({ plain, gzip }: EncodedDocument): number {
  return plain.bytes.length + gzip.bytes.length;
}

function coded(bytes: Buffer): Coded {
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}

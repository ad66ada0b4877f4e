import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';

/** The bytes read, or that they were too many. Reading stops at the bound, and nothing beyond it is kept. */
export type BoundedRead =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  /** The body is larger than its bound. */
  | { readonly kind: 'too-large' };

export type BodyRead =
  | BoundedRead
  /** Too many bytes of other bodies are in flight. */
  | { readonly kind: 'full' }
  /** The sender went away, or was cut off for being slow (by the server's `requestTimeout`). */
  | { readonly kind: 'gone' };

/**
 * The bytes of all bodies that are being received or answered, bounded together. They are the memory that untrusted
 * senders can fill.
 */
export class BytesInFlight {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  enter(bytes: number): 'entered' | 'full' {
    if (this.#bytes + bytes > this.#bytesMax) return 'full';
    this.#bytes += bytes;
    return 'entered';
  }

  leave(bytes: number): void {
    this.#bytes -= bytes;
    assert(this.#bytes >= 0, 'more bytes left than entered');
  }
}

/** Collects bytes up to a bound. */
class Collected {
  readonly #bytesMax: number;
  #first: Buffer | undefined;
  readonly #others: Buffer[] = [];
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a chunk; `false`, with nothing kept, when the bound would be exceeded. */
  add(chunk: Buffer): boolean {
    if (this.#length + chunk.length > this.#bytesMax) return false;
    this.#length += chunk.length;
    if (this.#first === undefined) this.#first = chunk;
    else this.#others.push(chunk);
    return true;
  }

  /** All bytes. A body of one chunk is not copied; most are. */
  whole(): Buffer {
    const first = this.#first ?? Buffer.alloc(0);
    return this.#others.length === 0 ? first : Buffer.concat([first, ...this.#others], this.#length);
  }
}

/**
 * Reads a request's body; never rejects. The bytes of a `whole` body count in `inFlight` until the caller lets them
 * leave. After `too-large` and `full` the rest of the body is still arriving.
 */
export function readBody(request: IncomingMessage, bytesMax: number, inFlight: BytesInFlight): Promise<BodyRead> {
  if (Number(request.headers['content-length']) > bytesMax) return Promise.resolve({ kind: 'too-large' });
  return new Promise((resolve) => {
    const collected = new Collected(bytesMax);
    let isOver = false;
    const give = (read: BodyRead): void => {
      if (isOver) return;
      isOver = true;
      if (read.kind !== 'whole') {
        inFlight.leave(collected.length);
        request.off('data', onData).pause();
      }
      resolve(read);
    };
    const onData = (chunk: Buffer): void => {
      if (inFlight.enter(chunk.length) === 'full') return give({ kind: 'full' });
      if (collected.add(chunk)) return;
      inFlight.leave(chunk.length);
      give({ kind: 'too-large' });
    };
    request.on('data', onData);
    request.on('end', () => give({ kind: 'whole', bytes: collected.whole() }));
    request.on('close', () => give({ kind: 'gone' }));
  });
}

/**
 * Reads bytes up to a bound, and stops when there are more.
 * @throws the source's error
 */
export async function readChunks(chunks: AsyncIterable<Uint8Array>, bytesMax: number): Promise<BoundedRead> {
  const collected = new Collected(bytesMax);
  for await (const chunk of chunks) {
    if (!collected.add(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))) return { kind: 'too-large' };
  }
  return { kind: 'whole', bytes: collected.whole() };
}

/**
 * Reads the body of an answer to `fetch`. The connection of a body beyond the bound is closed.
 * @throws the connection's error when it breaks
 */
export async function readAnswer(response: Response, bytesMax: number): Promise<BoundedRead> {
  return response.body === null ? { kind: 'whole', bytes: Buffer.alloc(0) } : await readChunks(response.body, bytesMax);
}

/**
 * Reads a regular file in UTF-8. The file may grow meanwhile: the bound applies to the bytes read.
 * @throws Error that names the fault, such as "it is larger than 5 bytes"
 */
export async function readTextFile(path: string, bytesMax: number): Promise<string> {
  const bytes = await readFileBytes(path, bytesMax).catch((error: unknown) => {
    throw new Error(`it can't be read: ${(error as Error).message}`, { cause: error });
  });
  if (bytes === 'not-a-file') throw new Error('it is not a file');
  if (bytes === 'too-large') throw new Error(`it is larger than ${bytesMax} bytes`);
  if (!isUtf8(bytes)) throw new Error('it is not UTF-8');
  return bytes.toString();
}

async function readFileBytes(path: string, bytesMax: number): Promise<Buffer | 'not-a-file' | 'too-large'> {
  // Without O_NONBLOCK opening a named pipe waits for a writer.
  await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stat = await handle.stat();
  if (!stat.isFile()) return 'not-a-file';
  if (stat.size > bytesMax) return 'too-large';
  const read = await readChunks(handle.createReadStream({ autoClose: false, end: bytesMax }), bytesMax);
  return read.kind === 'whole' ? read.bytes : 'too-large';
}

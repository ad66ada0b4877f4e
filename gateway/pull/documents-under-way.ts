import type { ServerResponse } from 'node:http';
import { sizeOf, type EncodedDocument } from './encoded-document.ts';

interface UnderWayBounds {
  /** Bytes of documents, each counted once. */
  readonly bytesMax: number;
  /** Longest time for which a reader takes no byte, in milliseconds. */
  readonly standstillMsMax: number;
}

/**
 * The documents that are being sent. They stay in memory until their slowest reader has them, also when the cache has
 * forgotten them. Their bytes are bounded, each document counted once. So is the time for which a reader stands still.
 */
export class DocumentsUnderWay {
  readonly #bounds: UnderWayBounds;
  readonly #readers = new Map<EncodedDocument, number>();
  #bytes = 0;

  constructor(bounds: UnderWayBounds) {
    this.#bounds = bounds;
  }

  /** Bytes of the documents that somebody is being sent. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts a document until its response has ended; false where it would be beyond the bound. */
  begin(document: EncodedDocument, response: ServerResponse): boolean {
    // An asker that went away while its answer was made: nothing is sent, and no `close` will come any more.
    if (response.destroyed) return true;
    const readers = this.#readers.get(document);
    if (readers === undefined) {
      if (this.#bytes + sizeOf(document) > this.#bounds.bytesMax) return false;
      this.#bytes += sizeOf(document);
    }
    this.#readers.set(document, (readers ?? 0) + 1);
    response.setTimeout(this.#bounds.standstillMsMax, () => void response.destroy());
    response.once('close', () => this.#end(document));
    return true;
  }

  #end(document: EncodedDocument): void {
    const left = (this.#readers.get(document) ?? 1) - 1;
    if (left > 0) {
      this.#readers.set(document, left);
      return;
    }
    this.#readers.delete(document);
    this.#bytes -= sizeOf(document);
  }
}

import assert from 'node:assert/strict';
import { publisherBounds } from './bounds.ts';

/** The bytes of all requests that are being received or answered: what a publisher's memory is bounded by. */
export class InFlight {
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  enter(bytes: number): 'entered' | 'full' {
    if (this.#bytes + bytes > publisherBounds.requestBytesInFlightMax) return 'full';
    this.#bytes += bytes;
    return 'entered';
  }

  leave(bytes: number): void {
    this.#bytes -= bytes;
    assert(this.#bytes >= 0, 'more bytes left than entered');
  }
}

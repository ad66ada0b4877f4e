import assert from 'node:assert/strict';
import { publisherBounds } from './bounds.ts';

/** The bytes of all requests that are being received or answered: what a publisher's memory is bounded by. */
export class InFlight {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = publisherBounds.requestBytesInFlightMax) {
    this.#bytesMax = bytesMax;
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

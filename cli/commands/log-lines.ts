import { StringDecoder } from 'node:string_decoder';

/** Cuts a log that arrives in chunks into lines. Of an overlong line only the beginning is kept. */
export class LogLines {
  readonly #lineBytesMax: number;
  readonly #onLine: (text: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #bytes = 0;
  #count = 0;

  constructor(lineBytesMax: number, onLine: (text: string) => void) {
    this.#lineBytesMax = lineBytesMax;
    this.#onLine = onLine;
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Lines so far. */
  get count(): number {
    return this.#count;
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length;
    const parts = this.#decoder.write(chunk).split('\n');
    for (const [index, part] of parts.entries()) {
      const room = this.#lineBytesMax - this.#rest.length;
      this.#rest += room >= part.length ? part : part.slice(0, Math.max(0, room));
      if (index < parts.length - 1) this.#take();
    }
  }

  /** Takes what has no line end as the last line. */
  end(): void {
    if (this.#rest !== '') this.#take();
  }

  #take(): void {
    this.#count += 1;
    this.#onLine(this.#rest);
    this.#rest = '';
  }
}

import type { BarrageError } from './errors.ts';

/** Errors that have no listener: written to the console, since they must not stay silent. */
export class Unheard {
  readonly #written = new Set<string>();

  /**
   * Writes once for each code, so that a client that tries again for hours writes one line.
   * @param what whose error it is
   */
  write(what: string, { code, message }: BarrageError): void {
    if (this.#written.has(code)) return;
    this.#written.add(code);
    console.error(`Barrage: ${what.slice(0, 300)} has an error that nobody listens for (on('error', …)): ${code}: ${message}`);
  }
}

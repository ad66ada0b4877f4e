import type { CallSignal } from './api.ts';

/**
 * The end of one wait: by a caller's signal, or by a timer. `AbortSignal.any` would do, but in Node 20 it keeps memory
 * for as long as the caller's signal lives.
 */
export class Ending {
  readonly #controller = new AbortController();
  readonly #caller: CallSignal | undefined;
  readonly #follow = (): void => this.#controller.abort(this.#caller?.reason);
  #timer: NodeJS.Timeout | undefined;

  constructor(caller: CallSignal | undefined) {
    this.#caller = caller;
    if (caller?.aborted === true) this.#follow();
    else caller?.addEventListener('abort', this.#follow);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the wait with this reason after so many milliseconds, in place of an earlier timer. */
  after(ms: number, reason: () => unknown): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(reason()), Math.max(0, ms));
  }

  /** The wait is over. */
  forget(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener('abort', this.#follow);
  }
}

import type { Clock } from '../../core/clock.ts';
import { pause } from './deadline.ts';

/** Least length of an outage, in milliseconds. Shorter silences are single failed requests. */
const outageMinMs = 3_000;

/**
 * Tracks whether the API server answers, from all requests of this process. An answer that it can't work now is no
 * answer.
 *
 * An outage begins with a request without an answer, and ends with the first answer to any request. Waits that began
 * because of the outage then end early. Where only some requests are answered there is no outage, and waits keep their
 * length. A client that one of several API servers turned away must not return at the pace of the others' answers.
 */
export class Reachability {
  readonly #clock: Clock;
  readonly #listeners = new Set<(since: number) => void>();
  /** When the first unanswered request since the last answer failed. */
  #silentSince: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A working server answered, even with a refusal. */
  answered(): void {
    const since = this.#silentSince;
    this.#silentSince = undefined;
    if (since === undefined || this.#clock.monotonic() - since < outageMinMs) return;
    for (const listener of this.#listeners) listener(since);
  }

  /** A request got no answer, or the answer of a server that does not work. */
  missed(): void {
    this.#silentSince ??= this.#clock.monotonic();
  }

  /**
   * Calls back at the end of each outage with the time of its first failure.
   * @returns how to call it off
   */
  onReturn(returned: (since: number) => void): () => void {
    this.#listeners.add(returned);
    return () => void this.#listeners.delete(returned);
  }

  /** Waits `ms` milliseconds, or until the signal or the end of an outage. Never rejects. */
  async pause(ms: number, signal?: AbortSignal): Promise<void> {
    const over = new AbortController();
    const end = (): void => over.abort();
    const callOff = this.onReturn(end);
    if (signal?.aborted === true) end();
    signal?.addEventListener('abort', end, { once: true });
    await pause(this.#clock, ms, over.signal);
    callOff();
    signal?.removeEventListener('abort', end);
  }
}

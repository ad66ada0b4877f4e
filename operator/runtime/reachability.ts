import type { Clock } from '../../core/clock.ts';
import { pause } from './deadline.ts';

/** Shorter silences, in milliseconds, are the bad luck of single requests. */
const outageMinMs = 3_000;

/**
 * Whether the API server answers, as all that this process asks it shows together. That it can't do anything just now
 * is no answer.
 *
 * An outage begins with a request that gets no answer and ends with the first answer to any request. Whoever waits
 * because there was no answer goes on then, instead of when its own wait is over. Where some requests are answered and
 * others are not there is no outage, and waits last as long as they were meant to: who is turned away by one of several
 * API servers must not come back at the pace of the others' answers.
 */
export class Reachability {
  readonly #clock: Clock;
  readonly #listeners = new Set<(since: number) => void>();
  /** When the first request went without an answer since the last answer. */
  #silentSince: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request was answered by a server that works, be it with a refusal. */
  answered(): void {
    const since = this.#silentSince;
    this.#silentSince = undefined;
    if (since === undefined || this.#clock.monotonic() - since < outageMinMs) return;
    for (const listener of this.#listeners) listener(since);
  }

  /** A request got no answer, or that of a server that does not work. */
  missed(): void {
    this.#silentSince ??= this.#clock.monotonic();
  }

  /** Calls back at the end of each outage with the time when it was first noticed. Returns how to call it off. */
  onReturn(returned: (since: number) => void): () => void {
    this.#listeners.add(returned);
    return () => void this.#listeners.delete(returned);
  }

  /** Waits `ms` milliseconds, or less where the signal or the end of an outage ends it: never rejects. */
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

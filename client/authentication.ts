import { backoffMs, type BackoffBounds } from '../core/backoff.ts';
import type { ClientClock } from './client-clock.ts';
import type { CommandBody, Settle } from './command.ts';
import { BarrageError } from './errors.ts';

/** A token, or a function that gets a fresh one. */
export type TokenSource = string | (() => Promise<string>);

export interface AuthenticationOptions {
  readonly token: TokenSource;
  readonly clock: ClientClock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Back-off bounds of the attempts to renew a token. */
  readonly bounds: BackoffBounds;
  readonly send: (body: CommandBody, settle: Settle) => void;
  /** Called with the outcome of the first token. */
  readonly onFirst: (error: BarrageError | undefined) => void;
  /** Called when a token could not be renewed; with `retry` the renewal is tried again. */
  readonly onError: (error: BarrageError) => void;
}

// Longest time between a token's renewal and its end, in milliseconds.
const leadMaxMs = 120_000;
// Shortest time before a renewal, in milliseconds, however short the life of a token is.
const renewalMinMs = 1_000;
/** Longest wait for a token function, in milliseconds. */
const tokenTimeoutMs = 10_000;

/**
 * Wait before the renewal of a token that ends in `expiresInMs`, in milliseconds. It leaves time for further attempts.
 * It is spread, so that clients that came together do not renew together.
 */
export function renewalDelayMs(expiresInMs: number, random: () => number): number {
  const lead = Math.min(leadMaxMs, expiresInMs / 2);
  return Math.max(expiresInMs - lead * (1 - random() / 2), renewalMinMs);
}

/** Proves to one connection's gateway who the user is. A token function is called again before its token ends. */
export class Authentication {
  readonly #options: AuthenticationOptions;
  #cancelTimer = (): void => {};
  #attempt = 0;
  #endsAt = 0;
  #isOver = false;

  /** Sends the first token at once. */
  constructor(options: AuthenticationOptions) {
    this.#options = options;
    this.#prove((error, result) => {
      options.onFirst(error);
      if (error === undefined) this.#accepted(result);
    });
  }

  /** Ends the authentication: nothing is sent or reported after this. */
  stop(): void {
    this.#isOver = true;
    this.#cancelTimer();
  }

  #prove(settle: Settle): void {
    const { token, send } = this.#options;
    const settleUnlessOver: Settle = (error, result) => {
      if (!this.#isOver) settle(error, result);
    };
    if (typeof token === 'string') return send({ op: 'auth', token }, settleUnlessOver);
    this.#fetch(token).then(
      (fresh) => {
        if (!this.#isOver) send({ op: 'auth', token: fresh }, settleUnlessOver);
      },
      (cause: unknown) => {
        const why = cause instanceof Error ? cause.message : String(cause);
        settleUnlessOver(new BarrageError('disconnected', `the token could not be had: ${why}`, true), {});
      },
    );
  }

  /** Calls a token function. It may throw, hang, or give any value. */
  #fetch(token: () => Promise<string>): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#cancelTimer = this.#options.clock.after(tokenTimeoutMs, () => {
        reject(new Error(`the token function did not answer in ${tokenTimeoutMs} ms`));
      });
      new Promise<unknown>((begun) => begun(token())).then((fresh) => {
        if (typeof fresh === 'string') resolve(fresh);
        else reject(new TypeError(`the token function must give a string, and gave ${fresh === null ? 'null' : typeof fresh}`));
      }, reject);
    }).finally(() => this.#cancelTimer()) as Promise<string>;
  }

  #accepted(result: { readonly expiresInMs?: unknown }): void {
    const { token, clock, random } = this.#options;
    const { expiresInMs } = result;
    if (this.#isOver || typeof token === 'string' || typeof expiresInMs !== 'number') return;
    this.#attempt = 0;
    this.#endsAt = clock.monotonic() + expiresInMs;
    this.#cancelTimer = clock.after(renewalDelayMs(expiresInMs, random), () => this.#renew());
  }

  #renew(): void {
    const { clock, random, bounds, onError } = this.#options;
    this.#prove((error, result) => {
      if (error === undefined) return this.#accepted(result);
      const retry = clock.monotonic() < this.#endsAt;
      if (retry) this.#cancelTimer = clock.after(backoffMs(this.#attempt++, bounds, random), () => this.#renew());
      onError(new BarrageError(error.code, `the token could not be renewed: ${error.message}`, retry));
    });
  }
}

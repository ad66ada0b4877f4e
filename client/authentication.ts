import { fullJitterMs, type BackoffBounds } from './backoff.ts';
import type { CommandBody, Outcome, Settle } from './connection.ts';
import { BarrageError } from './errors.ts';

/** A token, or where to get a fresh one. */
export type TokenSource = string | (() => Promise<string>);

export interface AuthenticationOptions {
  readonly token: TokenSource;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** Of the attempts to renew a token. */
  readonly bounds: BackoffBounds;
  readonly send: (body: CommandBody, settle: Settle) => void;
  /** What became of the first token. */
  readonly onFirst: (outcome: Outcome) => void;
  /** A token could not be renewed; with `retry` it is tried again. */
  readonly onError: (error: BarrageError) => void;
}

// Longest time before a token's end at which the next is asked for, in milliseconds.
const leadMaxMs = 120_000;
// However short tokens last, they are not asked for more often than this.
const renewalMinMs = 1_000;
// Timers count no further.
const timerMaxMs = 2 ** 31 - 1;

/**
 * How long to wait before fetching what follows a token that is in force for `expiresInMs`, in milliseconds: early enough for second attempts, and
 * spread, so that clients who came together don't ask together.
 */
export function renewalDelayMs(expiresInMs: number, random: () => number): number {
  const lead = Math.min(leadMaxMs, expiresInMs / 2);
  return Math.min(Math.max(expiresInMs - lead * (1 - random() / 2), renewalMinMs), timerMaxMs);
}

/** Tells one connection's gateway who the user is, and, where the source is a function, tells it anew before the token ends. */
export class Authentication {
  readonly #options: AuthenticationOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #endsAt = 0;
  #isOver = false;

  /** Sends the first token at once. */
  constructor(options: AuthenticationOptions) {
    this.#options = options;
    this.#prove((outcome) => {
      options.onFirst(outcome);
      if (outcome.kind === 'result') this.#accepted(outcome.result);
    });
  }

  /** Nothing is sent or told after this. */
  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #prove(settle: Settle): void {
    const { token, send } = this.#options;
    const settleUnlessOver: Settle = (outcome) => {
      if (!this.#isOver) settle(outcome);
    };
    if (typeof token === 'string') return send({ op: 'auth', token }, settleUnlessOver);
    new Promise<string>((resolve) => resolve(token())).then(
      (fresh) => {
        if (!this.#isOver) send({ op: 'auth', token: fresh }, settleUnlessOver);
      },
      (cause: unknown) => {
        const error = new BarrageError('disconnected', `the token could not be had: ${String(cause)}`, true);
        settleUnlessOver({ kind: 'error', error });
      },
    );
  }

  #accepted(result: { readonly expiresInMs?: unknown }): void {
    const { token, now, random } = this.#options;
    const { expiresInMs } = result;
    if (this.#isOver || typeof token === 'string' || typeof expiresInMs !== 'number') return;
    this.#attempt = 0;
    this.#endsAt = now() + expiresInMs;
    this.#timer = setTimeout(() => this.#renew(), renewalDelayMs(expiresInMs, random));
  }

  #renew(): void {
    const { now, random, bounds, onError } = this.#options;
    this.#prove((outcome) => {
      if (outcome.kind === 'result') return this.#accepted(outcome.result);
      const retry = now() < this.#endsAt;
      if (retry) this.#timer = setTimeout(() => this.#renew(), fullJitterMs(this.#attempt++, bounds, random));
      onError(new BarrageError(outcome.error.code, `the token could not be renewed: ${outcome.error.message}`, retry));
    });
  }
}

import { Durations } from '../process/durations.ts';

/**
 * Questions to Redis whose time is measured, from the request to its answer. `append`: a batch. `history`: a page.
 * `call`: a request to one gateway, through Redis and back. `check`: the health check of each connection, twice a
 * second, which tells the way to Redis without any load.
 */
export const roundTrips = ['append', 'history', 'call', 'check'] as const;
export type RoundTrip = (typeof roundTrips)[number];

/** The connections of one process to a master. */
export const connectionPurposes = ['commands', 'subscriptions'] as const;
export type ConnectionPurpose = (typeof connectionPurposes)[number];

/** Payload bytes of channels' histories that this process wrote to Redis, and read from it. */
export type HistoryBytes = Readonly<Record<'kept' | 'read', number>>;

/** Counts of one bus since its start. */
export class BusAccounts {
  readonly #times: Readonly<Record<RoundTrip, Durations>> = {
    append: new Durations(),
    history: new Durations(),
    call: new Durations(),
    check: new Durations(),
  };
  readonly #reconnects = { commands: 0, subscriptions: 0 };
  readonly #historyBytes = { kept: 0, read: 0 };

  get times(): Readonly<Record<RoundTrip, Durations>> {
    return this.#times;
  }

  get reconnects(): Readonly<Record<ConnectionPurpose, number>> {
    return { ...this.#reconnects };
  }

  get historyBytes(): HistoryBytes {
    return { ...this.#historyBytes };
  }

  /** Counts an answer. Questions without one are counted as failures, not as times. */
  answered(question: RoundTrip, ms: number): void {
    this.#times[question].observe(ms / 1000);
  }

  reconnected(purpose: ConnectionPurpose): void {
    this.#reconnects[purpose] += 1;
  }

  /** Counts publications that the bus has kept for a channel's history. */
  kept(bytes: number): void {
    this.#historyBytes.kept += bytes;
  }

  /** Counts publications that were read from a channel's history. */
  read(bytes: number): void {
    this.#historyBytes.read += bytes;
  }
}

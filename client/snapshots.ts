import { backoffMs, type BackoffBounds } from '../core/backoff.ts';
import type { Position } from '../core/publication.ts';
import type { ClientClock } from './client-clock.ts';
import type { Told } from './cursor.ts';
import { BarrageError } from './errors.ts';
import { SnapshotGate, heldForSnapshotBytesMax, heldForSnapshotMax, type AwaitingBatch } from './snapshot-gate.ts';

/** Longest wait for a snapshot, in milliseconds. */
const askTimeoutMs = 30_000;
/** Shortest time without a gap after which the back-off begins anew, in milliseconds. */
const lastingMs = 10_000;

/**
 * Gives the application's own state, as `getState` of a subscription.
 * @param position everything up to here is in the state, and the stream goes on from here
 */
export type GetState = (position: Position) => Promise<unknown>;

/** An application's own state of a channel. The publications after `position` follow it. */
export interface Snapshot {
  readonly channel: string;
  readonly position: Position;
  readonly state: unknown;
}

/** Time and chance of attempts that follow each other. */
export interface AttemptTimes {
  readonly clock: ClientClock;
  /** In [0, 1). */
  readonly random: () => number;
  /** The back-off that the gateway asks for: all clients of a channel may have the same gap. */
  readonly bounds: () => BackoffBounds;
}

export interface SnapshotsOptions<B extends AwaitingBatch> {
  readonly getState: GetState;
  readonly times: AttemptTimes;
  /** The position of the stream. */
  readonly position: () => Position | undefined;
  readonly onSnapshot: (position: Position, state: unknown) => void;
  /** Called when a snapshot can't be had; another attempt follows. */
  readonly onError: (error: BarrageError) => void;
  /** Called with what the subscriber is told. */
  readonly tell: (told: readonly Told<B>[]) => void;
}

/**
 * The snapshots of one subscription: the first when it is in force, and another after each gap. They are asked for one
 * at a time, each after the first with back-off. What the application gave before that is ignored once it is too late.
 */
export class Snapshots<B extends AwaitingBatch> {
  readonly #options: SnapshotsOptions<B>;
  readonly #gate = new SnapshotGate<B>();
  #failures = 0;
  #liveSince: number | undefined;
  #isAsking = false;
  #isOver = false;
  #cancelTimer = (): void => {};

  constructor(options: SnapshotsOptions<B>) {
    this.#options = options;
  }

  /** The subscription is in force, and has a position. */
  joined(): void {
    if (this.#gate.begin()) this.#ask();
  }

  /** Reports of the stream came. */
  arrived(reports: readonly Told<B>[]): void {
    const { told, isBroken } = this.#gate.arrived(reports);
    this.#options.tell(told);
    if (isBroken && !this.#isAsking) this.#later();
  }

  /** The subscription is over. */
  end(): void {
    this.#isOver = true;
    this.#cancelTimer();
  }

  #later(): void {
    if (this.#isOver) return;
    const { clock, random, bounds } = this.#options.times;
    if (this.#liveSince !== undefined && clock.monotonic() - this.#liveSince >= lastingMs) this.#failures = 0;
    this.#liveSince = undefined;
    this.#cancelTimer = clock.after(backoffMs(this.#failures++, bounds(), random), () => this.#ask());
  }

  #ask(): void {
    const { getState, position: positionNow, times } = this.#options;
    const position = positionNow();
    if (position === undefined || this.#isOver) return;
    this.#gate.ask();
    this.#isAsking = true;
    let isSettled = false;
    const settle = (outcome: () => void): void => {
      if (isSettled || this.#isOver) return;
      isSettled = true;
      this.#isAsking = false;
      this.#cancelTimer();
      outcome();
    };
    const failed = (code: 'timeout' | 'snapshot', why: string): void =>
      settle(() => this.#failed(new BarrageError(code, `getState ${why}`, true)));
    this.#cancelTimer = times.clock.after(askTimeoutMs, () => failed('timeout', `gave no state in ${askTimeoutMs} ms`));
    // The application may also throw at once.
    new Promise((resolve) => resolve(getState(position))).then(
      (state) => settle(() => this.#answered(position, state)),
      (cause: unknown) => failed('snapshot', `failed: ${cause instanceof Error ? cause.message : String(cause)}`),
    );
  }

  #answered(position: Position, state: unknown): void {
    const held = this.#gate.answered();
    if (held === undefined) return this.#gate.isOverfull ? this.#failed(tooLate()) : this.#later();
    this.#liveSince = this.#options.times.clock.monotonic();
    this.#options.onSnapshot(position, state);
    this.#options.tell(held);
  }

  #failed(error: BarrageError): void {
    this.#gate.failed();
    this.#later();
    this.#options.onError(error);
  }
}

function tooLate(): BarrageError {
  const most = `${heldForSnapshotMax} publications or ${heldForSnapshotBytesMax} bytes`;
  return new BarrageError('snapshot', `getState took too long: more than ${most} of the channel came meanwhile`, true);
}

import type { ClientClock } from './client-clock.ts';
import type { Connection } from './connection.ts';
import type { BarrageError } from './errors.ts';
import { TransportChoice, type DialFailure } from './transport/choice.ts';
import type { TransportName } from './transport/transport.ts';

export interface TransportUseOptions {
  /** The transports that the application allows, the best first. */
  readonly order: readonly TransportName[];
  readonly clock: ClientClock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Tries to move to a better transport. @returns whether no other move is under way */
  readonly tryBetter: (connection: Connection, better: TransportName) => boolean;
}

/** The transports of one client: what its dials and connections say about them, and when a better one is tried. */
export class TransportUse {
  readonly #options: TransportUseOptions;
  readonly #choice: TransportChoice;
  /** The last dial that came to nothing, while it is not known whether its gateway answers at all. */
  #failed: { readonly transport: TransportName; readonly failure: DialFailure } | undefined;
  #cancelTrial = (): void => {};

  constructor(options: TransportUseOptions) {
    this.#options = options;
    this.#choice = new TransportChoice(options.order);
  }

  /** The transport of the next dial. */
  get next(): TransportName {
    return this.#choice.next;
  }

  /** Whether the application allows it. */
  allows(name: string | undefined): name is TransportName {
    return this.#choice.allows(name);
  }

  /** A gateway asks for this transport. */
  told(name: string): void {
    this.#choice.told(name);
  }

  /** The connection in use is over, or another one takes its place. */
  ended({ greeted, transport }: Connection, error?: BarrageError): void {
    const now = this.#options.clock.monotonic();
    this.stop();
    this.#failed = undefined;
    if (greeted) return this.#choice.ended(transport, now);
    // The gateway itself gave this answer.
    if (error?.code === 'unavailable') return this.#choice.failed(transport, now, 'full');
    const isNever = error !== undefined && ['timeout', 'protocol', 'unsupported'].includes(error.code);
    this.#failed = { transport, failure: isNever ? 'never' : 'unreached' };
  }

  /** The gateway that was dialled last answers requests, so the dial's failure is its transport's. */
  reached(): void {
    if (this.#failed !== undefined) this.#choice.failed(this.#failed.transport, this.#options.clock.monotonic(), this.#failed.failure);
    this.#failed = undefined;
  }

  /** This connection is in use from now on, and ready. */
  settled(connection: Connection): void {
    this.#choice.worked(connection.transport, this.#options.clock.monotonic());
    this.#trySoon(connection);
  }

  /** The trial of a better transport came to nothing: another follows later. */
  trialFailed(connection: Connection | undefined): void {
    this.#choice.retried();
    if (connection !== undefined) this.#trySoon(connection);
  }

  /** Tries nothing more by itself. */
  stop(): void {
    this.#cancelTrial();
  }

  #trySoon(connection: Connection): void {
    const { clock, random, tryBetter } = this.#options;
    this.#cancelTrial();
    if (this.#choice.better === undefined) return;
    this.#cancelTrial = clock.after(this.#choice.retryWaitMs(random()), () => {
      const { better } = this.#choice;
      if (better !== undefined && !tryBetter(connection, better)) this.#trySoon(connection);
    });
  }
}

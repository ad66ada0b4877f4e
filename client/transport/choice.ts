import type { TransportName } from './transport.ts';

/** Failed dials of a transport, one after the other, before the next one is tried. */
export const failuresMax = 2;
/** Time after a transport has worked in which its failed dials say nothing about it, in milliseconds. */
export const trustMs = 60_000;
/** Longest wait before a better transport is tried for the first time, and after many times, in milliseconds. */
export const retryMs = { first: 60_000, longest: 600_000 } as const;

/**
 * What became of a dial. `unreached`: no connection came about. `never`: nothing will, since nothing answers in time or
 * the other end does not know the transport. `full`: the gateway answered that it takes no more connections now.
 */
export type DialFailure = 'unreached' | 'never' | 'full';

/**
 * Chooses the transport of each dial, the preferred one first. A proxy that lets no WebSocket pass shows by dials that
 * fail though none has ever come about. A connection that ends says nothing about its transport: not when it was closed
 * in order, and not when a gateway, or the network, went away with it. So for a minute after a transport has worked it
 * is not given up. Pure: the caller tells the time.
 */
export class TransportChoice {
  readonly #order: readonly TransportName[];
  readonly #workedAt = new Map<TransportName, number>();
  #index = 0;
  #failures = 0;
  #retries = 0;

  /** @param order the transports that the application allows, the best first */
  constructor(order: readonly TransportName[]) {
    this.#order = order;
  }

  /** The transport of the next dial. */
  get next(): TransportName {
    return this.#order[this.#index] ?? 'websocket';
  }

  /** The better transport to try beside the one in use; `undefined` where there is none. They take turns. */
  get better(): TransportName | undefined {
    return this.#index === 0 ? undefined : this.#order[this.#retries % this.#index];
  }

  /** Whether the application allows it. */
  allows(name: string | undefined): name is TransportName {
    return (this.#order as readonly (string | undefined)[]).includes(name);
  }

  /** A gateway said hello. From now on it is the transport to dial with. */
  worked(name: TransportName, now: number): void {
    this.#workedAt.set(name, now);
    this.#use(this.#order.indexOf(name));
  }

  /** A connection on which a gateway had said hello is over: until now the transport worked. */
  ended(name: TransportName, now: number): void {
    this.#workedAt.set(name, now);
  }

  /** A dial came to nothing. */
  failed(name: TransportName, now: number, failure: DialFailure): void {
    if (name !== this.next) return;
    if (failure === 'full') {
      // It is the gateway that says no, so a WebSocket would do as well. One failed dial leads back here.
      this.#use(0);
      this.#failures = failuresMax - 1;
      return;
    }
    if (now - (this.#workedAt.get(name) ?? -Infinity) < trustMs) return;
    this.#failures += failure === 'never' ? failuresMax : 1;
    if (this.#failures >= failuresMax) this.#use((this.#index + 1) % this.#order.length);
  }

  /** A gateway asks for this transport. Nothing changes where the application does not allow it. */
  told(name: string | undefined): void {
    if (this.allows(name)) this.#use(this.#order.indexOf(name));
  }

  /**
   * The wait before `better` is tried, in milliseconds: a minute, and twice as long each time, up to ten minutes.
   * @param random in [0, 1); spreads clients that fell back together
   */
  retryWaitMs(random: number): number {
    return Math.min(retryMs.longest, retryMs.first * 2 ** Math.min(this.#retries, 10)) * (0.5 + random / 2);
  }

  /** `better` was tried in vain. */
  retried(): void {
    this.#retries++;
  }

  #use(index: number): void {
    if (index !== this.#index) this.#retries = 0;
    this.#index = Math.max(0, index);
    this.#failures = 0;
  }
}

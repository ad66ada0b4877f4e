import type { BusState } from '../core/bus/bus.ts';
import type { Pool } from '../core/process/pool.ts';

/** What a gateway may have to wait for. */
export interface ReadinessOptions {
  readonly pool: Pool;
  readonly busState: () => BusState;
  readonly hasNumber: () => boolean;
  readonly isDraining: () => boolean;
}

/** Whether a gateway takes clients, and what it waits for where it does not. */
export class Readiness {
  readonly #options: ReadinessOptions;
  #isLeaving = false;

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** From now on the gateway takes nobody. */
  leave(): void {
    this.#isLeaving = true;
  }

  /** Before the first document the policies are unknown: no subscription can be judged. */
  get isWithoutDocument(): boolean {
    const { pool } = this.#options;
    return pool.publicKeyPem !== '' && pool.document === undefined;
  }

  /** Whether it takes no clients. A bus that is away does not count: rooms that are open go on. */
  get isUnready(): boolean {
    const { isDraining, hasNumber } = this.#options;
    return this.#isLeaving || isDraining() || this.isWithoutDocument || !hasNumber();
  }

  /** What it waits for, in words; empty when it is ready. */
  get waitingFor(): readonly string[] {
    const { busState, hasNumber, isDraining } = this.#options;
    const state = busState();
    return [
      ...(this.#isLeaving ? ['nothing: this gateway is leaving'] : []),
      ...(isDraining() && !this.#isLeaving ? ['nothing: this gateway is draining'] : []),
      ...(this.isWithoutDocument ? ['a pool document'] : []),
      ...(hasNumber() ? [] : ['a gateway number']),
      ...(state.up ? [] : [`the bus: ${state.reason}`]),
    ];
  }
}

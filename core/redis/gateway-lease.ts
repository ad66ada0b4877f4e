import { BusUnavailable } from '../bus/bus.ts';
import { gatewayNumberMax } from '../client-id.ts';
import type { Clock } from '../clock.ts';
import type { RedisNames } from './keys.ts';
import type { Masters } from './masters.ts';
import type { ProcessJournal } from '../process/log-lines.ts';

/** Time for which a lease holds after its last renewal, in milliseconds. */
const holdMs = 10_000;
const renewIntervalMs = 3000;
/** Interval between attempts to take one number that another gateway has, in milliseconds. */
const claimIntervalMs = 1000;

/**
 * A gateway number that no other gateway of this bus has. The lease is renewed until `release`. When Redis lost it (a
 * restart without data), the same number is taken again. When another gateway took it first, `onHeld('lost')` is
 * called; `onHeld('held')` follows if the number comes back.
 */
export class GatewayLease {
  readonly number: number;
  onHeld: (state: 'held' | 'lost') => void = () => undefined;
  readonly #masters: Masters;
  readonly #key: string;
  readonly #token: string;
  readonly #journal: ProcessJournal | undefined;
  readonly #stopRenewing: () => void;
  #state: 'held' | 'lost' = 'held';
  #released = false;

  private constructor(number: number, options: LeaseOptions) {
    this.number = number;
    this.#masters = options.masters;
    this.#key = options.names.gatewayLease(number);
    this.#token = options.token;
    this.#journal = options.journal;
    this.#stopRenewing = options.clock.every(renewIntervalMs, () => void this.renew());
  }

  /**
   * Takes a free number, with a random first try. After a restart of Redis without data, a search from 0 could take
   * numbers of running gateways before they renew.
   * @throws BusUnavailable
   */
  static async take(options: LeaseOptions): Promise<GatewayLease> {
    const first = Math.floor(options.random() * gatewayNumberMax);
    for (let attempt = 0; attempt < gatewayNumberMax; attempt++) {
      const number = 1 + ((first + attempt) % gatewayNumberMax);
      const key = options.names.gatewayLease(number);
      const taken = await options.masters.run(key, ({ client }) => client.barrageLease(key, options.token, holdMs));
      if (taken === 1) return new GatewayLease(number, options);
    }
    throw new BusUnavailable('every gateway number is taken');
  }

  /**
   * Takes this number, if it is free. 'kin': another bus of this process has it, since both lead to the same Redis.
   * @throws BusUnavailable, or the error of Redis
   */
  static async takeOnly(number: number, options: LeaseOptions): Promise<GatewayLease | 'kin' | 'taken'> {
    const key = options.names.gatewayLease(number);
    const answer = await options.masters.run(key, ({ client }) => client.barrageLease(key, options.token, holdMs));
    if (answer === 1) return new GatewayLease(number, options);
    return answer === 2 ? 'kin' : 'taken';
  }

  /** Renews now. Never fails: the next turn repeats a renewal that Redis could not do. */
  async renew(): Promise<void> {
    try {
      const held = await this.#masters.run(this.#key, ({ client }) => client.barrageLease(this.#key, this.#token, holdMs));
      if (!this.#released) this.#become(held === 1 ? 'held' : 'lost');
    } catch {
      // The connection reports its own failures.
    }
  }

  async release(): Promise<void> {
    this.#released = true;
    this.#stopRenewing();
    try {
      await this.#masters.run(this.#key, ({ client }) => client.barrageRelease(this.#key, this.#token));
    } catch {
      // The lease then expires by itself.
    }
  }

  #become(state: 'held' | 'lost'): void {
    if (state === this.#state) return;
    this.#state = state;
    if (state === 'lost') this.#journal?.write('gateway-number-lost', { gateway: this.number });
    else this.#journal?.write('gateway-number-back', { gateway: this.number });
    this.onHeld(state);
  }
}

/**
 * Takes the number that this process has on another bus. Tried again until it has the number, or `end`.
 */
export class NumberClaim {
  readonly #number: number;
  readonly #options: LeaseOptions;
  readonly #onTaken: (lease: GatewayLease) => void;
  readonly #stopTrying: () => void;
  #state: 'claiming' | 'kin' | 'done' = 'claiming';
  #isTrying = false;
  #hasWarned = false;

  constructor(options: LeaseOptions & { readonly number: number; readonly onTaken: (lease: GatewayLease) => void }) {
    this.#number = options.number;
    this.#options = options;
    this.#onTaken = options.onTaken;
    this.#stopTrying = options.clock.every(claimIntervalMs, () => void this.try());
    void this.try();
  }

  /** Whether another bus of this process has the number: calls reach the process there. */
  get isHeldByKin(): boolean {
    return this.#state === 'kin';
  }

  /** Tries now. Never fails. */
  async try(): Promise<void> {
    if (this.#isTrying || this.#state === 'done') return;
    this.#isTrying = true;
    try {
      this.#settle(await GatewayLease.takeOnly(this.#number, this.#options));
    } catch {
      // The connection reports its own failures.
    } finally {
      this.#isTrying = false;
    }
  }

  end(): void {
    this.#state = 'done';
    this.#stopTrying();
  }

  #settle(taken: GatewayLease | 'kin' | 'taken'): void {
    if (taken === 'kin' || taken === 'taken') {
      if (this.#state !== 'done') this.#state = taken === 'kin' ? 'kin' : 'claiming';
      if (taken === 'taken') this.#warn();
    } else if (this.#state === 'done') {
      void taken.release();
    } else {
      this.end();
      this.#onTaken(taken);
    }
  }

  #warn(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#options.journal?.write('gateway-number-taken', { gateway: this.#number });
  }
}

interface LeaseOptions {
  readonly masters: Masters;
  readonly names: RedisNames;
  /** Token of the owner: this process. */
  readonly token: string;
  readonly clock: Pick<Clock, 'every'>;
  readonly random: () => number;
  readonly journal: ProcessJournal | undefined;
}

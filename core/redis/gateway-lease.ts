import { BusUnavailable } from '../bus/bus.ts';
import { gatewayNumberMax } from '../client-id.ts';
import type { Clock } from '../clock.ts';
import type { RedisNames } from './keys.ts';
import type { Masters } from './masters.ts';
import type { BusLogger } from '../process/sparse-log.ts';

/** Time for which a lease holds after its last renewal, in milliseconds. */
const holdMs = 10_000;
const renewIntervalMs = 3000;

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
  readonly #logger: BusLogger | undefined;
  readonly #stopRenewing: () => void;
  #state: 'held' | 'lost' = 'held';
  #released = false;

  private constructor(number: number, options: LeaseOptions) {
    this.number = number;
    this.#masters = options.masters;
    this.#key = options.names.gatewayLease(number);
    this.#token = options.token;
    this.#logger = options.logger;
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
    if (state === 'lost') this.#logger?.error({ gateway: this.number }, 'another gateway has this gateway number; calls to it go there');
    else this.#logger?.info({ gateway: this.number }, 'this gateway has its number again');
    this.onHeld(state);
  }
}

interface LeaseOptions {
  readonly masters: Masters;
  readonly names: RedisNames;
  /** Token of the owner: this process. */
  readonly token: string;
  readonly clock: Pick<Clock, 'every'>;
  readonly random: () => number;
  readonly logger: BusLogger | undefined;
}

import { BusUnavailable } from '../bus/bus.ts';
import { gatewayNumberMax } from '../client-id.ts';
import type { Clock } from '../clock.ts';
import type { RedisNames } from './keys.ts';
import type { Masters } from './masters.ts';
import type { BusLogger } from '../process/sparse-log.ts';

/** How long a gateway number stays taken after its owner's last renewal, in milliseconds. */
const holdMs = 10_000;
const renewIntervalMs = 3000;

/**
 * A gateway number that no other gateway of this bus has. The lease is renewed until `release`; where Redis lost it (a
 * restart without data) the same number is taken again. If somebody else has it by then, `onHeld('lost')` is called,
 * and 'held' should it come back.
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
   * Takes a free number. The search begins anywhere: after a restart of Redis without data a new gateway would
   * otherwise take the first number before its owner took it again.
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

  /** Renews now; never fails: what Redis can't do now is done at the next turn. */
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
      // It ends by itself.
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
  /** Names the owner, this process. */
  readonly token: string;
  readonly clock: Pick<Clock, 'every'>;
  readonly random: () => number;
  readonly logger: BusLogger | undefined;
}

import { BusUnavailable, type GatewayCalls, type GatewayServer } from '../core/bus/bus.ts';
import { ClientIds } from '../core/client-id.ts';
import { systemClock } from '../core/process/system-clock.ts';
import type { SparseLog } from '../core/process/sparse-log.ts';
import type { GatewayJournal } from './accounts/log-lines.ts';

const busRetryMs = 500;

/** The number that the bus leases to this gateway. The ids of its clients contain it. */
export class GatewayNumber {
  readonly #journal: GatewayJournal;
  readonly #waiting: SparseLog;
  #ids: ClientIds | undefined;
  #isWanted = true;

  constructor(journal: GatewayJournal) {
    this.#journal = journal;
    this.#waiting = journal.sparse('bus-awaited');
  }

  get isKnown(): boolean {
    return this.#ids !== undefined;
  }

  /** The id of one more client; 0 without a number, when no client is accepted. */
  nextId(): number {
    return this.#ids?.next() ?? 0;
  }

  /**
   * Takes the number, now or as soon as the bus is there. Until then the gateway is alive but not ready, and accepts no
   * client: a late bus must not restart gateways.
   */
  async take(calls: Pick<GatewayCalls, 'serve'>, server: GatewayServer): Promise<void> {
    if (!this.#isWanted) return;
    try {
      this.#ids = new ClientIds(await calls.serve(server), systemClock.wall());
    } catch (error) {
      if (!(error instanceof BusUnavailable)) throw error;
      this.#waiting.warn(error);
      setTimeout(() => {
        this.take(calls, server).catch((fault: unknown) => this.#journal.write('gateway-number-refused', { err: fault }));
      }, busRetryMs);
    }
  }

  /** The gateway is leaving: a number that it has not got yet is of no use. */
  giveUp(): void {
    this.#isWanted = false;
  }
}

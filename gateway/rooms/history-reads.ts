import { BusUnavailable, type ChannelLog } from '../../core/bus/bus.ts';
import type { Clock } from '../../core/clock.ts';
import type { HistoryPage, HistoryQuery } from '../../core/history.ts';
import { limits } from '../../core/limits.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';

/** A read that waits for its turn. */
interface WaitingRead {
  begin(): void;
}

/**
 * One gateway's reads of histories. At most `limits.historyReadsMax` are under way, so that a bus that comes back is
 * not met by one read for each room at once. The others wait, first in, first out, for at most `limits.holeMsMax`.
 */
export class HistoryReads {
  readonly #log: Pick<ChannelLog, 'history'>;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #metrics: Pick<GatewayMetrics, 'historyReads'>;
  readonly #waiting = new Set<WaitingRead>();
  #underWay = 0;

  constructor(options: {
    readonly log: Pick<ChannelLog, 'history'>;
    readonly clock: Pick<Clock, 'after'>;
    readonly metrics: Pick<GatewayMetrics, 'historyReads'>;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
  }

  /**
   * Reads a page of a channel's history.
   * @throws BusUnavailable, also when its turn does not come in time
   */
  async read(channel: string, query: HistoryQuery): Promise<HistoryPage> {
    this.#metrics.historyReads++;
    try {
      if (this.#underWay >= limits.historyReadsMax) await this.#turn();
      else this.#underWay++;
      try {
        return await this.#log.history(channel, query);
      } finally {
        this.#underWay--;
        const [next] = this.#waiting;
        next?.begin();
      }
    } finally {
      this.#metrics.historyReads--;
    }
  }

  /** Resolves with a place among those under way. */
  #turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: WaitingRead = {
        begin: () => {
          this.#waiting.delete(waiting);
          callOff();
          this.#underWay++;
          resolve();
        },
      };
      const callOff = this.#clock.after(limits.holeMsMax, () => {
        this.#waiting.delete(waiting);
        reject(new BusUnavailable('too many reads of histories wait for the bus'));
      });
      this.#waiting.add(waiting);
    });
  }
}

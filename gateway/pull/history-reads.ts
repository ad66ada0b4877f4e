import type { ChannelLog } from '../../core/bus/bus.ts';
import type { Clock } from '../../core/clock.ts';
import type { HistoryPage, HistoryQuery } from '../../core/history.ts';
import { limits } from '../../core/limits.ts';
import { TokenBucket } from '../../core/token-bucket.ts';

/** The bus may be asked again in a moment: too many reads are under way, or were begun in this second. */
export class TooManyReads extends Error {
  override readonly name = 'TooManyReads';
}

/**
 * Reads history for pull. It bounds what askers of ever other channels can ask of the bus, and the pages that are in
 * memory at once.
 */
export class HistoryReads {
  readonly #log: Pick<ChannelLog, 'history'>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #onRead: () => void;
  readonly #bucket: TokenBucket;
  #inFlight = 0;

  constructor(options: {
    readonly log: Pick<ChannelLog, 'history'>;
    readonly clock: Pick<Clock, 'monotonic'>;
    readonly onRead: () => void;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#onRead = options.onRead;
    this.#bucket = new TokenBucket(limits.pullReadsPerSecondMax, options.clock.monotonic());
  }

  /** @throws TooManyReads, BusUnavailable */
  async read(channel: string, query: HistoryQuery): Promise<HistoryPage> {
    const rate = limits.pullReadsPerSecondMax;
    if (this.#inFlight >= limits.pullReadsInFlightMax || !this.#bucket.tryTake(this.#clock.monotonic(), rate, rate))
      throw new TooManyReads('too many reads of the history');
    this.#inFlight++;
    this.#onRead();
    try {
      return await this.#log.history(channel, query);
    } finally {
      this.#inFlight--;
    }
  }
}

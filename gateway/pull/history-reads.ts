import type { ChannelLog } from '../../core/bus/bus.ts';
import type { Clock } from '../../core/clock.ts';
import type { HistoryPage, HistoryQuery } from '../../core/history.ts';
import { limits } from '../../core/limits.ts';
import { TokenBucket } from '../../core/token-bucket.ts';

/** The bus may be asked again in a moment: too many reads are under way, or were begun in this second. */
export class TooManyReads extends Error {
  override readonly name = 'TooManyReads';
}

/** Whether a channel is known to have publications. */
export type AskedChannel = 'known' | 'unknown';

/**
 * Reads history for pull. It bounds what askers can ask of the bus, and the pages that are in memory at once. Channels
 * without a known publication have half of it, so that askers of ever other names leave the rest to channels that
 * exist.
 */
export class HistoryReads {
  readonly #log: Pick<ChannelLog, 'history'>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #onRead: () => void;
  readonly #onRefused: ((of: AskedChannel) => void) | undefined;
  readonly #all: Share;
  readonly #unknown: Share;

  constructor(options: {
    readonly log: Pick<ChannelLog, 'history'>;
    readonly clock: Pick<Clock, 'monotonic'>;
    readonly onRead: () => void;
    readonly onRefused?: (of: AskedChannel) => void;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#onRead = options.onRead;
    this.#onRefused = options.onRefused;
    const now = options.clock.monotonic();
    this.#all = new Share({ perSecond: limits.pullReadsPerSecondMax, inFlight: limits.pullReadsInFlightMax, now });
    this.#unknown = new Share({ perSecond: limits.pullUnknownReadsPerSecondMax, inFlight: limits.pullUnknownReadsInFlightMax, now });
  }

  /** @throws TooManyReads, BusUnavailable */
  async read(channel: string, query: HistoryQuery, of: AskedChannel): Promise<HistoryPage> {
    const shares = of === 'unknown' ? [this.#unknown, this.#all] : [this.#all];
    const now = this.#clock.monotonic();
    if (!shares.every((share) => share.has(now))) {
      this.#onRefused?.(of);
      throw new TooManyReads('too many reads of the history');
    }
    for (const share of shares) share.begin();
    this.#onRead();
    try {
      return await this.#log.history(channel, query);
    } finally {
      for (const share of shares) share.end();
    }
  }
}

/** Reads in a second, and reads under way, of some channels. */
class Share {
  readonly #perSecond: number;
  readonly #inFlightMax: number;
  readonly #bucket: TokenBucket;
  #inFlight = 0;

  constructor({ perSecond, inFlight, now }: { readonly perSecond: number; readonly inFlight: number; readonly now: number }) {
    this.#perSecond = perSecond;
    this.#inFlightMax = inFlight;
    this.#bucket = new TokenBucket(perSecond, now);
  }

  has(now: number): boolean {
    return this.#inFlight < this.#inFlightMax && this.#bucket.available(now, this.#perSecond, this.#perSecond) >= 1;
  }

  begin(): void {
    this.#bucket.take(1);
    this.#inFlight++;
  }

  end(): void {
    this.#inFlight--;
  }
}

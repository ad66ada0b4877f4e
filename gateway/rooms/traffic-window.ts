import { channelOwner } from '../../core/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import { priorities } from '../../core/publication.ts';
import { inSlices } from '../../core/slices.ts';
import { busiestWindowSeconds, type ChannelTraffic } from '../accounts/busiest-channels.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';
import { dropReasons, type DropReason, type Tally } from '../accounts/tally.ts';
import { Largest } from './top-channels.ts';

/** A room as the window knows it. Its counts only grow. */
export interface MeasuredRoom {
  readonly channel: string;
  readonly size: number;
  readonly tally: Tally;
  /** CPU time of its flushes, and its publications, as of the last look at its load. */
  readonly totals: { readonly spentMs: number; readonly publications: number };
}

interface Counts {
  readonly spentMs: number;
  readonly publications: number;
  readonly delivered: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/**
 * Finds the channels with the most load and the most drops in each window. It knows the rooms with traffic in this
 * window or the last, and nothing of the others.
 */
export class TrafficWindow {
  readonly #clock: Pick<Clock, 'monotonic' | 'soon' | 'every'>;
  readonly #metrics: Pick<GatewayMetrics, 'busiest' | 'loopSlice'>;
  /** Counts at the beginning of the window, of the rooms that had traffic since. */
  readonly #before = new Map<MeasuredRoom, Counts>();
  #beganAt: number;
  #isMeasuring = false;
  readonly #stop: () => void;

  /** @param options.metrics is given the busiest channels at the end of each window */
  constructor({
    clock,
    metrics,
  }: {
    readonly clock: Pick<Clock, 'monotonic' | 'soon' | 'every'>;
    readonly metrics: Pick<GatewayMetrics, 'busiest' | 'loopSlice'>;
  }) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#beganAt = clock.monotonic();
    this.#stop = clock.every(busiestWindowSeconds * 1000, () => this.#measure());
  }

  /** Notes that a room has traffic, before that is counted. A user's channel is left out: it names the user. */
  noted(room: MeasuredRoom): void {
    if (channelOwner(room.channel) !== undefined) return;
    if (!this.#before.has(room)) this.#before.set(room, countsOf(room));
  }

  closed(room: MeasuredRoom): void {
    this.#before.delete(room);
  }

  close(): void {
    this.#stop();
  }

  #measure(): void {
    if (this.#isMeasuring) return;
    this.#isMeasuring = true;
    const now = this.#clock.monotonic();
    const seconds = (now - this.#beganAt) / 1000;
    this.#beganAt = now;
    const loaded = new Largest<ChannelTraffic>(limits.topChannelsMax, ({ loadRatio }) => loadRatio);
    const dropping = new Largest<ChannelTraffic>(limits.topChannelsMax, ({ droppedPerSecond }) => sumOf(droppedPerSecond));
    inSlices([...this.#before], {
      clock: this.#clock,
      onSlice: (milliseconds) => this.#metrics.loopSlice('cadence', milliseconds),
      step: ([room, before]) => {
        if (!this.#before.has(room)) return;
        const counts = countsOf(room);
        const traffic = trafficOf(room, { before, counts, seconds });
        if (traffic.loadRatio > 0) loaded.offer(traffic);
        if (sumOf(traffic.droppedPerSecond) > 0) dropping.offer(traffic);
        if (isQuiet(traffic)) this.#before.delete(room);
        else this.#before.set(room, counts);
      },
      onDone: () => {
        this.#isMeasuring = false;
        this.#metrics.busiest = { loaded: loaded.items, dropping: dropping.items };
      },
    });
  }
}

function countsOf({ tally, totals: { spentMs, publications } }: MeasuredRoom): Counts {
  const count = (kind: 'delivered' | DropReason): number => priorities.reduce((sum, priority) => sum + tally.count(kind, priority), 0);
  return { spentMs, publications, delivered: count('delivered'), dropped: byReason(count) };
}

function trafficOf(
  { channel, size }: MeasuredRoom,
  { before, counts, seconds }: { readonly before: Counts; readonly counts: Counts; readonly seconds: number },
): ChannelTraffic {
  return {
    channel,
    members: size,
    loadRatio: (counts.spentMs - before.spentMs) / 1000 / seconds,
    publicationsPerSecond: (counts.publications - before.publications) / seconds,
    deliveredPerSecond: (counts.delivered - before.delivered) / seconds,
    droppedPerSecond: byReason((reason) => (counts.dropped[reason] - before.dropped[reason]) / seconds),
  };
}

function isQuiet({ loadRatio, publicationsPerSecond, deliveredPerSecond, droppedPerSecond }: ChannelTraffic): boolean {
  return loadRatio + publicationsPerSecond + deliveredPerSecond + sumOf(droppedPerSecond) === 0;
}

function byReason(read: (reason: DropReason) => number): Readonly<Record<DropReason, number>> {
  return Object.fromEntries(dropReasons.map((reason) => [reason, read(reason)])) as Record<DropReason, number>;
}

function sumOf(counts: Readonly<Record<DropReason, number>>): number {
  return dropReasons.reduce((sum, reason) => sum + counts[reason], 0);
}

import { performance, type EventLoopUtilization } from 'node:perf_hooks';

const sampleMs = 1_000;
/** Number of samples in the figures. */
const samplesMax = 5;

interface Sample {
  readonly at: number;
  readonly loop: EventLoopUtilization;
  readonly bytesSent: number;
  readonly refused: number;
}

/** What a process has done since its start. */
export interface LoadTotals {
  readonly bytesSent: () => number;
  /** Connections refused because it has all that it takes. */
  readonly refused: () => number;
}

/** Measures a process's load over the last five seconds. */
export class LoadMeter {
  readonly #totals: LoadTotals;
  readonly #samples: Sample[];
  readonly #timer: NodeJS.Timeout;

  constructor(totals: LoadTotals) {
    this.#totals = totals;
    this.#samples = [this.#sample()];
    this.#timer = setInterval(() => {
      this.#samples.push(this.#sample());
      if (this.#samples.length > samplesMax) this.#samples.shift();
    }, sampleMs).unref();
  }

  /** `loopUtilization` is 0 to 1. */
  read(): { readonly loopUtilization: number; readonly bytesSentPerSecond: number; readonly refusedPerSecond: number } {
    const now = this.#sample();
    const [before = now] = this.#samples;
    const seconds = (now.at - before.at) / 1000;
    const rate = (total: number): number => (seconds > 0 ? Math.max(0, total / seconds) : 0);
    return {
      loopUtilization: Math.min(1, Math.max(0, performance.eventLoopUtilization(now.loop, before.loop).utilization || 0)),
      bytesSentPerSecond: rate(now.bytesSent - before.bytesSent),
      refusedPerSecond: rate(now.refused - before.refused),
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sample(): Sample {
    return {
      at: performance.now(),
      loop: performance.eventLoopUtilization(),
      bytesSent: this.#totals.bytesSent(),
      refused: this.#totals.refused(),
    };
  }
}

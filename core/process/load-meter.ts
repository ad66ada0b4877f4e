import { performance, type EventLoopUtilization } from 'node:perf_hooks';

const sampleMs = 1_000;
/** Number of samples in the figures. */
const samplesMax = 5;

interface Sample {
  readonly at: number;
  readonly loop: EventLoopUtilization;
  readonly bytesSent: number;
}

/** Measures a process's load over the last five seconds. */
export class LoadMeter {
  readonly #bytesSent: () => number;
  readonly #samples: Sample[];
  readonly #timer: NodeJS.Timeout;

  /** @param bytesSent total of bytes sent so far */
  constructor(bytesSent: () => number) {
    this.#bytesSent = bytesSent;
    this.#samples = [this.#sample()];
    this.#timer = setInterval(() => {
      this.#samples.push(this.#sample());
      if (this.#samples.length > samplesMax) this.#samples.shift();
    }, sampleMs).unref();
  }

  /** `loopUtilization` is 0 to 1. */
  read(): { readonly loopUtilization: number; readonly bytesSentPerSecond: number } {
    const now = this.#sample();
    const [before = now] = this.#samples;
    const seconds = (now.at - before.at) / 1000;
    return {
      loopUtilization: Math.min(1, Math.max(0, performance.eventLoopUtilization(now.loop, before.loop).utilization || 0)),
      bytesSentPerSecond: seconds > 0 ? Math.max(0, (now.bytesSent - before.bytesSent) / seconds) : 0,
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sample(): Sample {
    return { at: performance.now(), loop: performance.eventLoopUtilization(), bytesSent: this.#bytesSent() };
  }
}

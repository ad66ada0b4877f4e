/** Events a second, over a sliding window of whole seconds. */
export class Rate {
  readonly #seconds: number[];
  #current = -1;
  #firstSecond: number | undefined;

  constructor(windowSeconds: number) {
    this.#seconds = Array.from({ length: windowSeconds }, () => 0);
  }

  add(count: number, now: number): void {
    this.#advance(now);
    this.#firstSecond ??= this.#current;
    const slot = this.#current % this.#seconds.length;
    this.#seconds[slot] = (this.#seconds[slot] ?? 0) + count;
  }

  /** Mean of the whole seconds before the present one, from the first second with an event. */
  perSecond(now: number): number {
    this.#advance(now);
    const present = this.#seconds[this.#current % this.#seconds.length] ?? 0;
    const sum = this.#seconds.reduce((total, count) => total + count, 0) - present;
    const seconds = Math.min(this.#seconds.length - 1, this.#current - (this.#firstSecond ?? this.#current));
    return seconds === 0 ? 0 : sum / seconds;
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    if (this.#current < 0 || second - this.#current >= this.#seconds.length) {
      this.#seconds.fill(0);
      this.#current = second;
    }
    while (this.#current < second) {
      this.#current++;
      this.#seconds[this.#current % this.#seconds.length] = 0;
    }
  }
}

/** The last few values of a figure. */
export class Recent {
  readonly #values: number[] = [];
  readonly #countMax: number;
  #next = 0;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  add(value: number): void {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#countMax;
  }

  clear(): void {
    this.#values.length = 0;
    this.#next = 0;
  }

  mean(): number | undefined {
    if (this.#values.length === 0) return undefined;
    return this.#values.reduce((sum, value) => sum + value, 0) / this.#values.length;
  }

  median(): number | undefined {
    return this.#values.toSorted((a, b) => a - b)[this.#values.length >> 1];
  }
}

/** This page's publications since it was opened, and the batches that they came in. */
export class Tally {
  readonly received = new Rate(6);
  readonly batches = new Rate(6);
  readonly batchSizes = new Recent(20);
  readonly agesMs = new Recent(50);
  publications = 0;
  leftOut = 0;
  gaps = 0;
  notShown = 0;
  likes = 0;

  /** Counts one batch with its number of publications. */
  batch(publications: number, leftOut: number, now: number): void {
    this.publications += publications;
    this.leftOut += leftOut;
    if (publications === 0) return;
    this.received.add(publications, now);
    this.batches.add(1, now);
    this.batchSizes.add(publications);
  }

  /** Share of frames that merging has saved over the last seconds, 0 to 1. */
  mergedShare(now: number): number {
    const received = this.received.perSecond(now);
    return received === 0 ? 0 : 1 - this.batches.perSecond(now) / received;
  }
}

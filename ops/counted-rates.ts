/** Rates of sums by name: how much each has risen a second since they were last given. */
export class CountedRates {
  #before: { readonly at: number; readonly sums: Readonly<Record<string, number>> } | undefined;
  #rates: Readonly<Record<string, number>> = {};

  /** The rates between the last two times; empty before. */
  get rates(): Readonly<Record<string, number>> {
    return this.#rates;
  }

  /** @param at milliseconds of the monotonic clock */
  add(sums: Readonly<Record<string, number>>, at: number): void {
    const before = this.#before;
    this.#before = { at, sums };
    if (before === undefined || at <= before.at) return;
    const seconds = (at - before.at) / 1000;
    this.#rates = Object.fromEntries(
      Object.entries(sums).map(([name, sum]) => [name, Math.max(0, sum - (before.sums[name] ?? 0)) / seconds]),
    );
  }
}

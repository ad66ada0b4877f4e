/** The answer to a loop that is over. */
const over = { done: true, value: undefined } as const;

/**
 * Values that wait for one `for await` loop, with a bound. When the loop is slower than the channel, the oldest are
 * left out and counted.
 */
export class Feed<T> implements AsyncIterator<T, undefined> {
  readonly #valuesMax: number;
  readonly #onReturn: () => void;
  #values: T[] = [];
  /** Calls of the loop without an answer. */
  readonly #waiting: ((result: IteratorResult<T, undefined> | Promise<never>) => void)[] = [];
  #end: { readonly error: Error | undefined } | undefined;

  /** `onReturn` is called when the loop is left before the end. */
  constructor(valuesMax: number, onReturn: () => void) {
    this.#valuesMax = valuesMax;
    this.#onReturn = onReturn;
  }

  /** Adds values; returns how many of the oldest were left out for them. */
  push(values: readonly T[]): number {
    if (this.#end !== undefined) return 0;
    for (const value of values) this.#values.push(value);
    this.#handOut();
    return this.#values.splice(0, Math.max(0, this.#values.length - this.#valuesMax)).length;
  }

  /** Takes out waiting values that are not wanted any more. */
  remove(isUnwanted: (value: T) => boolean): void {
    this.#values = this.#values.filter((value) => !isUnwanted(value));
  }

  /**
   * No more values come. The waiting values are still handed out, or discarded. Then the loop ends, or throws `error`.
   */
  end(error: Error | undefined, waiting: 'hand-out' | 'discard'): void {
    if (waiting === 'discard') this.#values = [];
    this.#end ??= { error };
    this.#handOut();
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#handOut();
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.end(undefined, 'discard');
    this.#onReturn();
    return Promise.resolve(over);
  }

  #handOut(): void {
    while (this.#waiting.length > 0 && (this.#values.length > 0 || this.#end !== undefined)) {
      const error = this.#end?.error;
      const [value] = this.#values.splice(0, 1);
      this.#waiting.shift()?.(value !== undefined ? { done: false, value } : error === undefined ? over : Promise.reject(error));
    }
  }
}

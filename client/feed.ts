/**
 * Values that wait for one `for await` loop, with a bound. When the loop is slower than the channel, the oldest are
 * left out and counted.
 */
export class Feed<T> implements AsyncIterator<T, undefined> {
  readonly #valuesMax: number;
  readonly #onReturn: () => void;
  #values: T[] = [];
  #waiting: { readonly resolve: (result: IteratorResult<T, undefined>) => void; readonly reject: (error: unknown) => void }[] = [];
  #end: { readonly error: Error | undefined } | undefined;

  /** `onReturn` is called when the loop is left before the end. */
  constructor(valuesMax: number, onReturn: () => void) {
    this.#valuesMax = valuesMax;
    this.#onReturn = onReturn;
  }

  /** Adds values; returns how many of the oldest were left out for them. */
  push(values: readonly T[]): number {
    if (this.#end !== undefined) return 0;
    for (const value of values) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#values.push(value);
      else waiting.resolve({ done: false, value });
    }
    const over = Math.max(0, this.#values.length - this.#valuesMax);
    if (over > 0) this.#values.splice(0, over);
    return over;
  }

  /** Takes out waiting values that are not wanted any more. */
  remove(isUnwanted: (value: T) => boolean): void {
    if (this.#values.some(isUnwanted)) this.#values = this.#values.filter((value) => !isUnwanted(value));
  }

  /**
   * No more values come. The waiting values are still handed out, or discarded. Then the loop ends, or throws `error`.
   */
  end(error: Error | undefined, waiting: 'hand-out' | 'discard'): void {
    if (waiting === 'discard') this.#values = [];
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#finish(error);
  }

  #finish(error: Error | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { resolve, reject } of waiting) {
      if (error === undefined) resolve({ done: true, value: undefined });
      else reject(error);
    }
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#values.length > 0) return Promise.resolve({ done: false, value: this.#values.shift() as T });
    if (this.#end?.error !== undefined) return Promise.reject(this.#end.error);
    if (this.#end !== undefined) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.end(undefined, 'discard');
    this.#onReturn();
    return Promise.resolve({ done: true, value: undefined });
  }
}

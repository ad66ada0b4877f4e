import type { Clock } from './clock.ts';
import { limits } from './limits.ts';

/**
 * A quarter of the longest turn, in milliseconds: the same turn may also hold a slice of the fan-out and of another
 * loop.
 */
const sliceMs = limits.turnMsMax / 4;
/** Default for `stepsPerLook`, for steps of at most some tens of microseconds. */
const usualStepsPerLook = 32;

export interface SliceOptions<T> {
  readonly clock: Pick<Clock, 'monotonic' | 'soon'>;
  /** The work for one item. */
  readonly step: (item: T) => void;
  /** Called after the last item, synchronously when one slice was enough. */
  readonly onDone?: () => void;
  /** Steps between two looks at the clock; fewer for long steps. */
  readonly stepsPerLook?: number;
  /** Called after each slice with its duration in milliseconds. */
  readonly onSlice?: ((milliseconds: number) => void) | undefined;
}

/**
 * Calls `step` for each of many items, in slices, so that other work gets its turn in between. The first slice runs at
 * once. The iterable is read as it goes: a `Map` may change meanwhile.
 * @returns a function that cancels the remaining items; `onDone` is then not called
 */
export function inSlices<T>(
  items: Iterable<T>,
  { clock, step, onDone, onSlice, stepsPerLook = usualStepsPerLook }: SliceOptions<T>,
): () => void {
  const iterator = items[Symbol.iterator]();
  let isCalledOff = false;
  let stop = (): void => {};
  const slice = (): void => {
    const startedAt = clock.monotonic();
    let isOver = false;
    for (let steps = 1; ; steps++) {
      const next = iterator.next();
      isOver = next.done === true;
      if (next.done === true) break;
      step(next.value);
      if (isCalledOff) break;
      if (steps % stepsPerLook === 0 && clock.monotonic() - startedAt >= sliceMs) break;
    }
    onSlice?.(clock.monotonic() - startedAt);
    if (isCalledOff) return;
    if (isOver) onDone?.();
    else stop = clock.soon(slice);
  };
  slice();
  return () => {
    isCalledOff = true;
    stop();
  };
}

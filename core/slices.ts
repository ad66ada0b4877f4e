import type { Clock } from './clock.ts';
import { limits } from './limits.ts';

/**
 * A quarter of what a turn may take, in milliseconds: the fan-out may have a slice in the same turn, and another loop
 * too.
 */
const sliceMs = limits.turnMsMax / 4;
/** Steps between two looks at the clock, where a step takes some tens of microseconds at most. */
const usualStepsPerLook = 32;

export interface SliceOptions<T> {
  readonly clock: Pick<Clock, 'monotonic' | 'soon'>;
  /** What is done for each item. */
  readonly step: (item: T) => void;
  /** Called after the last item; at once where one slice was enough. */
  readonly onDone?: () => void;
  /** Steps between two looks at the clock: fewer where a step is long. */
  readonly stepsPerLook?: number;
  /** Called after each slice with the time that it took, in milliseconds. */
  readonly onSlice?: ((milliseconds: number) => void) | undefined;
}

/**
 * Does something for each of many items without holding the event loop for long: in slices, with everything else having
 * its turn in between. The first slice is done at once. The items are walked as they come: a `Map` may change
 * meanwhile.
 * @returns how to call off what is left; `onDone` is then not called
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

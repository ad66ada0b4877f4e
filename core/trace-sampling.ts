import type { TraceParent } from './traceparent.ts';

/** The samplers of `OTEL_TRACES_SAMPLER` that are understood here. */
export const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof samplers)[number];

/** A rule for which traces are recorded. */
export interface Sampling {
  /** Share of traces that begin here, 0 to 1. */
  readonly ratio: number;
  /** Whether a trace that began elsewhere is recorded exactly if its sampled flag is set. */
  readonly isParentBased: boolean;
}

/** The meaning of a sampler and its argument. */
export function samplingOf(name: SamplerName, ratio: number): Sampling {
  const isParentBased = name.startsWith('parentbased_');
  if (name.endsWith('always_on')) return { ratio: 1, isParentBased };
  return { ratio: name.endsWith('always_off') ? 0 : ratio, isParentBased };
}

/**
 * Whether a trace is recorded. Of a trace that began elsewhere its id decides, unless its parent does: all processes
 * with the same ratio then decide alike.
 * @param random a number in [0, 1)
 */
export function isSampled({ ratio, isParentBased }: Sampling, parent: TraceParent | undefined, random: () => number): boolean {
  if (parent === undefined) return ratio >= 1 || (ratio > 0 && random() < ratio);
  if (isParentBased) return parent.isSampled;
  return shareOf(parent.traceId) < ratio;
}

const shareBits = 32;

/** The place of a trace id among all ids, in [0, 1): by its last bits, which are random. */
function shareOf(traceId: string): number {
  return Number.parseInt(traceId.slice(-shareBits / 4), 16) / 2 ** shareBits;
}

import type { KeptPublication } from '../../core/history.ts';
import type { PlacedPublication } from '../../core/publication.ts';
import { conflate } from '../merging/conflation.ts';
import { catchUpOf } from './recent-publications.ts';

/** The newest publications for a late joiner, and the offset after which their span begins. */
export interface Rewound {
  readonly after: number;
  readonly items: readonly PlacedPublication[];
}

/**
 * The newest publications of some that have no hole: of each conflation key only the newest, and no expired or recalled
 * one. A sum has what lies within the span, and nothing before it. The tombstones of the span come besides.
 * @param publicationsMax most of them
 * @param canSum whether the client can be told a sum
 * @param wall Unix milliseconds
 */
export function rewind(
  kept: readonly KeptPublication[],
  publicationsMax: number,
  { canSum, wall }: { readonly canSum: boolean; readonly wall: number },
): Rewound | undefined {
  const placed = catchUpOf(kept, wall).map(({ offset, publication }): PlacedPublication => ({ offset, publication, count: undefined }));
  const contents = placed.filter(({ publication }) => publication.recall === undefined);
  const newest = conflate(contents, canSum).kept.slice(-publicationsMax);
  const [first] = newest;
  if (first === undefined || publicationsMax < 1) return undefined;
  return {
    after: first.offset - 1,
    items: conflate(
      placed.filter(({ offset }) => offset >= first.offset),
      canSum,
    ).kept,
  };
}

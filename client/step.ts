import type { Position } from '../core/publication.ts';
import type { GapSpan, Told } from './cursor.ts';
import type { Span } from './position.ts';
import type { Tombstone } from './recalls.ts';
import { publicationsAfter } from './sums.ts';
import type { Publication, ReceivedBatch } from './wire.ts';

/** A batch of which only new publications are left, in the application's form. */
export interface NewBatch extends Span {
  readonly publications: readonly Publication[];
  /** Tombstones of the span; absent where there is none. */
  readonly tombstones?: readonly Tombstone[];
  /** The application is told of them when the batch is delivered too. */
  readonly isToldAgain?: boolean;
}

/** A step of a channel's order that the application is told of. */
export type Step =
  | { readonly kind: 'batch'; readonly batch: NewBatch }
  | ({ readonly kind: 'gap' } & GapSpan)
  /** The application's own state at a position. */
  | { readonly kind: 'snapshot'; readonly position: Position; readonly state: unknown };

/** The step of a report: of a batch what is new. */
export function stepOf(told: Told<ReceivedBatch>): Step {
  if (told.kind === 'gap') return told;
  const { batch, deliverAfter: after } = told;
  const { epoch, upto } = batch;
  const fresh: NewBatch = { epoch, after, upto, publications: publicationsAfter(batch.publications, after) };
  const tombstones = batch.tombstones?.filter(({ offset }) => offset > after) ?? [];
  return { kind: 'batch', batch: tombstones.length === 0 ? fresh : { ...fresh, tombstones } };
}

import type { PlacedPublication, Position } from '../../core/publication.ts';
import type { MemberClass } from '../encoding/encoding.ts';
import type { LeftOut } from './left-out.ts';

/** What the members of one class get of one cut. Offsets `(after, upto]` = `items` + `leftOut` others. */
export interface ClassCut {
  readonly memberClass: MemberClass;
  readonly after: number;
  readonly upto: number;
  /** Publications of the span that are not in `items`, also those of earlier cuts that were wholly left out. */
  readonly leftOut: number;
  readonly items: readonly PlacedPublication[];
  /** What of this cut alone is left out for this class, for the accounts; `undefined` = nothing. */
  readonly dropped: LeftOut | undefined;
  /** `false`: nothing is sent; the span is accounted for by the class's next batch. */
  readonly send: boolean;
}

/** The publications `(after, upto]` of a room, flushed together. */
export interface Cut {
  readonly kind: 'cut';
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  /** How many there are of each priority, in the order of `priorities`. */
  readonly offered: readonly number[];
  /** Those that are neither expired nor conflated. */
  readonly publications: readonly PlacedPublication[];
  readonly classes: readonly ClassCut[];
}

/** Offsets up to `position` are missing for everybody in the room: the bus was interrupted, or began another epoch. */
export interface Missing {
  readonly kind: 'missing';
  readonly after: number;
  readonly position: Position;
}

/** One moment by both clocks, in milliseconds. */
export interface Moment {
  /** For windows and budgets. */
  readonly monotonic: number;
  /** Since the Unix epoch: for the age of publications. */
  readonly wall: number;
}

import type { PlacedPublication, Position } from '../../core/publication.ts';
import type { MemberClass } from '../encoding/encoding.ts';
import type { LeftOut } from './left-out.ts';

/** The part of a cut for the members of one class. Offsets `(after, upto]` = `items` + `leftOut` others. */
export interface ClassCut {
  readonly memberClass: MemberClass;
  readonly after: number;
  readonly upto: number;
  /** Publications of the span that are not in `items`, including earlier cuts that were wholly left out. */
  readonly leftOut: number;
  readonly items: readonly PlacedPublication[];
  /** Publications of this cut alone that are left out for the class, for the accounts; `undefined` = none. */
  readonly dropped: LeftOut | undefined;
  /** `false`: nothing is sent, and the class's next batch accounts for the span. */
  readonly send: boolean;
}

/** The publications `(after, upto]` of a room, flushed together. */
export interface Cut {
  readonly kind: 'cut';
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  /** Number of publications of each priority, in the order of `priorities`. */
  readonly offered: readonly number[];
  /** The publications that are neither expired nor conflated. */
  readonly publications: readonly PlacedPublication[];
  readonly classes: readonly ClassCut[];
}

/** Offsets up to `position` that the whole room misses: the bus was interrupted, or began another epoch. */
export interface Missing {
  readonly kind: 'missing';
  readonly after: number;
  readonly position: Position;
}

/** The channel goes on in another epoch, and nothing is missing. The offsets up to that of `before` mean the same. */
export interface Continued {
  readonly kind: 'continued';
  readonly epoch: string;
  readonly before: Position;
  /** The room's last cut. */
  readonly offset: number;
}

/** One moment by both clocks, in milliseconds. */
export interface Moment {
  /** Monotonic time, for windows and budgets. */
  readonly monotonic: number;
  /** Unix time, for the age of publications. */
  readonly wall: number;
}

import type { Position } from '../../core/publication.ts';
import type { TransportName } from '../../client/transport/transport.ts';
import type { Absence, Journal } from './record.ts';

/** A viewer to start. */
export interface ViewerWish {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly channels: readonly string[];
  readonly transport: TransportName;
  /** Bound on publications a second, in every channel; absent: none. */
  readonly density?: number;
  /** Newest publications to begin with. */
  readonly rewind?: number;
}

/** Where a viewer stands. */
export interface ViewerState {
  readonly name: string;
  readonly isBack: boolean;
  /** Its state and its subscriptions', and what failed since it was open last. */
  readonly state: string;
  readonly positions: readonly (readonly [channel: string, position: Position | undefined])[];
}

/** What the process of viewers is asked. */
export type ViewerQuestion =
  | { readonly op: 'add'; readonly viewers: readonly ViewerWish[] }
  | { readonly op: 'remove'; readonly names: readonly string[] }
  | { readonly op: 'states' }
  | { readonly op: 'collect' }
  | { readonly op: 'counts'; readonly channel: string };

export interface Collected {
  readonly journals: readonly Journal[];
  readonly absences: readonly Absence[];
  /** Publications and gaps that were told since the last time. */
  readonly publications: number;
  readonly gaps: number;
}

export interface ViewerAnswers {
  readonly add: undefined;
  readonly remove: undefined;
  readonly states: readonly ViewerState[];
  readonly collect: Collected;
  /** What one viewer was told of the channel's members; `undefined` where it could not be told. */
  readonly counts: number | undefined;
}

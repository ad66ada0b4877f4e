import type { Position, Priority } from '../../core/publication.ts';

/** What a run writes down: publications with their fates, what viewers were told, and what was done to the world. */

/** A publication or a recall, and its fate by the word of the publishers. A payload begins with the number. */
export interface Publication {
  readonly number: number;
  readonly channel: string;
  readonly priority: Priority;
  /** With an idempotency key: repeated until its fate is known. */
  readonly isKeyed: boolean;
  readonly conflation: { readonly key: string; readonly mode: 'Latest' | 'Sum'; readonly count: number } | undefined;
  /** Of a recall: the publications that it takes back. */
  readonly recalls?: readonly Recallable[];
  /** Unix milliseconds of the first attempt, and of the last answer. */
  readonly sentAt: number;
  answeredAt: number;
  /** `no`: each attempt was refused and published nothing. `unknown`: nobody knows. */
  fate: 'yes' | 'no' | 'unknown';
  /** Of an accepted publication. */
  position: Position | undefined;
  /** The words of the last refusal. */
  words: string;
}

/** An accepted publication, as a recall names it. */
export interface Recallable {
  readonly number: number;
  readonly position: Position;
}

/** A received publication: its offset, its number, and its count where it is a sum. */
export type Item = readonly [offset: number, number: number, count?: number];

/** What a viewer was told of one channel, in the order in which it was told. `at` is in Unix milliseconds. */
export type Entry =
  | { readonly kind: 'begin'; readonly at: number; readonly position: Position }
  | {
      readonly kind: 'batch';
      readonly at: number;
      readonly epoch: string;
      readonly after: number;
      readonly upto: number;
      readonly items: readonly Item[];
    }
  | { readonly kind: 'recall'; readonly at: number; readonly epoch: string; readonly offset: number; readonly offsets: readonly number[] }
  | { readonly kind: 'gap'; readonly at: number; readonly from: Position | undefined; readonly to: Position; readonly reason: string };

/** One viewer's account of one channel in one round. */
export interface Journal {
  readonly viewer: string;
  readonly channel: string;
  /** Where it stood when the round began; `undefined`: it came in this round. */
  readonly start: Position | undefined;
  readonly entries: readonly Entry[];
  /** Whether it asked for a density. */
  readonly isThinned: boolean;
  /** Whether it pulls. */
  readonly isPulled: boolean;
  /** Whether it stayed to the end of the round. */
  readonly isWhole: boolean;
}

/** When a viewer had no connection, in Unix milliseconds. */
export interface Absence {
  readonly viewer: string;
  readonly from: number;
  readonly to: number;
  /** The client's errors meanwhile, and its moves that failed before, for people. */
  readonly why: readonly string[];
}

/** What a disturbance may cost. */
export interface Toll {
  /** Clients may lose their connections. */
  connections: boolean;
  /** Gateways may miss publications: channels without a history have gaps. */
  readonly bus: boolean;
  /** Accepted publications may be gone: channels with a history have gaps too. */
  readonly data: boolean;
}

/** Something that was done to the world, until it was whole again. */
export interface Incident extends Toll {
  readonly what: string;
  readonly from: number;
  to: number;
}

/** What the checker must know of a channel. */
export interface ChannelRules {
  readonly name: string;
  readonly history: boolean;
  /** Why publications may be left out on purpose, besides conflation. */
  readonly budget: boolean;
}

/** What a channel's history has at the end of a round, the oldest first. */
export interface KeptHistory {
  readonly channel: string;
  readonly epoch: string;
  readonly items: readonly Item[];
  /** Places of recalls in it. */
  readonly recalls: readonly number[];
}

/** All that is known at the end of a round. */
export interface RoundRecord {
  readonly publications: readonly Publication[];
  /** Of earlier rounds: whoever begins with the newest publications may get some of them. */
  readonly earlier: readonly Publication[];
  readonly journals: readonly Journal[];
  readonly absences: readonly Absence[];
  readonly incidents: readonly Incident[];
  /** When a gateway said that it had less CPU than it needs, in Unix milliseconds. */
  readonly overloads: readonly number[];
  readonly channels: readonly ChannelRules[];
  readonly histories: readonly KeptHistory[];
}

export const faultKinds = [
  'place-twice',
  'publish-order',
  'jump',
  'order',
  'twice',
  'refused',
  'stranger',
  'misplaced',
  'contradiction',
  'recalled',
  'left-out',
  'sum',
  'gap-span',
  'gap-unexplained',
  'untold',
  'behind',
  'absent',
  'counts',
  'equation',
  'history',
  'ended',
] as const;

/** A broken promise. */
export interface Fault {
  readonly kind: (typeof faultKinds)[number];
  readonly channel: string;
  readonly viewer: string;
  readonly words: string;
}

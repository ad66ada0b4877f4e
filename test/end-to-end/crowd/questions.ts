import type { Published } from '../outage/account.ts';
import type { ClientPlan } from './spectator.ts';

/** What a test asks a process of clients. */
export type Question =
  /** Opens clients, so many a second. */
  | { readonly kind: 'open'; readonly plans: readonly ClientPlan[]; readonly perSecond: number }
  | { readonly kind: 'census' }
  /** Compares what each client was told with what was published. */
  | { readonly kind: 'account'; readonly published: readonly Published[] }
  | { readonly kind: 'returns'; readonly published: readonly Published[] }
  /** Times from the acceptance of these publications until each client had them. */
  | { readonly kind: 'delays'; readonly published: readonly Published[] }
  | { readonly kind: 'close' };

export interface Census {
  readonly clients: number;
  readonly subscribed: number;
  /** Times that a client lost its connection. */
  readonly absences: number;
  /** Clients that are still away. */
  readonly away: number;
  /** Publications and gaps that the client heard that heard the least. */
  readonly heardLeast: number;
}

/** Sums over clients and channels: each figure counts what one client was told, or not told, of one publication. */
export interface CrowdAccount {
  readonly received: number;
  readonly twice: number;
  readonly refused: number;
  readonly disordered: number;
  /** Accepted, and neither came nor was told as a gap or as left out. */
  readonly untold: number;
  /** Accepted, and neither came nor was left out. */
  readonly missed: number;
  readonly leftOut: number;
  readonly gaps: number;
  /** Some of the gaps and of what is untold, in words. */
  readonly examples: readonly string[];
}

/** A client's last absence, in milliseconds of the machine's clock. */
export interface Return {
  readonly lostAt: number;
  /** All its channels were subscribed again. */
  readonly backAt: number;
  /** It had everything that was accepted before it was back. */
  readonly caughtUpAt: number;
}

export interface Answers {
  readonly open: number;
  readonly census: Census;
  readonly account: CrowdAccount;
  readonly returns: readonly Return[];
  readonly delays: readonly number[];
  readonly close: number;
}

export interface Asked {
  readonly id: number;
  readonly question: Question;
}

export interface Answered {
  readonly id: number;
  readonly answer: Answers[keyof Answers];
}

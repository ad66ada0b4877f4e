/** The ids of the buses that a process can use, as its settings name them. */
export interface OwnBuses {
  readonly main: string;
  /** The bus that the pool had before. */
  readonly previous: string | undefined;
}

/** The buses that a pool document names. */
export interface ToldBuses {
  readonly publishTo: string;
  readonly listenTo: readonly string[];
}

/** What a process does with its buses. */
export type BusPlan =
  | ({ readonly kind: 'following' } & ToldBuses)
  /** Nothing can be published, for this reason: the document is not there yet, or names a bus that is not one's own. */
  | { readonly kind: 'waiting' | 'deaf'; readonly listenTo: readonly string[]; readonly reason: string };

/** The plan before the first document, for a process that can't know which of its buses counts. */
export const waitingPlan: BusPlan = { kind: 'waiting', listenTo: [], reason: 'waiting for a pool document, which names the bus' };

/** @param told undefined where the document names no buses, or there is no document to wait for */
export function planOf({ main, previous }: OwnBuses, told: ToldBuses | undefined): BusPlan {
  if (told === undefined) return { kind: 'following', publishTo: main, listenTo: [main] };
  const listenTo = told.listenTo.filter((id) => id === main || id === previous);
  const { publishTo } = told;
  if (listenTo.includes(publishTo)) return { kind: 'following', publishTo, listenTo };
  return { kind: 'deaf', listenTo, reason: `this process has no connection to the bus that the pool publishes to now (${publishTo})` };
}

/**
 * The buses that must be up for the process to be ready. A process is there for its main bus: while the pool joins
 * that bus, a process that can't reach it is not ready.
 */
export function neededBuses(plan: BusPlan, { main }: OwnBuses): readonly string[] {
  if (plan.kind !== 'following') return [];
  return plan.publishTo !== main && plan.listenTo.includes(main) ? [plan.publishTo, main] : [plan.publishTo];
}

import { fault, spelt, type Batch } from './fault.ts';
import type { Places } from './places.ts';
import type { ChannelRules, Fault, Journal, Publication } from './record.ts';

interface Details {
  readonly journal: Journal;
  readonly rules: ChannelRules;
  readonly places: Places;
  /** Publications of the channel whose fate nobody knows: some of them may have a place. */
  readonly unknown: number;
  readonly overloads: readonly number[];
  /** Publications that were, or may have been, taken back. */
  readonly recalled: ReadonlySet<number>;
}

/** An overloaded gateway shrinks budgets for some seconds around the moment at which it was seen. */
const overloadMs = 5_000;

/**
 * What a batch left out must have a reason: a later publication of the batch stands for it, or a budget was spent on
 * publications of at least its priority.
 */
export function leftOutFaults(batch: Batch, { journal, rules, places, unknown, overloads, recalled }: Details): readonly Fault[] {
  const { epoch, after, upto, items, at } = batch;
  const isBudget = rules.budget || journal.isThinned || overloads.some((seenAt) => Math.abs(seenAt - at) < overloadMs);
  const told = journal.entries.flatMap((entry) => (entry.kind === 'recall' && entry.epoch === epoch ? [entry.offset] : []));
  const came = new Set([...items.map(([offset]) => offset), ...told]);
  const given = items.flatMap(([, number]) => places.publication(number) ?? []);
  const first = items[0]?.[0] ?? Infinity;
  const faults: Fault[] = [];
  let nameless = 0;
  for (let offset = after + 1; offset <= upto; offset++) {
    if (came.has(offset)) continue;
    const known = places.at(epoch, offset);
    const candidates = known === undefined ? places.candidates(offset) : [known];
    const isReasonable = (each: Publication): boolean =>
      recalled.has(each.number) ||
      isStoodFor(each, offset, { items, places }) ||
      // A cut of which nothing was sent is told with the next one. What lies behind a given one is of the same cut.
      isBudgeted(each, offset > first ? given : [], isBudget);
    if (candidates.some(isReasonable)) continue;
    if (known === undefined) nameless++;
    else faults.push(fault('left-out', journal, `${nameOf(known)} at ${spelt({ epoch, offset })} was left out`));
  }
  if (nameless > unknown)
    faults.push(
      fault('left-out', journal, `${nameless} unknown publications in (${after}, ${upto}] of ${epoch}: there are only ${unknown}`),
    );
  return faults;
}

function nameOf({ number, priority, recalls }: Publication): string {
  return recalls === undefined ? `${number} (${priority})` : `${number}, a recall of ${recalls.map((each) => each.number).join()},`;
}

/** Whether a later publication of the batch has the same key. */
function isStoodFor(
  { conflation, priority }: Publication,
  offset: number,
  { items, places }: Pick<Batch, 'items'> & { readonly places: Places },
): boolean {
  if (conflation === undefined) return false;
  return items.some(([later, number]) => {
    const other = places.publication(number);
    return later > offset && other?.conflation?.key === conflation.key && other.priority === priority;
  });
}

const ranks = { high: 0, normal: 1, low: 2 } as const;

/** Whether a budget may have left it out: nothing of a lower priority was given in its place. */
function isBudgeted({ priority, recalls }: Publication, given: readonly Publication[], isBudget: boolean): boolean {
  return isBudget && recalls === undefined && given.every((each) => ranks[each.priority] <= ranks[priority]);
}

/** The sums of a batch make up what was published in its span. */
export function sumFaults(batch: Batch, { journal, rules, places, overloads }: Details): readonly Fault[] {
  if (rules.budget || journal.isThinned || overloads.some((seenAt) => Math.abs(seenAt - batch.at) < overloadMs)) return [];
  const { epoch, after, upto, items } = batch;
  const published = new Map<string, number>();
  let isKnown = true;
  for (let offset = after + 1; offset <= upto; offset++) {
    const publication = places.at(epoch, offset);
    if (publication === undefined) isKnown = false;
    else addSum(published, publication, publication.conflation?.count ?? 0);
  }
  const given = new Map<string, number>();
  for (const [, number, count] of items) {
    const publication = places.publication(number);
    if (publication !== undefined) addSum(given, publication, count ?? publication.conflation?.count ?? 0);
  }
  return [...new Set([...published.keys(), ...given.keys()])].flatMap((key) => {
    const [all, got] = [published.get(key) ?? 0, given.get(key) ?? 0];
    const isTrue = isKnown ? all === got : got >= all;
    return isTrue ? [] : [fault('sum', journal, `the sum of ${key} in (${after}, ${upto}] of ${epoch} is ${got}; ${all} were published`)];
  });
}

function addSum(sums: Map<string, number>, { conflation }: Publication, count: number): void {
  if (conflation?.mode === 'Sum') sums.set(conflation.key, (sums.get(conflation.key) ?? 0) + count);
}

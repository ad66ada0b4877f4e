import { isOrderOf, type Position } from '../../../core/publication.ts';

/** A publication and its fate by the publisher's word. */
export interface Published {
  readonly channel: string;
  readonly number: number;
  /** Milliseconds from the request to its answer. */
  readonly tookMs: number;
  /** Milliseconds of the test's clock. */
  readonly answeredAt: number;
  readonly status: number;
  readonly retryAfter: string | null;
  /** The words of a refusal; empty for an accepted publication. */
  readonly words: string;
  /** `no` was refused and not published; of `unknown` nobody knows. */
  readonly published: 'yes' | 'no' | 'unknown';
  /** Of an accepted publication. */
  readonly position: Position | undefined;
}

/** What a client was told of one channel, in the order in which it came. */
export type Told =
  | { readonly kind: 'publication'; readonly at: number; readonly number: number; readonly position: Position | undefined }
  | { readonly kind: 'gap'; readonly at: number; readonly from: Position | undefined; readonly to: Position }
  /** A span of which the gateway said that it left something out, as it does where its process is overloaded. */
  | { readonly kind: 'left-out'; readonly at: number; readonly from: Position; readonly to: Position };

export interface Account {
  readonly received: number;
  /** Numbers that came more than once. */
  readonly twice: readonly number[];
  /** Numbers that came although their sender was told that they were not published. */
  readonly refused: readonly number[];
  /** Numbers that came after a later one of their order. */
  readonly disordered: readonly number[];
  /** Accepted numbers that did not come, and lie in a span that left something out. */
  readonly leftOut: readonly number[];
  /** Accepted numbers that did not come, and were not left out. */
  readonly missed: readonly number[];
  /** Those of them that do not lie in a gap either. */
  readonly untold: readonly number[];
}

/** Compares what a client was told of a channel with what was published to it. */
export function accountOf(published: readonly Published[], told: readonly Told[]): Account {
  const counts = new Map<number, number>();
  for (const item of told) if (item.kind === 'publication') counts.set(item.number, (counts.get(item.number) ?? 0) + 1);
  const absent = published.filter((each) => each.published === 'yes' && !counts.has(each.number));
  const lies = ({ position }: Published, kind: Told['kind']): boolean =>
    told.some((item) => item.kind === kind && covers(item, position!, told));
  const missed = absent.filter((each) => !lies(each, 'left-out'));
  return {
    received: counts.size,
    twice: [...counts].filter(([, count]) => count > 1).map(([number]) => number),
    refused: published.filter((each) => each.published === 'no' && counts.has(each.number)).map(({ number }) => number),
    disordered: disorderedIn(told),
    leftOut: absent.filter((each) => !missed.includes(each)).map(({ number }) => number),
    untold: missed.filter((each) => !lies(each, 'gap')).map(({ number }) => number),
    missed: missed.map(({ number }) => number),
  };
}

function disorderedIn(told: readonly Told[]): readonly number[] {
  const last = new Map<string, number>();
  return told.flatMap((item) => {
    if (item.kind !== 'publication' || item.position === undefined) return [];
    const { epoch, offset } = item.position;
    const isLate = offset <= (last.get(epoch) ?? 0);
    last.set(epoch, offset);
    return isLate ? [item.number] : [];
  });
}

/**
 * Whether a gap, or a span that left something out, has a place in it. A gap from one order to another has the end of
 * the first and the beginning of the second.
 */
function covers(item: Told, { epoch, offset }: Position, told: readonly Told[]): boolean {
  if (item.kind === 'publication') return false;
  const { from, to } = item;
  const isFrom = from !== undefined && isOrderOf(from, epoch);
  const isTo = isOrderOf(to, epoch);
  if (isFrom || isTo) return (!isFrom || offset > from.offset) && (!isTo || offset <= to.offset);
  // An order of which nothing came lies between two others.
  return !told.some((each) => each.kind === 'publication' && each.position?.epoch === epoch) && from?.epoch !== to.epoch;
}

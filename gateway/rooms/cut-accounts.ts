import { priorities } from '../../core/publication.ts';
import type { Tally } from '../accounts/tally.ts';
import type { Cut } from '../merging/cut.ts';
import { leftOutReasons, type LeftOut } from '../merging/left-out.ts';

/** Counts a cut in several accounts: what was offered to these members, and what was left out of it on purpose. */
export function account(
  tallies: readonly Tally[],
  { cut, dropped, members }: { readonly cut: Cut; readonly dropped: LeftOut | undefined; readonly members: number },
): void {
  for (const tally of tallies) tally.add('offered', cut.offered, members);
  if (dropped === undefined) return;
  for (const reason of leftOutReasons) {
    const counts = priorities.map((priority) => dropped.count(reason, priority));
    for (const tally of tallies) tally.add(reason, counts, members);
  }
}

/** Number of publications of each priority that a class is sent. */
export function sentOf({ offered }: Cut, dropped: LeftOut): readonly number[] {
  return priorities.map((priority, index) => (offered[index] ?? 0) - dropped.ofPriority(priority));
}

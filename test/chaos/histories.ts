import type { Places } from './places.ts';
import type { Fault, KeptHistory, Publication } from './record.ts';

/** What a channel keeps has no hole, agrees with what viewers were given, and has everything that was accepted. */
export function historyFaults(history: KeptHistory, publications: readonly Publication[], places: Places): readonly Fault[] {
  const { channel, epoch, items, recalls } = history;
  const recalled = new Set(publications.flatMap((each) => each.recalls ?? []).map(({ number }) => number));
  const mustBeGone = new Set(
    publications
      .filter(({ fate }) => fate === 'yes')
      .flatMap((each) => each.recalls ?? [])
      .map(({ number }) => number),
  );
  const faults: Fault[] = [];
  const say = (words: string): void => void faults.push({ kind: 'history', channel, viewer: '', words });
  const kept = new Set(items.map(([, number]) => number));
  const there = new Set([...recalls, ...items.map(([offset]) => offset)]);
  for (let offset = Math.min(...there); offset < Math.max(...there); offset++) {
    if (there.has(offset)) continue;
    const known = places.at(epoch, offset);
    const candidates = known === undefined ? places.candidates(offset) : [known];
    if (candidates.every(({ number }) => !recalled.has(number))) say(`it has a hole at ${epoch}/${offset}`);
  }
  for (const [offset, number] of items) {
    if (mustBeGone.has(number)) say(`${number} at ${epoch}/${offset} was recalled, and is there`);
    const other = places.at(epoch, offset);
    if (other !== undefined && other.number !== number) say(`${epoch}/${offset} is ${number} there, and ${other.number} elsewhere`);
    const publication = places.publication(number);
    if (publication?.fate === 'no') say(`${number} is there, though its sender was told ${publication.words}`);
  }
  const first = items[0]?.[0] ?? Infinity;
  for (const { number, position, recalls: takenBack } of publications) {
    const isKept = takenBack === undefined ? kept.has(number) || recalled.has(number) : recalls.includes(position?.offset ?? 0);
    if (position?.epoch === epoch && position.offset >= first && !isKept) say(`${number} at ${epoch}/${position.offset} is missing`);
  }
  return faults;
}

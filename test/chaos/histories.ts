import type { Places } from './places.ts';
import type { Fault, KeptHistory, Publication } from './record.ts';

/** What a channel keeps has no hole, agrees with what viewers were given, and has everything that was accepted. */
export function historyFaults(history: KeptHistory, publications: readonly Publication[], places: Places): readonly Fault[] {
  const { channel, epoch, items } = history;
  const faults: Fault[] = [];
  const say = (words: string): void => void faults.push({ kind: 'history', channel, viewer: '', words });
  const kept = new Set(items.map(([, number]) => number));
  for (const [index, [offset, number]] of items.entries()) {
    const before = items[index - 1];
    if (before !== undefined && before[0] + 1 !== offset) say(`it has a hole between ${before[0]} and ${offset} of ${epoch}`);
    const other = places.at(epoch, offset);
    if (other !== undefined && other.number !== number) say(`${epoch}/${offset} is ${number} there, and ${other.number} elsewhere`);
    const publication = places.publication(number);
    if (publication?.fate === 'no') say(`${number} is there, though its sender was told ${publication.words}`);
  }
  const first = items[0]?.[0] ?? Infinity;
  for (const { number, position } of publications)
    if (position?.epoch === epoch && position.offset >= first && !kept.has(number))
      say(`${number} at ${epoch}/${position.offset} is missing`);
  return faults;
}

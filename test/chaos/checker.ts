import { isOrderOf, type Position } from '../../core/publication.ts';
import { isExplained } from './explanation.ts';
import { fault, spelt, timeOf, type Batch, type Gap } from './fault.ts';
import { historyFaults } from './histories.ts';
import { leftOutFaults, sumFaults } from './leaving-out.ts';
import { Places } from './places.ts';
import type { ChannelRules, Entry, Fault, Journal, Publication, RoundRecord } from './record.ts';

/** A promotion loses publications that were accepted shortly before: replicas lag behind. */
const lostBeforeMs = 5_000;

/** Compares what each viewer was told in a round with what was published. Empty: every promise was kept. */
export function faultsOf(record: RoundRecord): readonly Fault[] {
  return record.channels.flatMap((rules) => {
    const isOfChannel = ({ channel }: { readonly channel: string }): boolean => channel === rules.name;
    const publications = record.publications.filter(isOfChannel);
    const journals = record.journals.filter(isOfChannel);
    const places = new Places([...record.earlier.filter(isOfChannel), ...publications]);
    const recalls = [...record.earlier.filter(isOfChannel), ...publications].flatMap((each) => each.recalls ?? []);
    const recalled = new Set(recalls.map(({ number }) => number));
    const contradictions = journals.flatMap((journal) => sightings(journal, places));
    return [
      ...placeFaults(publications),
      ...publishOrderFaults(publications),
      ...contradictions,
      ...journals.flatMap((journal) => new JournalCheck({ journal, rules, places, record, publications, recalled }).faults()),
      ...record.histories.filter(isOfChannel).flatMap((history) => historyFaults(history, publications, places)),
    ];
  });
}

/** Writes down what the viewer saw where. */
function sightings(journal: Journal, places: Places): readonly Fault[] {
  const faults: Fault[] = [];
  for (const entry of journal.entries) {
    if (entry.kind !== 'batch') continue;
    for (const [offset, number] of entry.items) {
      const other = places.seen(entry.epoch, offset, number);
      if (other !== undefined)
        faults.push(fault('contradiction', journal, `${spelt({ epoch: entry.epoch, offset })} is ${number} here, ${other} elsewhere`));
    }
  }
  return faults;
}

/** No place is given twice. */
function placeFaults(publications: readonly Publication[]): readonly Fault[] {
  const numbers = new Map<string, number>();
  return publications.flatMap(({ channel, number, position }) => {
    if (position === undefined) return [];
    const place = spelt(position);
    const other = numbers.get(place);
    numbers.set(place, number);
    return other === undefined ? [] : [{ kind: 'place-twice', channel, viewer: '', words: `${place} was given to ${other} and ${number}` }];
  });
}

/** What was answered before another was sent comes before it. */
function publishOrderFaults(publications: readonly Publication[]): readonly Fault[] {
  const faults: Fault[] = [];
  const ordered = publications.filter(({ position }) => position !== undefined).toSorted((a, b) => a.position!.offset - b.position!.offset);
  const newest = new Map<string, Publication>();
  for (const publication of ordered) {
    const { epoch } = publication.position!;
    const before = newest.get(epoch);
    if (before !== undefined && publication.answeredAt < before.sentAt)
      faults.push({
        kind: 'publish-order',
        channel: publication.channel,
        viewer: '',
        words: `${publication.number} was answered before ${before.number} was sent, and comes after it`,
      });
    if (before === undefined || publication.sentAt > before.sentAt) newest.set(epoch, publication);
  }
  return faults;
}

interface CheckParts {
  readonly journal: Journal;
  readonly rules: ChannelRules;
  readonly places: Places;
  readonly record: RoundRecord;
  readonly publications: readonly Publication[];
  readonly recalled: ReadonlySet<number>;
}

/** One viewer's account of one channel. */
class JournalCheck {
  readonly #parts: CheckParts;
  readonly #absences;
  readonly #faults: Fault[] = [];
  /** Where each number came. */
  readonly #came = new Map<number, Position>();
  readonly #batches: Batch[] = [];
  readonly #gaps: (Gap & { readonly own: Position | undefined })[] = [];
  readonly #takenBack = new Set<number>();
  /** By order: the furthest offset up to which the viewer was told. */
  readonly #stoodAt = new Map<string, number>();
  #position: Position | undefined;
  #begunAt: number | undefined;

  constructor(parts: CheckParts) {
    this.#parts = parts;
    this.#position = parts.journal.start;
    this.#absences = parts.record.absences.filter(({ viewer }) => viewer === parts.journal.viewer);
  }

  faults(): readonly Fault[] {
    const { journal, rules, places, record } = this.#parts;
    for (const entry of journal.entries) {
      if (entry.kind === 'begin') this.#begin(entry.at, entry.position);
      else if (entry.kind === 'gap') this.#gap(entry);
      else if (entry.kind === 'recall') this.#recall(entry);
      else this.#batch(entry);
    }
    if (journal.isWhole) this.#findUntold();
    const unknown = this.#parts.publications.filter(({ fate }) => fate === 'unknown').length;
    const details = { journal, rules, places, unknown, overloads: record.overloads, recalled: this.#parts.recalled };
    for (const batch of this.#batches) this.#faults.push(...leftOutFaults(batch, details), ...sumFaults(batch, details));
    return this.#faults;
  }

  #begin(at: number, position: Position): void {
    if (this.#position !== undefined) return;
    this.#position = position;
    this.#begunAt = at;
  }

  #gap(gap: Gap): void {
    const own = this.#position;
    // A client that resumed goes on in another order at the same offset, without a word.
    if (gap.from?.offset !== own?.offset) this.#say('gap-span', `a gap from ${spelt(gap.from)} where the viewer stands at ${spelt(own)}`);
    if (gap.from !== undefined && isOrderOf(gap.from, gap.to.epoch) && gap.to.offset <= gap.from.offset)
      this.#say('gap-span', `a gap from ${spelt(gap.from)} back to ${spelt(gap.to)}`);
    const { rules, record, journal } = this.#parts;
    if (!isExplained(gap, rules, { incidents: record.incidents, absences: this.#absences, isPulled: journal.isPulled }))
      this.#say('gap-unexplained', `a gap (${gap.reason}) from ${spelt(gap.from)} to ${spelt(gap.to)} at ${timeOf(gap.at)}`);
    this.#gaps.push({ ...gap, own });
    this.#stand(gap.to);
  }

  /** A recall holds from the moment at which it is told: it is told before the batch that it came with. */
  #recall({ epoch, offset, offsets }: Extract<Entry, { readonly kind: 'recall' }>): void {
    const { places } = this.#parts;
    const recall = places.at(epoch, offset);
    if (recall === undefined) return;
    this.#came.set(recall.number, { epoch, offset });
    const meant = new Set(recall.recalls?.map(({ number }) => number));
    const isMeant = (each: number): boolean => {
      const known = places.at(epoch, each);
      return (known === undefined ? places.candidates(each) : [known]).some(({ number }) => meant.has(number));
    };
    if (recall.fate === 'no') this.#say('refused', `the recall ${recall.number} came: its sender was told ${recall.words}`);
    if (offsets.length !== meant.size || !offsets.every(isMeant))
      this.#say(
        'recalled',
        `${spelt({ epoch, offset })} takes back ${offsets.join()}; the recall ${recall.number} meant ${[...meant].join()}`,
      );
    for (const { number } of recall.recalls ?? []) this.#takenBack.add(number);
  }

  #batch(batch: Batch): void {
    const { epoch, after, upto, items, at } = batch;
    const own = this.#position;
    // Without a gap another order goes on at the same offset.
    if (own !== undefined && own.offset !== after)
      this.#say('jump', `a batch after ${spelt({ epoch, offset: after })} where the viewer stands at ${spelt(own)}, at ${timeOf(at)}`);
    let last = after;
    for (const item of items) {
      const [offset, number] = item;
      if (offset <= last || offset > upto) this.#say('order', `offset ${offset} behind ${last} in (${after}, ${upto}] of ${epoch}`);
      last = offset;
      this.#publication(number, { epoch, offset });
    }
    this.#batches.push(batch);
    this.#stand({ epoch, offset: upto });
  }

  #stand(position: Position): void {
    this.#position = position;
    this.#stoodAt.set(position.epoch, Math.max(position.offset, this.#stoodAt.get(position.epoch) ?? 0));
  }

  #publication(number: number, position: Position): void {
    const publication = this.#parts.places.publication(number);
    const known = this.#came.get(number);
    this.#came.set(number, position);
    if (publication === undefined) return this.#say('stranger', `${number} at ${spelt(position)} was not published to this channel`);
    if (this.#takenBack.has(number)) this.#say('recalled', `${number} came at ${spelt(position)}, and was recalled`);
    if (publication.fate === 'no') this.#say('refused', `${number} came at ${spelt(position)}: its sender was told ${publication.words}`);
    if (known !== undefined && !this.#isPublishedAgain(publication, known, position))
      this.#say('twice', `${number} came at ${spelt(known)} and at ${spelt(position)}`);
    const accepted = publication.position;
    if (accepted === undefined || (accepted.epoch === position.epoch && accepted.offset === position.offset)) return;
    const isContinued = accepted.epoch !== position.epoch && accepted.offset === position.offset;
    if (!isContinued && !this.#isPublishedAgain(publication, position, accepted))
      this.#say('misplaced', `${number} was accepted at ${spelt(accepted)}, and came at ${spelt(position)}`);
  }

  /** A promotion lost a keyed publication with its key, and the repetition was published. */
  #isPublishedAgain({ isKeyed }: Publication, one: Position, other: Position): boolean {
    return isKeyed && one.epoch !== other.epoch && this.#parts.record.incidents.some(({ data }) => data);
  }

  /** Each accepted publication came, was left out, lies in a gap, or is gone with its master. */
  #findUntold(): void {
    for (const publication of this.#parts.publications) {
      const { number, position } = publication;
      if (position === undefined || this.#came.has(number) || this.#isBeforeBegin(publication)) continue;
      if (this.#batches.some((batch) => this.#isInSpan(batch, publication))) continue;
      // A viewer went on in another order without a word, and was then told of a gap from there.
      if (this.#gaps.some((gap) => this.#isInGap(gap, position) || this.#isInGap({ ...gap, from: gap.own }, position))) continue;
      if (this.#isGone(publication)) continue;
      this.#say('untold', `${number} was accepted at ${spelt(position)} at ${timeOf(publication.answeredAt)}, and nothing was told of it`);
    }
  }

  #isBeforeBegin({ sentAt, position }: Publication): boolean {
    const { journal } = this.#parts;
    if (journal.start !== undefined) return false;
    const begin = journal.entries.find((entry) => entry.kind === 'begin');
    if (begin === undefined || position === undefined) return true;
    if (isOrderOf(begin.position, position.epoch)) return position.offset <= begin.position.offset;
    return sentAt < (this.#begunAt ?? Infinity);
  }

  #isInSpan({ epoch, after, upto }: Batch, { number, position }: Publication): boolean {
    const { offset } = position!;
    if (offset <= after || offset > upto) return false;
    // It may have been left out of the order that continues its own, if nothing else is known to be there.
    const known = this.#parts.places.at(epoch, offset);
    return epoch === position!.epoch || known === undefined || known.number === number;
  }

  /** A gap from one order to another has the end of the first and the beginning of the second. */
  #isInGap({ from, to }: Gap, { epoch, offset }: Position): boolean {
    const isFrom = from !== undefined && isOrderOf(from, epoch);
    const isTo = isOrderOf(to, epoch);
    if (isFrom || isTo) return (!isFrom || offset > from.offset) && (!isTo || offset <= to.offset);
    // An order of which nothing came lies between two others.
    return from?.epoch !== to.epoch && !this.#batches.some((batch) => batch.epoch === epoch);
  }

  #isGone(publication: Publication): boolean {
    const { record, places } = this.#parts;
    const isLost = record.incidents.some(
      ({ data, from, to }) => data && publication.sentAt <= to && publication.answeredAt >= from - lostBeforeMs,
    );
    return isLost && this.#position?.epoch !== publication.position!.epoch && places.isGone(publication, this.#stoodAt);
  }

  #say(kind: Fault['kind'], words: string): void {
    this.#faults.push(fault(kind, this.#parts.journal, words));
  }
}

import { expect } from 'vitest';
import type { Batch, Gap } from '../../client/subscription-api.ts';
import type { Subscription } from '../../client/subscription.ts';
import type { Snapshot } from '../../client/snapshots.ts';
import { eachRecalled } from '../../core/recall.ts';
import type { Recall } from '../../client/recalls.ts';
import type { Position, Publication } from '../../core/publication.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import type { SimulatedLog } from './log.ts';

/** A span of a batch whose sums add up to something else than what was published in it. */
export interface WrongSum {
  readonly after: number;
  readonly upto: number;
  readonly published: number;
  readonly told: number;
}

export interface LedgerOptions {
  readonly log: SimulatedLog;
  readonly clock: FakeClock;
  /** Whether this publication may be left out on purpose. */
  readonly mayLeaveOut: (publication: Publication) => boolean;
  /** Whether all that is given at one time was read together, so that what it recalls is not in it. */
  readonly readsAtOnce: () => boolean;
  /** Milliseconds before which the application wants no publication, counted from its acceptance. */
  readonly delayMs: () => number;
}

/**
 * What one application was told, checked against the truth. All of it joins on without a hole, comes once and in order,
 * and is what was published. What is neither given nor in a gap was left out on purpose, and may be.
 */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly gaps: Gap[] = [];
  readonly wrongSums: WrongSum[] = [];
  delivered = 0;
  leftOut = 0;
  /** Tombstones in what it was told. */
  recalls = 0;
  snapshots = 0;
  /** Changes of epoch that the position went through without a gap. */
  continuedEpochs = 0;
  /** Where it all began: the first position, or the newest snapshot's. */
  joinedAt: Position | undefined;
  #told: Position | undefined;
  /** Everything that it was given, and when. */
  readonly #given = new Map<Publication, number>();
  /** Tombstones that it was told of, and what they recall. */
  readonly #tombstones = new Set<Publication>();
  readonly #recalled = new Set<Publication>();
  /** After a gap, an application that takes snapshots is told nothing before the next one. */
  #isBroken = false;
  /** The first fault. Listeners of the SDK must not throw. */
  #fault: unknown;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** Begins to listen. `takesSnapshots`: the subscription has a `getState`. */
  listen(subscription: Pick<Subscription, 'on' | 'arrived'>, takesSnapshots: boolean): void {
    this.#isBroken = takesSnapshots;
    subscription.on('state', (state) => {
      if (state !== 'subscribed' || this.joinedAt !== undefined) return;
      this.joinedAt = subscription.arrived;
      this.#told = subscription.arrived;
    });
    subscription.on('batch', (batch) => this.#check(() => this.#batch(batch)));
    subscription.on('gap', (gap) => {
      this.#check(() => this.#gap(gap));
      this.#isBroken = takesSnapshots;
    });
    subscription.on('snapshot', (snapshot) => this.#check(() => this.#snapshot(snapshot)));
    subscription.on('recall', (recall) => this.#check(() => this.#recall(recall)));
    subscription.on('early', () => this.#check(() => expect.fail('fewer publications are held than may be')));
  }

  /** The end of what the application was told. */
  get told(): Position | undefined {
    return this.#told;
  }

  /** Whether the application waits for a snapshot. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** @throws the first fault of what was told so far */
  throwFault(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  #check(check: () => void): void {
    if (this.#fault !== undefined) return;
    try {
      check();
    } catch (error) {
      this.#fault = error ?? new Error('a check threw nothing');
    }
  }

  #gap(gap: Gap): void {
    this.#follow(gap.from?.epoch);
    // Millions of these: `expect` is asked only where it has something to say.
    if (!joins(this.#told, gap.from)) expect(gap.from).toEqual(this.#told);
    this.gaps.push(gap);
    this.#told = gap.to;
  }

  #snapshot({ position, state }: Snapshot): void {
    expect(state).toEqual({ upto: position });
    const told = this.#told;
    if (told?.epoch === position.epoch && position.offset < told.offset)
      expect.fail(`a snapshot at ${position.offset} after ${told.offset}`);
    this.snapshots++;
    this.joinedAt = position;
    this.#told = position;
    this.#isBroken = false;
    this.delivered = 0;
    this.leftOut = 0;
    this.recalls = 0;
  }

  #batch({ epoch, after, upto, publications, leftOut }: Batch): void {
    this.#follow(epoch);
    const told = this.#told;
    if (this.#isBroken) expect.fail('a batch before the snapshot');
    if (!joins(told, { epoch, offset: after })) expect({ epoch, offset: after }).toEqual(told);
    this.#told = { epoch, offset: upto };
    this.delivered += publications.length;
    this.leftOut += leftOut;
    const tombstones = this.#checkPublications({ epoch, after, upto }, publications);
    this.recalls += tombstones;
    const untold = upto - after - publications.length - tombstones;
    if (untold !== leftOut) expect(untold).toBe(leftOut);
    this.#checkAge(publications);
  }

  #checkPublications(
    { epoch, after, upto }: { readonly epoch: string; readonly after: number; readonly upto: number },
    given: Batch['publications'],
  ): number {
    const { log, mayLeaveOut } = this.#options;
    let next = 0;
    let told = 0;
    let published = 0;
    let tombstones = 0;
    for (let offset = after + 1; offset <= upto; offset++) {
      const truth = log.publications.get(`${epoch}:${offset}`);
      if (truth === undefined) expect.fail(`${epoch}:${offset} was never published`);
      if (truth.recall !== undefined) {
        if (!this.#tombstones.has(truth)) expect.fail(`the recall ${epoch}:${offset} was not told`);
        tombstones++;
        continue;
      }
      if (truth.conflation?.mode === 'Sum') published += truth.conflation.count;
      const publication = given[next];
      if (publication?.offset !== offset) {
        if (!mayLeaveOut(truth)) expect.fail(`${epoch}:${offset} was left out for no reason`);
        continue;
      }
      next++;
      if (this.#given.has(truth)) expect.fail(`${epoch}:${offset} was given twice`);
      if (this.#recalled.has(truth)) expect.fail(`${epoch}:${offset} was given after its recall`);
      this.#given.set(truth, this.#options.clock.time);
      told += publication.count ?? 0;
      const { data, acceptedAt } = publication;
      const text = typeof data === 'string' ? data : Buffer.from(data).toString();
      if (text !== truth.payload.toString() || acceptedAt !== truth.acceptedAt) {
        expect({ text, acceptedAt }).toEqual({ text: truth.payload.toString(), acceptedAt: truth.acceptedAt });
      }
    }
    if (next !== given.length) expect.fail(`publications of ${after} to ${upto} out of order, or twice`);
    // Of each span what is added up must be what was published, or less where sums were left out on purpose.
    if (told > published) expect(told).toBeLessThanOrEqual(published);
    if (told < published) this.wrongSums.push({ after, upto, published, told });
    return tombstones;
  }

  #recall({ epoch, offset }: Recall): void {
    const { log, clock, readsAtOnce } = this.#options;
    const truth = log.publications.get(`${epoch}:${offset}`);
    if (truth?.recall === undefined) expect.fail(`${epoch}:${offset} is no recall`);
    this.#tombstones.add(truth);
    eachRecalled({ offset, recall: truth.recall }, { after: 0, upto: offset }, (each) => {
      const recalled = log.publications.get(`${epoch}:${each}`);
      if (recalled === undefined) return;
      this.#recalled.add(recalled);
      if (readsAtOnce() && this.#given.get(recalled) === clock.time) expect.fail(`${epoch}:${each} was given together with its recall`);
    });
  }

  /** Nothing comes before its time. A clock that was set can't be held to it. */
  #checkAge(publications: Batch['publications']): void {
    const { clock, delayMs } = this.#options;
    const wanted = delayMs();
    if (clock.wallAheadMs !== 0 || wanted === 0) return;
    const wall = clock.wall();
    for (const { acceptedAt = wall } of publications)
      if (wall - acceptedAt < wanted) expect(wall - acceptedAt).toBeGreaterThanOrEqual(wanted);
  }

  /** Takes the position into another epoch, if it means the same publication there. */
  #follow(epoch: string | undefined): void {
    const told = this.#told;
    if (told === undefined || epoch === undefined || epoch.startsWith(told.epoch)) return;
    if (!this.#options.log.isSame(told, epoch)) return;
    this.#told = { epoch, offset: told.offset };
    this.continuedEpochs++;
  }
}

/** A position from before the first publication has only the beginning of its epoch's name. */
function joins(told: Position | undefined, start: Position | undefined): boolean {
  if (told === undefined || start === undefined) return told === start;
  return start.epoch.startsWith(told.epoch) && start.offset === told.offset;
}

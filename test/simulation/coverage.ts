import { expect } from 'vitest';
import { priorities } from '../../core/publication.ts';
import type { SimulatedGateway } from './gateway.ts';
import { noCounts, type ViewerCounts } from './viewer.ts';
import type { World } from './world.ts';

/** Rules that worlds meet, each counted where it was carried out. */
export interface Rules extends ViewerCounts {
  worlds: number;
  joins: number;
  delivered: number;
  /** Gaps that viewers were told of, by reason. */
  gapsMissed: number;
  gapsSlow: number;
  gapsEpoch: number;
  gapsReconnect: number;
  /** Changes of epoch that a viewer's position went through without a gap. */
  continuedEpochs: number;
  snapshots: number;
  /** Tombstones that viewers were told of. */
  recalls: number;
  /** Returns of event streams by their last id, and those that were told of a gap. */
  streamResumes: number;
  streamGaps: number;
  holesFilled: number;
  holesNotFilled: number;
  resumedPublications: number;
  /** Publications × members. */
  sampled: number;
  conflated: number;
  expired: number;
  /** Taken out of what waited, by a recall. */
  recalledInTime: number;
  skippedForSlow: number;
}

type Expected = Partial<Readonly<Record<keyof Rules, number>>>;

const none: Rules = {
  ...noCounts,
  worlds: 0,
  joins: 0,
  delivered: 0,
  gapsMissed: 0,
  gapsSlow: 0,
  gapsEpoch: 0,
  gapsReconnect: 0,
  continuedEpochs: 0,
  snapshots: 0,
  recalls: 0,
  streamResumes: 0,
  streamGaps: 0,
  holesFilled: 0,
  holesNotFilled: 0,
  resumedPublications: 0,
  sampled: 0,
  conflated: 0,
  expired: 0,
  recalledInTime: 0,
  skippedForSlow: 0,
};

/** How often the seeds of a test met each rule: a simulation that meets none proves nothing. */
export class Coverage {
  readonly rules: Rules = { ...none };
  readonly #isOneSeed: boolean;

  constructor(isOneSeed: boolean) {
    this.#isOneSeed = isOneSeed;
  }

  async add(world: World): Promise<void> {
    const { rules } = this;
    rules.worlds++;
    for (const { counts, ledger } of world.viewers) {
      for (const [name, count] of Object.entries(counts)) rules[name as keyof ViewerCounts] += count as number;
      rules.joins++;
      rules.delivered += ledger.delivered;
      rules.continuedEpochs += ledger.continuedEpochs;
      rules.snapshots += ledger.snapshots;
      rules.recalls += ledger.recalls;
      for (const { reason } of ledger.gaps) {
        if (reason === 'missed') rules.gapsMissed++;
        else if (reason === 'slow') rules.gapsSlow++;
        else if (reason === 'epoch') rules.gapsEpoch++;
        else rules.gapsReconnect++;
      }
    }
    for (const { counts } of world.pages) {
      rules.streamResumes += counts.streamResumes;
      rules.streamGaps += counts.streamGaps;
    }
    for (const gateway of world.gateways) await this.#addGateway(gateway);
  }

  async #addGateway({ metrics }: SimulatedGateway): Promise<void> {
    const { rules } = this;
    for (const { labels, value } of (await metrics.holesClosed.get()).values) {
      if (labels.result === 'filled') rules.holesFilled += value;
      else rules.holesNotFilled += value;
    }
    rules.resumedPublications += (await metrics.resumedPublications.get()).values[0]?.value ?? 0;
    for (const priority of priorities) {
      rules.sampled += metrics.tally.count('budget', priority);
      rules.conflated += metrics.tally.count('conflated', priority);
      rules.expired += metrics.tally.count('expired', priority);
      rules.recalledInTime += metrics.tally.count('recalled', priority);
      rules.skippedForSlow += metrics.tally.count('slow', priority);
    }
  }

  /** Each of these rules was met at least so often. */
  expectMet(expected: Expected): void {
    if (this.#isOneSeed) return;
    const seldom = Object.entries(expected).filter(([rule, least]) => this.rules[rule as keyof Rules] < least);
    expect(Object.fromEntries(seldom.map(([rule]) => [rule, this.rules[rule as keyof Rules]])), 'these rules were met too seldom').toEqual(
      {},
    );
  }
}

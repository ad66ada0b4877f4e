import { Policies, defaultPolicy, type ChannelPolicy } from '../../core/policy/policy.ts';
import { priorities, type Publication } from '../../core/publication.ts';
import { tombstone } from '../../core/recall.ts';
import { dropReasons } from '../../gateway/accounts/tally.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { SimulatedGateway } from './gateway.ts';
import { SimulatedLog } from './log.ts';
import { Page } from './page.ts';
import { PullCache } from './pull-cache.ts';
import { Random } from './random.ts';
import { Viewer, type Habits } from './viewer.ts';

/** Which kinds of trouble a run may meet. */
export interface Troubles {
  readonly budgets: boolean;
  readonly conflation: boolean;
  /** Most publications are sums of one key, and each gateway has windows of its own. */
  readonly likes: boolean;
  readonly expiry: boolean;
  readonly moves: boolean;
  readonly densities: boolean;
  readonly stalls: boolean;
  readonly breaks: boolean;
  readonly busInterruptions: boolean;
  readonly failovers: boolean | 'whole';
  /** The machines' clocks are set forward and back. */
  readonly clockSteps: boolean;
  /** Loops are so busy that flushes wait for each other. */
  readonly busyLoops: boolean;
  /** The channel keeps its newest publications: enough for everything, or too few. */
  readonly history: 'none' | 'whole' | 'short';
  /** Late joiners ask for what came before. */
  readonly rewinds: boolean;
  /** Applications give states of their own. */
  readonly snapshots: boolean;
  /** Publications are recalled, some or all of the channel's. */
  readonly recalls: boolean;
  /** Viewers read by pull, and step over between it and their sockets. It takes a history. */
  readonly pull: boolean;
  /** Some read event streams by a browser's `EventSource`. */
  readonly streams: boolean;
}

export const noTroubles: Troubles = {
  budgets: false,
  conflation: false,
  likes: false,
  expiry: false,
  moves: false,
  densities: false,
  stalls: false,
  breaks: false,
  busInterruptions: false,
  failovers: false,
  clockSteps: false,
  busyLoops: false,
  history: 'none',
  rewinds: false,
  snapshots: false,
  recalls: false,
  pull: false,
  streams: false,
};

const channel = 'video:1';
/** Most publications that a client is given which comes back; in few worlds more of them are missed. */
const resumeMax = { none: 0, whole: 300, short: 10 } as const;

/** A reply that follows a read of the bus is some twenty promises away from it, and no timer overtakes promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
}

/** One seeded run: a channel, some gateways, some viewers, and troubles; everything random comes from the seed. */
export class World {
  readonly clock = new FakeClock();
  readonly random: Random;
  readonly log: SimulatedLog;
  readonly gateways: readonly SimulatedGateway[];
  readonly viewers: Viewer[] = [];
  readonly pages: Page[] = [];
  readonly troubles: Troubles;
  readonly #cache: PullCache;
  #published = 0;

  constructor(seed: number, troubles: Troubles) {
    this.random = new Random(seed);
    this.troubles = troubles;
    const keptMax = { none: 0, whole: 10_000, short: 15 }[troubles.history];
    this.log = new SimulatedLog({ channel, clock: this.clock, random: this.random, keptMax });
    const shared = this.#policy();
    this.gateways = Array.from({ length: 1 + this.random.below(3) }, () => {
      const policies = new Policies([troubles.likes ? { ...this.#policy(), slowConsumer: shared.slowConsumer } : shared]);
      return new SimulatedGateway({ clock: this.clock, log: this.log.link(), policies, busyMs: () => this.#busyMs() });
    });
    this.#cache = new PullCache({ clock: this.clock, random: this.random, gateways: this.gateways });
  }

  /** Whether a gateway may have asked the bus in vain as often as it tries. */
  get hasGivenUpReads(): boolean {
    return this.gateways.some(({ log }) => log.failedReads >= 3);
  }

  /** Publications × members that were left out though they conflate with none. */
  get sampled(): number {
    let sampled = 0;
    for (const { metrics } of this.gateways)
      for (const priority of priorities) sampled += metrics.tally.count('budget', priority) + metrics.tally.count('expired', priority);
    return sampled;
  }

  #busyMs(): number {
    return this.troubles.busyLoops && this.random.chance(0.1) ? this.random.below(1_500) : 0;
  }

  #policy(): ChannelPolicy {
    const { random } = this;
    return {
      ...defaultPolicy,
      channel,
      merge: {
        windowMilliseconds: random.pick(this.troubles.likes ? [50, 100, 300] : [0, 10, 50, 100]),
        publicationsMax: random.pick([3, 20, 500]),
        bytesMax: random.pick([1024, 65_536]),
      },
      ...(this.troubles.history === 'none'
        ? {}
        : { history: { size: 100, ttlSeconds: 300, resumePublicationsMax: resumeMax[this.troubles.history], rewindOnSubscribe: 0 } }),
      budget: this.troubles.budgets ? { publicationsPerSecond: random.pick([5, 10, 40]) } : {},
      slowConsumer: {
        policy: random.pick(['DropOldest', 'DropOldest', 'Disconnect']), // Only stalled readers are to meet the bound.
        queueBytesMax: this.troubles.stalls ? random.pick([4096, 10_000]) : 1_048_576,
      },
    };
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      this.#happen();
      await this.clock.advance(this.random.below(30), settle);
      for (const { ledger } of this.viewers) ledger.throwFault();
      for (const { ledger } of this.pages) ledger.throwFault();
    }
    await this.quiet();
  }

  /** Ends all troubles and lets everything arrive. */
  async quiet(): Promise<void> {
    for (const viewer of this.viewers) viewer.stall(false);
    for (const page of this.pages) page.stall(false);
    await this.clock.advance(8_000, settle);
    // The last word: also those who were left out of everything, or missed the end without knowing, now learn where
    // they stand.
    this.publish(1);
    await this.clock.advance(4_000, settle);
    // A reader by pull asks every five seconds where nothing is published, and believes an unknown epoch late. After a
    // gap a state may not be had at once.
    for (let more = 0; more < 15 && this.#isSomeoneBehind; more++) await this.clock.advance(4_000, settle);
  }

  get #isSomeoneBehind(): boolean {
    const { offset } = this.log;
    return this.viewers.some(
      ({ isGone, pulls, ledger, subscription }) => !isGone && (ledger.isBroken || (pulls && subscription.arrived?.offset !== offset)),
    );
  }

  publish(count: number): void {
    this.log.append(Array.from({ length: count }, () => this.#publication()));
  }

  #publication(): Publication {
    const { random } = this;
    const number = this.#published++;
    const { likes, conflation } = this.troubles;
    const conflates = (conflation && random.chance(0.4)) || (likes && random.chance(0.8));
    const kind = random.chance(0.1) ? 'binary' : 'text';
    return {
      kind,
      payload: Buffer.from(`${number} ${'弹'.repeat(random.below(40))}`),
      priority: random.pick(priorities),
      acceptedAt: this.clock.wall(),
      ttlMs: this.troubles.expiry && random.chance(0.3) ? 1 + random.below(80) : 0,
      conflation: conflates
        ? {
            key: likes ? 'like' : random.pick(['like', 'wave']),
            mode: likes ? 'Sum' : random.pick(['Latest', 'Sum']),
            count: 1 + random.below(5),
          }
        : undefined,
      sender: undefined,
      traceparent: undefined,
    };
  }

  #happen(): void {
    const { random } = this;
    const troubles = this.troubles;
    if (random.chance(0.6)) this.publish(1 + random.below(random.chance(0.1) ? 30 : 4));
    if (random.chance(0.15) && this.viewers.length < 12) this.#join();
    if (troubles.streams) this.#happenToPages();
    const viewer = this.viewers.length === 0 ? undefined : random.pick(this.viewers);
    if (viewer === undefined || viewer.isGone) return;
    if (random.chance(0.03)) viewer.leave();
    else if (troubles.pull && random.chance(0.15)) this.#stepOver(viewer);
    else if (troubles.moves && random.chance(0.15)) viewer.move(random.pick(this.gateways));
    else if (troubles.densities && random.chance(0.15)) viewer.changeDensity(random.pick([undefined, 5, 20, 60]));
    else if (troubles.stalls && random.chance(0.2)) viewer.stall(random.chance(0.5));
    else if (troubles.breaks && random.chance(0.15)) viewer.breakLink(this.gateways, 5 + random.below(random.chance(0.1) ? 2_000 : 200));
    if (troubles.busInterruptions && random.chance(0.05)) random.pick(this.gateways).log.interrupt();
    if (troubles.recalls && random.chance(0.06)) this.#recall();
    if (troubles.failovers === 'whole' && random.chance(0.1)) this.log.failOverWhole();
    else if (troubles.failovers === true && random.chance(0.02)) this.log.failOver();
    if (troubles.clockSteps && random.chance(0.05)) this.clock.wallAheadMs = random.below(7_200_000) - 3_600_000;
  }

  #happenToPages(): void {
    const { random, troubles, log, clock } = this;
    if (this.pages.length < 4 && random.chance(0.1)) {
      const page = new Page({
        clock,
        random,
        log,
        others: random.chance(0.5) ? ['quiet:1'] : [],
        density: troubles.densities ? random.pick([undefined, 5, 20]) : undefined,
        rewind: troubles.rewinds && random.chance(0.5) ? 1 + random.below(30) : undefined,
        mayLeaveOut: (publication) => this.#mayLeaveOut(publication),
      });
      this.pages.push(page);
      page.connect(random.pick(this.gateways));
    }
    if (this.pages.length === 0 || !random.chance(0.3)) return;
    const page = random.pick(this.pages);
    if (page.isGone) return;
    if (random.chance(0.05)) page.leave();
    else if (troubles.stalls && random.chance(0.5)) page.stall(random.chance(0.5));
    else if (troubles.breaks) page.breakStream(this.gateways, 5 + random.below(random.chance(0.1) ? 2_000 : 200));
  }

  /** Takes back a few of the newest publications, or everything. */
  #recall(): void {
    const { random, log, clock } = this;
    if (log.offset === 0) return;
    const some = Array.from({ length: 3 }, () => Math.max(1, log.offset - random.below(30)));
    const offsets = [...new Set(some)].toSorted((one, other) => one - other);
    log.append([tombstone(random.chance(0.2) ? { kind: 'all' } : { kind: 'offsets', offsets }, clock.wall())]);
  }

  #stepOver(viewer: Viewer): void {
    if (viewer.pulls) viewer.stepToSocket(this.random.pick(this.gateways));
    else viewer.stepToPull();
  }

  #join(): void {
    const viewer = new Viewer({
      clock: this.clock,
      random: this.random,
      log: this.log,
      pull: (path) => this.#cache.pull(path),
      habits: this.#habits(),
      mayLeaveOut: (publication) => this.#mayLeaveOut(publication),
    });
    this.viewers.push(viewer);
    if (this.troubles.pull && this.random.chance(0.2)) viewer.stepToPull();
    else viewer.connect(this.random.pick(this.gateways));
  }

  #habits(): Habits {
    const { random, troubles } = this;
    return {
      density: troubles.densities ? random.pick([undefined, 5, 20]) : undefined,
      rewind: troubles.rewinds && random.chance(0.5) ? 1 + random.below(30) : undefined,
      // One in each run is enough for the rules of holding back, and keeps the runs short.
      isDelayed: this.viewers.length === 0,
      takesSnapshots: troubles.snapshots && random.chance(0.3),
    };
  }

  #mayLeaveOut(publication: Publication): boolean {
    const { ttlMs, conflation } = publication;
    if (this.log.recalled.has(publication)) return true;
    const { budgets, densities, busyLoops, busInterruptions, failovers, clockSteps } = this.troubles;
    // What is read of a hole comes at once: a room may hold less than that while an earlier flush is being written.
    const hasBursts = busInterruptions || failovers !== false;
    const isSampled = budgets || densities || busyLoops || hasBursts;
    // By a clock that was set a publication may be too old for the history.
    return ttlMs > 0 || conflation !== undefined || isSampled || clockSteps;
  }

  /** Σ over gateways of each side of the accounting equation, by priority. */
  accounts(): readonly { readonly offered: number; readonly settled: number; readonly pending: number; readonly delivered: number }[] {
    return priorities.map((priority) => {
      let offered = 0;
      let settled = 0;
      let pending = 0;
      let delivered = 0;
      for (const { metrics } of this.gateways) {
        offered += metrics.tally.count('offered', priority);
        delivered += metrics.tally.count('delivered', priority);
        settled +=
          metrics.tally.count('delivered', priority) + dropReasons.reduce((sum, reason) => sum + metrics.tally.count(reason, priority), 0);
        pending += metrics.tally.pending(priority);
      }
      return { offered, settled, pending, delivered };
    });
  }

  close(): void {
    for (const viewer of this.viewers) viewer.leave();
    for (const page of this.pages) page.leave();
    for (const gateway of this.gateways) void gateway.rooms.close();
  }
}

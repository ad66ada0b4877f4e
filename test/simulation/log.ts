import { BusUnavailable, type AppendResult, type ChannelLog, type LogSubscriber } from '../../core/bus/bus.ts';
import { answerFrom, type EarlierEpoch, type HistoryPage, type HistoryQuery, type KeptPublication } from '../../core/history.ts';
import type { LogBatch, Position, Publication, Recall } from '../../core/publication.ts';
import { eachRecalled, withoutContent } from '../../core/recall.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import type { Random } from './random.ts';

/** Where a channel is in which nothing happens. */
const quiet: Position = { epoch: 'quietx1', offset: 0 };

/** An epoch that has publications: those after `from`, and of those before it what its order took over. */
interface Reign {
  readonly epoch: string;
  readonly from: number;
}

/** The truth that clients are checked against: every publication of one channel, by epoch and offset. */
export class SimulatedLog {
  readonly channel: string;
  readonly #clock: FakeClock;
  readonly #random: Random;
  /** A reign's first publication opens an epoch, of whose name only the beginning is known before. */
  epoch = 'reign000';
  offset = 0;
  readonly publications = new Map<string, Publication>();
  readonly #links: LogLink[] = [];
  #reigns = 0;
  #failedOverAt = Number.NEGATIVE_INFINITY;
  /** Publications that the history keeps; 0 = it keeps none. */
  readonly #keptMax: number;
  #kept: KeptPublication[] = [];
  /** What was recalled, by a tombstone that may be lost by now. */
  readonly recalled = new Set<Publication>();
  #recalledAt: number | undefined;
  /** Everything that was not lost. */
  #all: KeptPublication[] = [];
  /** The epochs of what was not lost, the oldest first. */
  #reigned: Reign[] = [];

  constructor(options: { readonly channel: string; readonly clock: FakeClock; readonly random: Random; readonly keptMax: number }) {
    this.channel = options.channel;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#keptMax = options.keptMax;
  }

  /** One gateway's connection to the bus. */
  link(): LogLink {
    const link = new LogLink(this, this.#clock, this.#random);
    this.#links.push(link);
    return link;
  }

  append(publications: readonly Publication[]): AppendResult {
    const firstOffset = this.offset + 1;
    if (!this.#hasPublished) {
      this.epoch += `x${this.#random.below(1_000_000)}`;
      this.#reigned.push({ epoch: this.epoch, from: this.offset });
      this.#rename();
    }
    for (const publication of publications) {
      this.publications.set(`${this.epoch}:${++this.offset}`, publication);
      if (publication.recall !== undefined) this.#recall(this.offset, publication.recall);
      this.#all.push({ offset: this.offset, publication });
      if (this.#keptMax > 0) this.#kept.push({ offset: this.offset, publication });
    }
    if (this.#kept.length > this.#keptMax) this.#kept = this.#kept.slice(-this.#keptMax);
    const batch = { channel: this.channel, epoch: this.epoch, firstOffset, publications };
    for (const link of this.#links) link.offer(batch);
    return { epoch: this.epoch, firstOffset, lastOffset: this.offset };
  }

  /** What is kept loses its content. */
  #recall(offset: number, recall: Recall): void {
    this.#recalledAt = offset;
    eachRecalled({ offset, recall }, { after: 0, upto: offset }, (each) => {
      const publication = this.publications.get(`${this.epoch}:${each}`);
      if (publication !== undefined) this.recalled.add(publication);
    });
    this.#kept = this.#kept.map((kept) =>
      this.recalled.has(kept.publication) ? { ...kept, publication: withoutContent(kept.publication) } : kept,
    );
  }

  /** Whether an offset means the same publication in another epoch. */
  isSame({ epoch, offset }: Position, other: string): boolean {
    const there = this.publications.get(`${other}:${offset}`);
    return offset === 0 || (there !== undefined && this.publications.get(`${epoch}:${offset}`) === there);
  }

  /** A failover that loses nothing. The bus knows one earlier epoch: those that follow too closely are left out. */
  failOverWhole(): void {
    if (!this.#hasPublished || this.#clock.time - this.#failedOverAt < 1_500) return;
    this.#failedOverAt = this.#clock.time;
    this.#reign();
  }

  /** A failover: a new reign; the log may have lost its end, with epochs that were opened there, or everything. */
  failOver(): void {
    const fate = this.#random.fraction();
    if (fate < 0.3) this.offset = 0;
    else if (fate < 0.5) this.offset = Math.max(0, this.offset - this.#random.below(5));
    this.#kept = this.#kept.filter(({ offset }) => offset <= this.offset);
    this.#all = this.#all.filter(({ offset }) => offset <= this.offset);
    this.#reigned = this.#reigned.filter(({ from }) => from < this.offset);
    this.#reign();
  }

  /** The epochs before today's, and the ends of their orders as far as they are still good, the newest first. */
  get #earlier(): readonly EarlierEpoch[] {
    const reigned = this.#hasPublished ? this.#reigned.slice(0, -1) : this.#reigned;
    return reigned.map(({ epoch }, index) => ({ epoch, offset: this.#reigned[index + 1]?.from ?? this.offset })).toReversed();
  }

  get #hasPublished(): boolean {
    return this.epoch.includes('x');
  }

  #reign(): void {
    this.epoch = `reign${String(++this.#reigns).padStart(3, '0')}`;
    this.#rename();
    for (const link of this.#links) link.interrupt();
  }

  /** What was not lost means the same in a new epoch. */
  #rename(): void {
    for (const { offset, publication } of this.#all) this.publications.set(`${this.epoch}:${offset}`, publication);
  }

  page(query: HistoryQuery): HistoryPage {
    const batches = this.#kept.map(({ offset, publication }) => ({ firstOffset: offset, publications: [publication] }));
    const [earlier] = this.#earlier;
    return {
      position: { epoch: this.epoch, offset: this.offset },
      ...(earlier === undefined ? {} : { earlier }),
      ...(this.#recalledAt === undefined ? {} : { recalledAt: this.#recalledAt }),
      publications: answerFrom(batches, query, query.kind === 'after' ? 4_000 : 1_000_000),
    };
  }
}

/**
 * First in, first out, with a delay; interrupted, it loses what is under way and what comes until it is resubscribed.
 */
export class LogLink implements ChannelLog {
  readonly #log: SimulatedLog;
  readonly #clock: FakeClock;
  readonly #random: Random;
  #subscriber: LogSubscriber | undefined;
  #isUp = true;
  #generation = 0;
  #lastArrivalAt = 0;
  /** Reads that found the bus away. */
  failedReads = 0;

  constructor(log: SimulatedLog, clock: FakeClock, random: Random) {
    this.#log = log;
    this.#clock = clock;
    this.#random = random;
  }

  append(_channel: string, publications: readonly Publication[]): Promise<AppendResult> {
    return Promise.resolve(this.#log.append(publications));
  }

  /** The page is of some moment between question and answer. */
  history(channel: string, query: HistoryQuery): Promise<HistoryPage> {
    return new Promise((resolve, reject) => {
      this.#clock.after(this.#random.below(20), () => {
        this.readNow(channel, query).then((page) => this.#clock.after(this.#random.below(20), () => resolve(page)), reject);
      });
    });
  }

  /** A page of this moment. */
  readNow(channel: string, query: HistoryQuery): Promise<HistoryPage> {
    if (channel !== this.#log.channel) return Promise.resolve({ position: quiet, publications: [] });
    if (this.#isUp) return Promise.resolve(this.#log.page(query));
    this.failedReads++;
    return Promise.reject(new BusUnavailable('the bus is away'));
  }

  /** In other channels nothing happens. */
  subscribe(channel: string, subscriber: LogSubscriber): Promise<Position> {
    if (channel !== this.#log.channel) return Promise.resolve(quiet);
    const generation = ++this.#generation;
    return new Promise((resolve) => {
      this.#clock.after(this.#random.below(20), () => {
        if (generation !== this.#generation) return;
        this.#subscriber = subscriber;
        this.#isUp = true;
        resolve({ epoch: this.#log.epoch, offset: this.#log.offset });
      });
    });
  }

  unsubscribe(channel: string): void {
    if (channel !== this.#log.channel) return;
    this.#generation++;
    this.#subscriber = undefined;
  }

  /** What came before the subscription was in force lies before its position. */
  offer(batch: LogBatch): void {
    if (this.#isUp && this.#subscriber !== undefined) this.#later((subscriber) => subscriber.onBatch(batch));
  }

  interrupt(): void {
    if (this.#subscriber === undefined) return;
    this.#isUp = false;
    const subscriber = this.#subscriber;
    const generation = ++this.#generation;
    this.#clock.after(1 + this.#random.below(300), () => {
      this.#isUp = true;
      if (generation !== this.#generation || this.#subscriber !== subscriber) return;
      const position = { epoch: this.#log.epoch, offset: this.#log.offset };
      this.#later((current) => current.onResubscribed(position));
    });
  }

  #later(give: (subscriber: LogSubscriber) => void): void {
    const generation = this.#generation;
    this.#lastArrivalAt = Math.max(this.#lastArrivalAt, this.#clock.time + this.#random.below(15));
    this.#clock.after(this.#lastArrivalAt - this.#clock.time, () => {
      if (generation === this.#generation && this.#subscriber !== undefined) give(this.#subscriber);
    });
  }
}

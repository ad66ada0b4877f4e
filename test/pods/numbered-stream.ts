import { Barrage, type Gap } from '../../client/barrage.ts';
import type { OperatedPool } from './operated-pool.ts';

/** What one viewer was told of the numbers from its first to its last. */
export interface Account {
  readonly received: number;
  /** Told to be missing: by gaps, or left out on purpose. */
  readonly named: number;
  /** Neither received nor told. */
  readonly unnamed: number;
  /** Received again, or after a higher one. */
  readonly disordered: number;
  readonly disconnects: number;
}

/** An SDK client that keeps what it is told of a channel in which 0, 1, 2, … are published. */
export class Viewer {
  readonly numbers: number[] = [];
  readonly gaps: Gap[] = [];
  disconnects = 0;
  #leftOut = 0;
  readonly client: Barrage;
  readonly #subscription;

  constructor(url: string, channel: string) {
    this.client = new Barrage(url);
    this.client.on('state', (state) => {
      if (state === 'waiting') this.disconnects++;
    });
    this.#subscription = this.client.subscribe(channel);
    this.#subscription.on('batch', ({ publications, leftOut }) => {
      for (const { data } of publications) this.numbers.push(Number(data));
      this.#leftOut += leftOut;
    });
    this.#subscription.on('gap', (gap) => this.gaps.push(gap));
  }

  get isSubscribed(): boolean {
    return this.#subscription.state === 'subscribed' && this.client.state === 'open';
  }

  get last(): number {
    return this.numbers.at(-1) ?? -1;
  }

  get account(): Account {
    const [first = 0] = this.numbers;
    const gaps = this.gaps.reduce((sum, { from, to }) => sum + to.offset - (from?.offset ?? to.offset), 0);
    const named = gaps + this.#leftOut;
    const received = new Set(this.numbers).size;
    const disordered = this.numbers.filter((number, index) => index > 0 && number <= (this.numbers[index - 1] ?? -1)).length;
    return { received, named, unnamed: this.last - first + 1 - received - named, disordered, disconnects: this.disconnects };
  }
}

/** Publishes 0, 1, 2, … through the publisher's Service, one after the other, until it is stopped. */
export class NumberedStream {
  /** The next number. */
  next = 0;
  /** What was answered otherwise than with success. */
  readonly failures: string[] = [];
  readonly #notTaken = new Set<number>();
  #isStopped = false;
  readonly #pool: OperatedPool;
  readonly #channel: string;
  readonly #run: Promise<void>;

  constructor(pool: OperatedPool, channel: string) {
    this.#pool = pool;
    this.#channel = channel;
    this.#run = this.#publish();
  }

  /** Numbers that were taken and that a viewer should have received between its first and its last, but did not. */
  missedBy({ numbers }: Viewer): readonly number[] {
    const received = new Set(numbers);
    const between = Array.from({ length: (numbers.at(-1) ?? 0) - (numbers[0] ?? 0) }, (_, index) => (numbers[0] ?? 0) + index);
    return between.filter((number) => !received.has(number) && !this.#notTaken.has(number));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#run;
  }

  async #publish(): Promise<void> {
    while (!this.#isStopped) {
      const number = this.next++;
      const { E: fault } = await this.#pool.publish(this.#channel, String(number)).catch((error: unknown) => ({ E: String(error) }));
      if (fault !== null) {
        this.failures.push(`${number}: ${JSON.stringify(fault)}`);
        this.#notTaken.add(number);
      }
      await new Promise((resolve) => setTimeout(resolve, intervalMs));
    }
  }
}

const intervalMs = 20;

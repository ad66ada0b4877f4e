import { Barrage } from '../../../client/barrage.ts';
import { machineMs } from '../backend.ts';
import { accountOf, type Account, type Published, type Told } from '../outage/account.ts';

/** Where a client goes, and what it watches. */
export interface ClientPlan {
  readonly addresses: readonly string[];
  readonly channels: readonly string[];
}

/** One absence: from the loss of the connection until every channel is subscribed again. By the machine's clock. */
export interface Absence {
  readonly lostAt: number;
  backAt: number | undefined;
}

/** A client by the SDK that keeps all that it is told. */
export class Spectator {
  readonly absences: Absence[] = [];
  /** The gaps that it was told of, in words. */
  readonly gaps: string[] = [];
  /** The first bound of the back-off that it was greeted with, in milliseconds. */
  baseMs: number | undefined;
  readonly #told: ReadonlyMap<string, Told[]>;
  readonly #client: Barrage;
  #hasArrived = false;
  readonly #subscriptions;

  constructor({ addresses, channels }: ClientPlan) {
    this.#told = new Map(channels.map((channel) => [channel, []]));
    this.#client = new Barrage(addresses);
    this.#client.on('error', () => {});
    this.#client.on('hello', ({ backoff }) => (this.baseMs = backoff.baseMs));
    this.#client.on('state', (state) => {
      if (state === 'waiting' && this.#hasArrived && this.isBack) this.absences.push({ lostAt: machineMs(), backAt: undefined });
    });
    this.#subscriptions = channels.map((channel) => {
      const told = this.#told.get(channel)!;
      const subscription = this.#client.subscribe(channel);
      subscription.on('error', () => {});
      subscription.on('state', () => this.#noteReturn());
      subscription.on('batch', ({ epoch, publications }) => {
        const at = machineMs();
        for (const { data, offset } of publications)
          told.push({ kind: 'publication', at, number: Number(String(data).split(' ')[1]), position: { epoch, offset } });
      });
      subscription.on('gap', ({ from, to, reason }) => {
        told.push({ kind: 'gap', at: machineMs(), from, to });
        this.gaps.push(`${channel} ${from?.epoch}/${from?.offset} to ${to.epoch}/${to.offset} (${reason})`);
      });
      return subscription;
    });
  }

  get isSubscribed(): boolean {
    return this.#client.state === 'open' && this.#subscriptions.every(({ state }) => state === 'subscribed');
  }

  /** Whether no absence is open. */
  get isBack(): boolean {
    return this.absences.every(({ backAt }) => backAt !== undefined);
  }

  /** Publications and gaps so far. */
  get heard(): number {
    return [...this.#told.values()].reduce((sum, { length }) => sum + length, 0);
  }

  accounts(published: ReadonlyMap<string, readonly Published[]>): readonly Account[] {
    return [...this.#told].map(([channel, told]) => accountOf(published.get(channel) ?? [], told));
  }

  /** When it had all that was accepted before it was back from its last absence: by the machine's clock. */
  caughtUpAt(published: ReadonlyMap<string, readonly Published[]>): number | undefined {
    const last = this.absences.at(-1);
    if (last?.backAt === undefined) return undefined;
    const { lostAt, backAt } = last;
    const arrivals = [...this.#told].flatMap(([channel, told]) => {
      const missed = (published.get(channel) ?? []).filter(({ answeredAt }) => answeredAt > lostAt - 1000 && answeredAt < backAt);
      const numbers = new Set(missed.map(({ number }) => number));
      return told.flatMap((item) => (item.kind === 'publication' && numbers.has(item.number) ? [item.at] : []));
    });
    return Math.max(backAt, ...arrivals);
  }

  /** Delays of all publications from their acceptance to this client, in milliseconds. */
  delays(published: ReadonlyMap<number, Published>, from: number, to: number): readonly number[] {
    return [...this.#told.values()].flatMap((told) =>
      told.flatMap((item) => {
        const answeredAt = item.kind === 'publication' ? published.get(item.number)?.answeredAt : undefined;
        return answeredAt !== undefined && answeredAt >= from && answeredAt < to ? [item.at - answeredAt] : [];
      }),
    );
  }

  close(): void {
    this.#client.close();
  }

  #noteReturn(): void {
    if (!this.isSubscribed) return;
    this.#hasArrived = true;
    const last = this.absences.at(-1);
    if (last !== undefined) last.backAt ??= machineMs();
  }
}

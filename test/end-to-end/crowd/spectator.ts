import { WebSocket } from 'ws';
import type { Position } from '../../../core/publication.ts';
import { Barrage } from '../../../client/barrage.ts';
import { machineMs } from '../backend.ts';
import { accountOf, type Account, type Published, type Told } from '../outage/account.ts';

/*
 * The sockets are of `ws`: they take half of what those of Node take to open, and the crowd shares two cores with the
 * gateways that it measures.
 */

/** Where a client goes, and what it watches. */
export interface ClientPlan {
  /** Of the plain protocol, which has no SDK; `sdk` where nothing is said. */
  readonly kind?: 'sdk' | 'plain';
  readonly addresses: readonly string[];
  readonly channels: readonly string[];
}

/** One absence: from the loss of the connection until every channel is subscribed again. By the machine's clock. */
export interface Absence {
  readonly lostAt: number;
  backAt: number | undefined;
}

type ByChannel = ReadonlyMap<string, readonly Published[]>;

/** A client that keeps all that it is told. */
export abstract class Spectator {
  readonly absences: Absence[] = [];
  /** The gaps that it was told of, in words. */
  readonly gaps: string[] = [];
  protected readonly told: ReadonlyMap<string, Told[]>;

  constructor(channels: readonly string[]) {
    this.told = new Map(channels.map((channel) => [channel, []]));
  }

  abstract get isSubscribed(): boolean;
  /** Its connection, in words. */
  protected abstract get condition(): string;
  abstract close(): void;

  /** Whether no absence is open. */
  get isBack(): boolean {
    return this.absences.every(({ backAt }) => backAt !== undefined);
  }

  /** Publications and gaps so far. */
  get heard(): number {
    return [...this.told.values()].reduce((sum, { length }) => sum + length, 0);
  }

  accounts(published: ByChannel): readonly Account[] {
    return [...this.told].map(([channel, told]) => accountOf(published.get(channel) ?? [], told));
  }

  /** What it was not told of, in words: a line for each channel. */
  lacks(published: ByChannel): readonly string[] {
    return [...this.told].flatMap(([channel, told]) => {
      const { untold } = accountOf(published.get(channel) ?? [], told);
      if (untold.length === 0) return [];
      const absences = this.absences.map(({ lostAt, backAt }) => `${Math.round(lostAt)} to ${Math.round(backAt ?? 0)}`);
      const heardAt = Math.round(told.at(-1)?.at ?? 0);
      return [`${channel} lacks ${untold.join()} (${this.condition}; away from ${absences.join()}; heard last at ${heardAt})`];
    });
  }

  /** When it had all that was accepted before it was back from its last absence: by the machine's clock. */
  caughtUpAt(published: ByChannel): number | undefined {
    const last = this.absences.at(-1);
    if (last?.backAt === undefined) return undefined;
    const { lostAt, backAt } = last;
    const arrivals = [...this.told].flatMap(([channel, told]) => {
      const missed = (published.get(channel) ?? []).filter(({ answeredAt }) => answeredAt > lostAt - 1000 && answeredAt < backAt);
      const numbers = new Set(missed.map(({ number }) => number));
      return told.flatMap((item) => (item.kind === 'publication' && numbers.has(item.number) ? [item.at] : []));
    });
    return Math.max(backAt, ...arrivals);
  }

  /** Times from the acceptance of a publication until it was here, in milliseconds. */
  delays(published: ReadonlyMap<number, Published>): readonly number[] {
    return [...this.told.values()].flatMap((told) =>
      told.flatMap((item) => {
        const answeredAt = item.kind === 'publication' ? published.get(item.number)?.answeredAt : undefined;
        return answeredAt === undefined ? [] : [item.at - answeredAt];
      }),
    );
  }

  /** A payload is the channel, and a number that no other publication has. */
  protected came(payload: string, position: { readonly epoch: string; readonly offset: number } | undefined): void {
    const [channel = '', number] = payload.split(' ');
    this.told.get(channel)?.push({ kind: 'publication', at: machineMs(), number: Number(number), position });
  }
}

/** A client by the SDK. */
export class SdkSpectator extends Spectator {
  readonly #client: Barrage;
  readonly #subscriptions;
  #hasArrived = false;

  constructor({ addresses, channels }: ClientPlan) {
    super(channels);
    this.#client = new Barrage(addresses, { webSocket: WebSocket });
    this.#client.on('error', () => {});
    this.#client.on('state', (state) => {
      if (state === 'waiting' && this.#hasArrived && this.isBack) this.absences.push({ lostAt: machineMs(), backAt: undefined });
    });
    this.#subscriptions = channels.map((channel) => {
      const subscription = this.#client.subscribe(channel);
      subscription.on('error', () => {});
      subscription.on('state', () => this.#noteReturn());
      subscription.on('batch', ({ epoch, after, upto, leftOut, publications }) => {
        const [from, to] = [after, upto].map((offset) => ({ epoch, offset })) as [Position, Position];
        if (leftOut > 0) this.told.get(channel)?.push({ kind: 'left-out', at: machineMs(), from, to });
        for (const { data, offset } of publications) this.came(String(data), { epoch, offset });
      });
      subscription.on('gap', ({ from, to, reason }) => {
        this.told.get(channel)?.push({ kind: 'gap', at: machineMs(), from, to });
        this.gaps.push(`${channel} ${from?.epoch}/${from?.offset} to ${to.epoch}/${to.offset} (${reason})`);
      });
      return subscription;
    });
  }

  protected get condition(): string {
    return `${this.#client.state} by ${this.#client.transport}, ${this.#subscriptions.map(({ state }) => state).join()}`;
  }

  get isSubscribed(): boolean {
    return this.#client.state === 'open' && this.#subscriptions.every(({ state }) => state === 'subscribed');
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

/** A client of the plain protocol at the first address. It does not come back: its absence has no end. */
export class PlainSpectator extends Spectator {
  readonly #socket: WebSocket;
  #replies = 0;

  constructor({ addresses, channels }: ClientPlan) {
    super(channels);
    this.#socket = new WebSocket(addresses[0] ?? '');
    this.#socket.onopen = (): void => {
      for (const channel of channels) {
        this.#socket.send(JSON.stringify({ op: 'subscribe', channel: channel.split(':').toReversed().join('@') }));
      }
    };
    // Its frames are text.
    this.#socket.onmessage = ({ data }): void => {
      const text = data as string;
      if (text === '{"result":true}') this.#replies++;
      else this.came(text, undefined);
    };
    this.#socket.onclose = (): void => void this.absences.push({ lostAt: machineMs(), backAt: undefined });
  }

  protected get condition(): string {
    return `readyState ${this.#socket.readyState}, ${this.#replies} replies`;
  }

  get isSubscribed(): boolean {
    return this.#replies === this.told.size && this.isBack;
  }

  close(): void {
    this.#socket.onclose = null;
    this.#socket.close();
  }
}

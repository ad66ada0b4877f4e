import { Barrage } from '../../client/barrage.ts';
import type { Position } from '../../core/publication.ts';
import type { Absence, Entry, Item, Journal } from './record.ts';
import type { ViewerState, ViewerWish } from './viewer-messages.ts';

interface Account {
  start: Position | undefined;
  entries: Entry[];
}

/** Errors that are remembered until a viewer is back. */
const errorsMax = 20;

/** An SDK client that writes down what it is told of each channel. */
export class Viewer {
  readonly #wish: ViewerWish;
  readonly #client: Barrage;
  readonly #subscriptions;
  readonly #accounts = new Map<string, Account>();
  #absences: Absence[] = [];
  #awaySince: number | undefined;
  #errors: string[] = [];

  constructor(wish: ViewerWish) {
    this.#wish = wish;
    const { channels, density, rewind } = wish;
    this.#client = new Barrage(wish.addresses, { transports: [wish.transport] });
    this.#client.on('error', ({ message }) => {
      if (this.#errors.length < errorsMax) this.#errors.push(`${new Date().toISOString().slice(11, 23)} ${message}`);
    });
    this.#client.on('state', (state) => {
      if (state === 'open') this.#endAbsence();
      else this.#awaySince ??= Date.now();
    });
    this.#subscriptions = channels.map((channel) => {
      const account: Account = { start: undefined, entries: [] };
      this.#accounts.set(channel, account);
      const wanted = { ...(density === undefined ? {} : { density }), ...(rewind === undefined ? {} : { rewind }) };
      const subscription = this.#client.subscribe(channel, wanted);
      let hasBegun = false;
      subscription.on('state', (state) => {
        const { position } = subscription;
        if (state !== 'subscribed' || hasBegun || position === undefined) return;
        hasBegun = true;
        account.entries.push({ kind: 'begin', at: Date.now(), position });
      });
      subscription.on('batch', ({ epoch, after, upto, publications }) => {
        const items = publications.map(({ offset, data, count }): Item => {
          const number = Number.parseInt(typeof data === 'string' ? data : new TextDecoder().decode(data), 10);
          return count === undefined ? [offset, number] : [offset, number, count];
        });
        account.entries.push({ kind: 'batch', at: Date.now(), epoch, after, upto, items });
      });
      subscription.on('recall', (recall) => {
        const { epoch, offset } = recall;
        account.entries.push({ kind: 'recall', at: Date.now(), epoch, offset, offsets: recall.offsets ?? [] });
      });
      subscription.on('gap', ({ from, to, reason }) => void account.entries.push({ kind: 'gap', at: Date.now(), from, to, reason }));
      return subscription;
    });
  }

  get state(): ViewerState {
    return {
      name: this.#wish.name,
      isBack: this.#client.state === 'open' && this.#subscriptions.every(({ state }) => state === 'subscribed'),
      state: [this.#client.state, ...this.#subscriptions.map(({ channel, state }) => `${channel} ${state}`), ...this.#errors].join(', '),
      positions: this.#subscriptions.map(({ channel, position }) => [channel, position]),
    };
  }

  /** Whether gateways know of its subscriptions, and answer its questions. */
  get isMember(): boolean {
    return this.#wish.transport !== 'pull';
  }

  /** Members of the channel, as the gateways say. */
  async counts(channel: string): Promise<number | undefined> {
    return await this.#client.counts(channel).then(
      ({ members }) => members,
      () => undefined,
    );
  }

  /** What it was told since the last time. */
  journals(isWhole = true): readonly Journal[] {
    return this.#subscriptions.map(({ channel, position }) => {
      const account = this.#accounts.get(channel)!;
      const { start, entries } = account;
      account.entries = [];
      account.start = position;
      const { name, density, transport } = this.#wish;
      return { viewer: name, channel, start, entries, isThinned: density !== undefined, isPulled: transport === 'pull', isWhole };
    });
  }

  /** When it had no connection since the last time. */
  absences(): readonly Absence[] {
    const absences = this.#absences;
    this.#absences = [];
    const since = this.#awaySince;
    return since === undefined ? absences : [...absences, this.#absence(since)];
  }

  close(): void {
    this.#client.close();
  }

  #absence(from: number): Absence {
    const why = this.#errors;
    this.#errors = [];
    return { viewer: this.#wish.name, from, to: Date.now(), why };
  }

  #endAbsence(): void {
    if (this.#awaySince !== undefined) this.#absences.push(this.#absence(this.#awaySince));
    this.#awaySince = undefined;
  }
}

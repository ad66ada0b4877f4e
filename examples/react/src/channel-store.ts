import type { Barrage, Publication, Subscription, SubscriptionState } from '@barrage-live/client';

/** What a component shows of a channel: its newest publications, and a mark where some are missing. */
export type Entry =
  | { readonly kind: 'publication'; readonly key: string; readonly offset: number; readonly data: string; readonly count: number }
  | { readonly kind: 'gap'; readonly key: string; readonly offset: number; readonly missed: number | undefined };

export interface ChannelView {
  readonly entries: readonly Entry[];
  readonly state: SubscriptionState;
  /** Publications that the gateway left out on purpose, to keep the channel's budget or this client's density. */
  readonly leftOut: number;
  /** Why the subscription failed or waits. */
  readonly error: string | undefined;
}

/** Most entries that are kept. */
const entriesMax = 100;
const nothing: ChannelView = { entries: [], state: 'subscribing', leftOut: 0, error: undefined };

/**
 * A channel as a store for `useSyncExternalStore`. It is subscribed while at least one component looks at it, however
 * many do, and however often React mounts them.
 */
export class ChannelStore {
  readonly #barrage: Barrage | undefined;
  readonly #channel: string;
  readonly #listeners = new Set<() => void>();
  #subscription: Subscription | undefined;
  #view = nothing;

  constructor(barrage: Barrage | undefined, channel: string) {
    this.#barrage = barrage;
    this.#channel = channel;
  }

  readonly getView = (): ChannelView => this.#view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#begin();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#end();
    };
  };

  #begin(): void {
    if (this.#barrage === undefined || this.#barrage.state === 'closed') return;
    this.#show({ ...nothing });
    const subscription = this.#barrage.subscribe(this.#channel);
    this.#subscription = subscription;
    // One change for each batch, not for each publication: React renders once.
    subscription.on('batch', ({ epoch, publications, leftOut }) => {
      this.#add(
        publications.map((publication) => entryOf(epoch, publication)),
        leftOut,
      );
    });
    subscription.on('gap', ({ from, to }) => {
      const missed = from?.epoch === to.epoch ? to.offset - from.offset : undefined;
      this.#add([{ kind: 'gap', key: `gap ${to.epoch} ${to.offset}`, offset: to.offset, missed }], 0);
    });
    subscription.on('recall', ({ offsets = [], upto = 0 }) => {
      const isRecalled = ({ kind, offset }: Entry): boolean => kind === 'publication' && (offset <= upto || offsets.includes(offset));
      this.#show({ ...this.#view, entries: this.#view.entries.filter((entry) => !isRecalled(entry)) });
    });
    subscription.on('state', (state) => this.#show({ ...this.#view, state }));
    subscription.on('error', ({ message }) => this.#show({ ...this.#view, error: message }));
  }

  #end(): void {
    void this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }

  #add(entries: readonly Entry[], leftOut: number): void {
    const all = [...this.#view.entries, ...entries].slice(-entriesMax);
    this.#show({ ...this.#view, entries: all, leftOut: this.#view.leftOut + leftOut });
  }

  #show(view: ChannelView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }
}

function entryOf(epoch: string, { offset, data, count = 1 }: Publication): Entry {
  const text = typeof data === 'string' ? data : `${data.byteLength} bytes`;
  return { kind: 'publication', key: `${epoch} ${offset}`, offset, data: text, count };
}

import { Barrage, type Subscription } from '../barrage.ts';

/** What a viewer of the channel was given. */
export interface Viewed {
  readonly publications: number;
  /** Publications that the gateway left out on purpose: the channel's budget had no room for them. */
  readonly leftOut: number;
  /** Publications that were lost on the way. */
  readonly missed: number;
}

/** Longest wait for the subscription, and for the last publication, in milliseconds. */
const waitMs = 3000;

/** A viewer of the channel at a gateway, who counts. */
export class Viewer {
  readonly #barrage: Barrage;
  readonly #subscription: Subscription;
  readonly #settled: Promise<void>;
  #viewed: Viewed = { publications: 0, leftOut: 0, missed: 0 };
  #upto = 0;
  #reason = 'no gateway answers there';
  #progress = (): void => {};

  constructor(gateway: URL, channel: string) {
    this.#barrage = new Barrage(gateway.href);
    const subscription = this.#barrage.subscribe(channel);
    this.#subscription = subscription;
    subscription.on('batch', ({ upto, publications, leftOut }) => {
      const before = this.#viewed;
      this.#viewed = { ...before, publications: before.publications + publications.length, leftOut: before.leftOut + leftOut };
      this.#reach(upto);
    });
    subscription.on('gap', ({ from, to }) => {
      const missed = from?.epoch === to.epoch ? to.offset - from.offset : 0;
      this.#viewed = { ...this.#viewed, missed: this.#viewed.missed + missed };
      this.#reach(to.offset);
    });
    this.#settled = new Promise((resolve) => {
      const failed = ({ message }: { readonly message: string }): void => {
        this.#reason = message;
        resolve();
      };
      this.#barrage.on('error', failed);
      subscription.on('error', failed);
      subscription.on('state', (state) => {
        if (state === 'subscribed') resolve();
      });
    });
  }

  /** Waits for the subscription, or a first failure. @returns why nobody watches; `undefined` if somebody does */
  async fault(): Promise<string | undefined> {
    await this.#within(this.#settled);
    return this.#subscription.state === 'subscribed' ? undefined : this.#reason;
  }

  /** What the viewer was given up to an offset; or so far, when that does not come. */
  async viewedUpto(offset: number): Promise<Viewed> {
    if (this.#upto < offset) {
      await this.#within(
        new Promise((resolve) => {
          this.#progress = () => {
            if (this.#upto >= offset) resolve();
          };
        }),
      );
    }
    return this.#viewed;
  }

  close(): void {
    this.#barrage.close();
  }

  #reach(offset: number): void {
    this.#upto = offset;
    this.#progress();
  }

  async #within(awaited: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    await Promise.race([awaited, promise]);
    clearTimeout(timer);
  }
}

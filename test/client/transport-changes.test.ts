import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type Gap } from '../../client/barrage.ts';
import { Random } from '../simulation/random.ts';
import { PickyProxy } from '../support/picky-proxy.ts';
import { SkippingClock } from '../support/skipping-clock.ts';
import { TestStandalone } from '../support/standalone.ts';

vi.setConfig({ testTimeout: 120_000 });

const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
/** Fewer than a gateway gives at once to a client that comes back. */
const publications = 200;
const policies = JSON.stringify({ channels: [{ channel: 'video:*', history: { size: 1000, ttlSeconds: 600 } }] });

/** One client whose network changes all the time. */
class Traveller {
  readonly data: string[] = [];
  readonly gaps: Gap[] = [];
  readonly transports: string[] = [];
  readonly #clock = new SkippingClock();
  readonly #random: Random;
  readonly #proxy: PickyProxy;
  readonly #barrage: Barrage;
  readonly isSubscribed: () => boolean;

  private constructor(seed: number, proxy: PickyProxy) {
    this.#random = new Random(seed);
    this.#proxy = proxy;
    this.#barrage = new Barrage(proxy.url, { clock: this.#clock });
    onTestFinished(() => this.#barrage.close());
    this.#barrage.on('error', () => {});
    this.#barrage.on('transport', (name) => this.transports.push(name));
    const subscription = this.#barrage.subscribe(`video:${seed}`);
    subscription.on('publication', ({ data }) => this.data.push(String(data)));
    subscription.on('gap', (gap) => this.gaps.push(gap));
    this.isSubscribed = (): boolean => subscription.state === 'subscribed';
  }

  static async start(seed: number, port: number): Promise<Traveller> {
    const proxy = await PickyProxy.start(port);
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    return new Traveller(seed, proxy);
  }

  /** A moment between two publications. */
  async wait(): Promise<void> {
    await sleep(this.#random.fraction() * 30);
  }

  /** The network is good from now on. */
  settle(): void {
    this.#proxy.webSockets = true;
    this.#proxy.streams = true;
  }

  /** Something happens to the network, or time passes. */
  async happen(): Promise<void> {
    const chance = this.#random.fraction();
    if (chance < 0.3) {
      // Only a minute after a transport has worked it may be given up.
      this.#proxy.webSockets = this.#random.fraction() < 0.4;
      this.#proxy.streams = this.#random.fraction() < 0.5;
      this.#proxy.cut();
      await vi.waitUntil(() => this.#barrage.transport === undefined, { timeout: 300, interval: 1 }).catch(() => {});
      this.#clock.skip(61_000);
    } else if (chance < 0.5) this.#proxy.cut();
    else if (chance < 0.9) {
      // Better transports are tried.
      this.#proxy.webSockets ||= this.#random.fraction() < 0.5;
      this.#proxy.streams ||= this.#random.fraction() < 0.5;
      this.#clock.skip(600_000);
    } else {
      this.#barrage.pause();
      this.#barrage.resume();
    }
  }
}

test(`clients that change among three transports at random moments get everything once and in order: ${seeds.length} seeds`, async () => {
  const server = await TestStandalone.withPolicies(policies, { BARRAGE_BACKOFF_BASE_MS: '10', BARRAGE_BACKOFF_CAP_MS: '50' });
  const texts = Array.from({ length: publications }, (_, index) => `p${index}`);
  const travellers = await Promise.all(
    seeds.map(async (seed) => {
      const traveller = await Traveller.start(seed, server.port);
      await vi.waitUntil(traveller.isSubscribed, { timeout: 30_000, interval: 5 });
      for (const [index, text] of texts.entries()) {
        await server.publish(`video:${seed}`, text);
        await traveller.wait();
        if (index % 10 === 9) await traveller.happen();
      }
      traveller.settle();
      await vi.waitUntil(() => traveller.data.length >= publications, { timeout: 60_000, interval: 10 }).catch(() => {});
      return traveller;
    }),
  );
  for (const [index, { data, gaps, transports }] of travellers.entries()) {
    const told = `seed ${seeds[index] ?? 0}: ${transports.join(' ')}`;
    expect(gaps, told).toEqual([]);
    expect(data, told).toEqual(texts);
  }
  // The seeds reach what they are about.
  const steps = travellers.flatMap(({ transports }) => transports.slice(1).map((to, index) => `${transports[index] ?? ''} to ${to}`));
  expect(new Set(steps).size, steps.join(', ')).toBeGreaterThanOrEqual(4);
});

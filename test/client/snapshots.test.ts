import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type Snapshot } from '../../client/barrage.ts';
import { Balancer } from '../support/balancer.ts';
import { TestStandalone } from '../support/standalone.ts';
import { until } from '../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

/** The application: it writes to its store, and then publishes what it wrote. */
class Votes {
  readonly store: Record<string, number> = {};
  readonly #standalone: TestStandalone;
  /** Calls that fail from now on. */
  failures = 0;

  constructor(standalone: TestStandalone) {
    this.#standalone = standalone;
  }

  async vote(candidate: string): Promise<number> {
    const votes = (this.store[candidate] ?? 0) + 1;
    this.store[candidate] = votes;
    const { offset } = await this.#standalone.publish('poll:1', JSON.stringify({ candidate, votes }));
    return offset;
  }

  /** The state at some moment between the call and its answer. */
  async read(): Promise<Record<string, number>> {
    await pause(Math.random() * 50);
    if (this.failures-- > 0) throw new Error('the store is busy');
    const state = { ...this.store };
    await pause(Math.random() * 50);
    return state;
  }
}

/** A page that shows the votes: the snapshot, and each publication after it. */
class Page {
  votes: Record<string, number> = {};
  readonly snapshots: Snapshot[] = [];
  readonly errors: string[] = [];
  gaps = 0;
  /** Everything up to here is on the page, since the last snapshot. */
  upto = 0;
  readonly holes: string[] = [];
  readonly barrage: Barrage;

  constructor(port: number, app: Votes) {
    this.barrage = new Barrage(`ws://127.0.0.1:${port}/`);
    onTestFinished(() => this.barrage.close());
    this.barrage.on('error', () => {});
    const subscription = this.barrage.subscribe('poll:1', { getState: () => app.read() });
    subscription.on('error', ({ message }) => this.errors.push(message));
    subscription.on('gap', () => this.gaps++);
    subscription.on('snapshot', (snapshot) => {
      this.snapshots.push(snapshot);
      this.votes = { ...(snapshot.state as Record<string, number>) };
      this.upto = snapshot.position.offset;
    });
    subscription.on('batch', ({ after, upto }) => {
      if (after !== this.upto) this.holes.push(`${this.upto} to ${after}`);
      this.upto = upto;
    });
    subscription.on('publication', ({ data }) => {
      const { candidate, votes } = JSON.parse(String(data)) as { readonly candidate: string; readonly votes: number };
      this.votes[candidate] = votes;
    });
  }
}

test('pages that join under a stream of publications, and lose their connections, show what the store has', async () => {
  const standalone = await TestStandalone.start({ BARRAGE_BACKOFF_BASE_MS: '20', BARRAGE_BACKOFF_CAP_MS: '200' });
  const balancer = await Balancer.start([standalone.port]);
  onTestFinished(() => balancer[Symbol.asyncDispose]());
  const app = new Votes(standalone);
  const pages: Page[] = [];
  let last = 0;
  for (let round = 0; round < 200; round++) {
    if (round % 10 === 0) pages.push(new Page(balancer.port, app));
    if (round % 70 === 69) balancer.cut();
    last = await app.vote(`candidate ${round % 5}`);
    await pause(5);
  }
  // Connections that were cut at the end report their gap with the next one.
  await until(() => pages.every(({ upto, snapshots }) => upto === last && snapshots.length > 0), 30);
  for (const { votes, holes, errors } of pages) {
    expect(votes).toEqual(app.store);
    expect([holes, errors]).toEqual([[], []]);
  }
  expect(pages.some(({ snapshots }) => snapshots.length > 1)).toBe(true);
});

test('a state that can not be had at first is an error, and comes later; the publications of that time are in it', async () => {
  const standalone = await TestStandalone.start({ BARRAGE_BACKOFF_BASE_MS: '20', BARRAGE_BACKOFF_CAP_MS: '200' });
  const app = new Votes(standalone);
  app.failures = 2;
  const page = new Page(standalone.port, app);
  await until(() => page.errors.length > 0, 20);
  await app.vote('a');
  await until(() => page.snapshots.length === 1 && page.votes['a'] === 1, 20);
  expect(page.errors).toEqual(['getState failed: the store is busy', 'getState failed: the store is busy']);
  await app.vote('a');
  await until(() => page.votes['a'] === 2, 20);
  expect([page.holes, page.gaps]).toEqual([[], 0]);
});

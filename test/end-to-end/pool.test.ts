import { afterEach, beforeEach, expect, test } from 'vitest';
import { Barrage, type Gap } from '../../client/barrage.ts';
import { Balancer } from '../support/balancer.ts';
import { TestProcess } from '../support/process.ts';
import { RedisServer } from '../support/redis-server.ts';

const channel = 'video:1';
const disposables: AsyncDisposable[] = [];
let redis: RedisServer;

beforeEach(async () => {
  redis = await RedisServer.start();
});
afterEach(async () => {
  for (const disposable of disposables.splice(0).toReversed()) await disposable[Symbol.asyncDispose]();
  await redis.dispose();
});

function start(command: 'gateway' | 'publisher', environment: Readonly<Record<string, string>> = {}): TestProcess {
  return new TestProcess(`${command}/main.ts`, {
    BARRAGE_REDIS_URL: redis.url,
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_BACKOFF_BASE_MS: '50',
    BARRAGE_BACKOFF_CAP_MS: '1000',
    ...environment,
  });
}

/** A subscriber that keeps what it is told. */
class Viewer implements AsyncDisposable {
  readonly client: Barrage;
  readonly numbers: number[] = [];
  readonly gaps: Gap[] = [];
  disconnects = 0;
  readonly #subscription;

  constructor(port: number) {
    this.client = new Barrage(`ws://127.0.0.1:${port}/`);
    this.client.on('state', (state) => {
      if (state === 'waiting') this.disconnects++;
    });
    this.#subscription = this.client.subscribe(channel);
    this.#subscription.on('publication', ({ data }) => this.numbers.push(Number(data)));
    this.#subscription.on('gap', (gap) => this.gaps.push(gap));
    disposables.push(this);
  }

  get isSubscribed(): boolean {
    return this.#subscription.state === 'subscribed' && this.client.state === 'open';
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    return Promise.resolve();
  }
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: { readonly E: { readonly c: number; readonly m: string } | null; readonly r?: Record<string, unknown> };
}

async function publish(port: number, number: number, query = ''): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/mesh/publish${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ c: channel, d: String(number) }),
  });
  return { status: response.status, retryAfter: response.headers.get('retry-after'), body: (await response.json()) as Answer['body'] };
}

async function metric(port: number, line: RegExp): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(line.exec(text)?.[1] ?? NaN);
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? Infinity));
}

test('gateways and publishers are joined by Redis: every viewer on every gateway gets everything, in order, and counts are right', async () => {
  const gateways = [start('gateway'), start('gateway')];
  const publisher = await start('publisher').port();
  const ports = await Promise.all(gateways.map((gateway) => gateway.port()));
  const viewers = ports.flatMap((port) => [new Viewer(port), new Viewer(port)]);
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed)).toBe(true);
  for (let number = 0; number < 200; number++) expect((await publish(publisher, number)).status).toBe(200);
  const expected = Array.from({ length: 200 }, (_, number) => number);
  for (const viewer of viewers) await expect.poll(() => viewer.numbers).toEqual(expected);
  expect(viewers.flatMap(({ gaps }) => gaps)).toEqual([]);
  await expect.poll(async () => (await publish(publisher, 1000)).body.r).toMatchObject({ s: 4, f: 0 });
  const delivered = await publish(publisher, 1001, '?wait=delivered&waitMs=10000');
  expect(delivered.body.r).toMatchObject({ s: 4, f: 0, pending: 0, unanswered: [] });
  const counted = (): Promise<unknown> => Promise.resolve(viewers[0]?.client.counts(channel)).catch((error: unknown) => error);
  await expect.poll(counted).toEqual({ members: 4 });
});

test('while Redis is away a count is refused, for as long as it takes, and is no count of nobody', async () => {
  const viewer = new Viewer(await start('gateway').port());
  await expect.poll(() => viewer.isSubscribed).toBe(true);
  const count = (): Promise<unknown> => viewer.client.counts(channel).catch((error: unknown) => error);
  await expect.poll(count).toEqual({ members: 1 });
  await redis.stop('gone');
  await expect.poll(count, { timeout: 5_000 }).toMatchObject({ code: 'unavailable', retry: true });
  // Gateways that have been silent for three seconds are not asked any more: it must not look as if there were none.
  const sinceAt = performance.now();
  const answers: unknown[] = [];
  await expect.poll(async () => answers.push(await count()) > 0 && performance.now() - sinceAt, { timeout: 10_000 }).toBeGreaterThan(5_000);
  expect(answers.filter((answer) => (answer as { code?: string }).code !== 'unavailable')).toEqual([]);
  await redis.start();
  await expect.poll(count, { timeout: 10_000 }).toEqual({ members: 1 });
});

test('a gateway receives only the channels that have a member on it', async () => {
  const [busy, idle] = [start('gateway'), start('gateway')];
  const publisher = await start('publisher').port();
  const viewer = new Viewer(await busy.port());
  await expect.poll(() => viewer.isSubscribed).toBe(true);
  for (let number = 0; number < 20; number++) await publish(publisher, number);
  await expect.poll(() => viewer.numbers.length).toBe(20);
  expect(await metric(await busy.port(), /^barrage_gateway_publications_received_total (\d+)/m)).toBe(20);
  expect(await metric(await idle.port(), /^barrage_gateway_publications_received_total (\d+)/m)).toBe(0);
});

test('Redis restarted under load: nobody is disconnected, publishing answers a temporary error and works again within 5 s', async () => {
  const gateway = start('gateway');
  const publisher = await start('publisher').port();
  const viewers = [new Viewer(await gateway.port()), new Viewer(await gateway.port())];
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed)).toBe(true);
  const answers: Answer[] = [];
  let number = 0;
  let isOver = false;
  const load = (async () => {
    while (!isOver) {
      answers.push(await publish(publisher, number++));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  await expect.poll(() => viewers[0]?.numbers.length).toBeGreaterThan(20);
  await redis.stop('gone');
  await expect.poll(() => answers.at(-1)?.status, { timeout: 10_000 }).toBe(503);
  const refused = answers.at(-1);
  expect(refused?.body.E?.m).toContain('temporarily unavailable');
  expect(refused?.retryAfter).toBe('1');
  expect((await fetch(`http://127.0.0.1:${await gateway.port()}/livez`)).status).toBe(200);
  await expect.poll(async () => (await fetch(`http://127.0.0.1:${await gateway.port()}/readyz`)).text()).toContain('the bus');
  await redis.start();
  const backAt = performance.now();
  await expect.poll(() => answers.at(-1)?.status, { timeout: 20_000, interval: 20 }).toBe(200);
  // The product's promise, not a race against the machine: its own back-off is capped far below.
  expect(performance.now() - backAt).toBeLessThan(5_000);
  const lengths = viewers.map(({ numbers }) => numbers.length);
  await expect
    .poll(() => viewers.every(({ numbers }, index) => numbers.length > (lengths[index] ?? 0) + 20), { timeout: 10_000 })
    .toBe(true);
  isOver = true;
  await load;
  for (const viewer of viewers) {
    expect(viewer.disconnects).toBe(0);
    expect(isRising(viewer.numbers)).toBe(true);
    // Redis came back empty, with another order: that is a gap, and it is told.
    expect(viewer.gaps.length).toBeGreaterThan(0);
  }
});

test('a gateway dies: behind a plain balancer its clients wander to another, and are told of the gap', async () => {
  const [first, second] = [start('gateway'), start('gateway')];
  const publisher = await start('publisher').port();
  const ports = [await first.port(), await second.port()];
  const balancer = await Balancer.start(ports);
  disposables.push(balancer);
  const viewers = [new Viewer(balancer.port), new Viewer(balancer.port), new Viewer(balancer.port), new Viewer(balancer.port)];
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed)).toBe(true);
  for (let number = 0; number < 50; number++) await publish(publisher, number);
  for (const viewer of viewers) await expect.poll(() => viewer.numbers.length).toBe(50);
  await first.kill();
  for (let number = 50; number < 100; number++) await publish(publisher, number);
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed), { timeout: 10_000 }).toBe(true);
  await publish(publisher, 1_000);
  for (const viewer of viewers) await expect.poll(() => viewer.numbers.at(-1), { timeout: 10_000 }).toBe(1_000);
  for (const viewer of viewers) {
    expect(isRising(viewer.numbers)).toBe(true);
    // Who missed something was told so; who was told of nothing missed nothing.
    expect(viewer.gaps.length > 0).toBe(viewer.numbers.length < 101);
  }
  expect(viewers.some(({ disconnects }) => disconnects > 0)).toBe(true);
  expect(viewers.some(({ gaps }) => gaps.length === 0)).toBe(true);
});

test('on SIGTERM a gateway asks its clients to come back, and ends with status 0', async () => {
  const [first, second] = [start('gateway', { BARRAGE_DRAIN_MS: '500' }), start('gateway')];
  const balancer = await Balancer.start([await first.port(), await second.port()]);
  disposables.push(balancer);
  const viewers = [new Viewer(balancer.port), new Viewer(balancer.port), new Viewer(balancer.port), new Viewer(balancer.port)];
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed)).toBe(true);
  first.terminate();
  expect(await first.ended()).toBe(0);
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed), { timeout: 10_000 }).toBe(true);
  // The viewers are clients of the SDK.
  const connections = async (): Promise<number> => metric(await second.port(), /^barrage_gateway_connections\{client="sdk"\} (\d+)/m);
  await expect.poll(connections).toBe(4);
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed)).toBe(true);
  // Nothing was published meanwhile: the positions prove it, so nobody is told of a gap.
  expect(viewers.flatMap(({ gaps }) => gaps)).toEqual([]);
});

import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { TestProcess } from '../support/process.ts';
import { RedisServer } from '../support/redis-server.ts';
import { policyFile } from '../support/standalone.ts';
import { formVariable } from '../suite.ts';
import { Backend, machineMs } from './backend.ts';
import { Crowd } from './crowd/crowd.ts';
import { quantile } from './figures.ts';

/** `npm run paused` takes the long form: by the default times, a minute instead of seconds. */
const isLong = process.env[formVariable] === 'long';
const channels = ['kept:1', 'kept:2'] as const;
const clean = { twice: 0, refused: 0, disordered: 0, untold: 0, missed: 0, gaps: 0, examples: [] };
const policies = 'channels:\n  - channel: "kept:*"\n    history: { size: 5000, ttlSeconds: 900 }\n';

interface PausedPool {
  readonly gateways: readonly TestProcess[];
  readonly sdk: Crowd;
  readonly plain: Crowd;
  readonly backend: Backend;
}

/** Two gateways with a load; twenty SDK clients and five plain ones at the first. */
async function startPool(times: Readonly<Record<string, string>>, perSecond: number): Promise<PausedPool> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const common = {
    BARRAGE_REDIS_URL: redis.url,
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_POLICY_FILE: await policyFile(policies),
    ...times,
  };
  const gateways = [1, 2].map(() => new TestProcess('gateway/main.ts', common));
  const publisher = new TestProcess('publisher/main.ts', common);
  const [port, ...ports] = await Promise.all([publisher, ...gateways].map((each) => each.port()));
  const plan = { addresses: ports.map((each) => `ws://127.0.0.1:${each}/`), channels };
  const sdk = await Crowd.open(Array.from({ length: 20 }, () => plan));
  const plain = await Crowd.open(Array.from({ length: 5 }, () => ({ ...plan, kind: 'plain' })));
  await expect.poll(async () => (await sdk.census()).subscribed, { timeout: 20_000 }).toBe(20);
  await expect.poll(async () => (await plain.census()).subscribed, { timeout: 20_000 }).toBe(5);
  const backend = new Backend(machineMs);
  onTestFinished(() => backend.stop());
  backend.load({ perSecond, channels, port: port! });
  for (const crowd of [sdk, plain])
    await expect.poll(async () => (await crowd.census()).heardLeast, { timeout: 20_000 }).toBeGreaterThan(10);
  return { gateways, sdk, plain, backend };
}

/** The first gateway's process stands still for so long. @returns when it went on, by the machine's clock */
async function standStill({ gateways }: PausedPool, ms: number): Promise<number> {
  gateways[0]!.terminate('SIGSTOP');
  onTestFinished(() => gateways[0]!.terminate('SIGCONT'));
  await pause(ms);
  gateways[0]!.terminate('SIGCONT');
  return machineMs();
}

async function settled({ sdk, plain, backend }: PausedPool): Promise<void> {
  await pause(1000);
  await backend.stop();
  for (const crowd of [sdk, plain])
    await expect.poll(async () => (await crowd.account(backend.published)).missed, { timeout: 30_000, interval: 200 }).toBe(0);
}

test('a gateway that stands still for five seconds is late, and loses neither clients nor publications', { timeout: 120_000 }, async () => {
  const pool = await startPool({}, 100);
  await standStill(pool, 5000);
  await settled(pool);
  for (const crowd of [pool.sdk, pool.plain]) {
    expect(await crowd.account(pool.backend.published)).toMatchObject(clean);
    expect(await crowd.census()).toMatchObject({ absences: 0 });
  }
});

test(
  'from a gateway that stands still for longer than clients wait, the SDK leaves and comes back, and nothing comes twice',
  { timeout: 240_000 },
  async () => {
    // Few publications: all of them are within the bounds of a resume.
    const short = { BARRAGE_PING_INTERVAL_MS: '2000', BARRAGE_IDLE_TIMEOUT_MS: '4000' };
    const pool = await startPool(isLong ? {} : short, isLong ? 4 : 10);
    const stoppedAt = machineMs();
    const wentOnAt = await standStill(pool, isLong ? 60_000 : 8000);
    await expect.poll(async () => (await pool.sdk.census()).absences, { timeout: 60_000 }).toBeGreaterThanOrEqual(20);
    await expect.poll(async () => (await pool.sdk.census()).away, { timeout: 60_000 }).toBe(0);
    await settled(pool);
    const returns = await pool.sdk.returns(pool.backend.published);
    const seconds = (what: 'lostAt' | 'caughtUpAt'): string =>
      [0.5, 1]
        .map((share) =>
          (
            quantile(
              returns.map((each) => each[what] - stoppedAt),
              share,
            ) / 1000
          ).toFixed(1),
        )
        .join(' / ');
    process.stdout.write(
      `a gateway stood still for ${((wentOnAt - stoppedAt) / 1000).toFixed(0)} s: the SDK noticed after ${seconds('lostAt')} s, ` +
        `and had caught up after ${seconds('caughtUpAt')} s (p50 / max)\n`,
    );
    expect(await pool.sdk.account(pool.backend.published)).toMatchObject(clean);
    // Plain clients do not notice: the gateway goes on where it stood still, and holds its own pause against nobody.
    expect(await pool.plain.account(pool.backend.published)).toMatchObject(clean);
    expect(await pool.plain.census()).toMatchObject({ absences: 0 });
  },
);

import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { startNginx } from '../../support/nginx.ts';
import type { ReloadingProxy } from '../../support/reloading-proxy.ts';
import { TestProcess } from '../../support/process.ts';
import { policyFile } from '../../support/standalone.ts';
import { formVariable } from '../../suite.ts';
import { Backend, machineMs } from '../backend.ts';
import { Crowd } from '../crowd/crowd.ts';

/** `npm run network` takes the times of the world: a proxy that cuts after a minute, and the settings' defaults. */
const isLong = process.env[formVariable] === 'long';
const cutMs = isLong ? 60_000 : 6000;
const pingMs = isLong ? 25_000 : 1500;
const channel = 'kept:1';
const clean = { twice: 0, refused: 0, disordered: 0, untold: 0, missed: 0, gaps: 0, examples: [] };
const policies = 'channels:\n  - channel: "kept:*"\n    history: { size: 1000, ttlSeconds: 900 }\n';

let nginx: ReloadingProxy | undefined;
afterEach(async () => {
  await nginx?.stop();
  nginx = undefined;
});

interface Behind {
  readonly sdk: Crowd;
  readonly plain: Crowd;
  readonly backend: Backend;
  readonly publisherPort: number;
}

/** Ten SDK clients and five plain ones, behind an nginx that cuts what was silent for so long in one direction. */
async function behindProxy(silentMs: number, pingIntervalMs: number): Promise<Behind> {
  const started = new TestProcess('standalone/main.ts', {
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_POLICY_FILE: await policyFile(policies),
    BARRAGE_PING_INTERVAL_MS: String(pingIntervalMs),
    BARRAGE_IDLE_TIMEOUT_MS: String(2.4 * pingIntervalMs),
    BARRAGE_BACKOFF_CAP_MS: '1000',
  });
  const [gateway, publisher] = await started.said(/clients +ws:\/\/localhost:(\d+)\/[^]*publish +http:\/\/localhost:(\d+)\//);
  nginx = await startNginx(
    ({ port }) => `server {
      listen 127.0.0.1:${port};
      location / {
        proxy_pass http://127.0.0.1:${gateway};
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
        proxy_set_header Host $http_host;
        proxy_read_timeout ${silentMs}ms;
        proxy_send_timeout ${silentMs}ms;
      }
    }`,
  );
  const plan = { addresses: [`ws://127.0.0.1:${nginx.port}/`], channels: [channel] };
  const sdk = await Crowd.open(Array.from({ length: 10 }, () => plan));
  const plain = await Crowd.open(Array.from({ length: 5 }, () => ({ ...plan, kind: 'plain' })));
  const backend = new Backend(machineMs);
  onTestFinished(() => backend.stop());
  return { sdk, plain, backend, publisherPort: Number(publisher) };
}

test(
  'through a proxy that cuts silent connections nobody is cut, though nothing is published',
  { timeout: 60_000 + 4 * cutMs },
  async () => {
    const { sdk, plain, backend, publisherPort } = await behindProxy(cutMs, pingMs);
    const crowds = [sdk, plain];
    for (const crowd of crowds) {
      await expect.poll(async () => (await crowd.census()).subscribed, { timeout: 20_000 }).toBe((await crowd.census()).clients);
    }
    await pause(2.5 * cutMs);
    for (let number = 0; number < 20; number++) await backend.publish(channel, publisherPort);
    for (const crowd of crowds) {
      const found = async (): Promise<object> => ({ ...(await crowd.account(backend.published)), ...(await crowd.census()) });
      await expect.poll(found, { timeout: 30_000 }).toMatchObject({ ...clean, absences: 0 });
    }
  },
);

test(
  'through a proxy that cuts sooner than clients ping, the SDK comes back each time and misses nothing',
  { timeout: 300_000 },
  async () => {
    const rounds = isLong ? 8 : 3;
    const { sdk, plain, backend, publisherPort } = await behindProxy(Math.round(pingMs / 3), 10 * pingMs);
    for (let round = 1; round <= rounds; round++) {
      // What is published now finds clients that were cut: some are on their way back, some are there.
      await expect.poll(async () => (await sdk.census()).absences, { timeout: 60_000, interval: 50 }).toBeGreaterThanOrEqual(10 * round);
      for (let number = 0; number < 5; number++) await backend.publish(channel, publisherPort);
    }
    await expect.poll(async () => (await sdk.account(backend.published)).untold, { timeout: 30_000 }).toBe(0);
    expect(await sdk.account(backend.published)).toMatchObject(clean);
    // The plain protocol has no way back to what was missed: its clients are cut, and their server knows it.
    expect(await plain.census()).toMatchObject({ away: 5 });
  },
);

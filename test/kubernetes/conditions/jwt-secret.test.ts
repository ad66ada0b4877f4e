import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { gatewayPool, Surroundings } from './observation.ts';

const secret = 'hunter2-hunter2-hunter2-hunter2-hunter2';
let at: Surroundings;
let operator: Operator;

beforeAll(async () => {
  const cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('jwt'));
  operator = await startOperator(cluster, at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await at.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

test(
  'the secret that tokens are checked with goes from the pool’s Secret to its gateways; what is wrong with it is told',
  { timeout: 90_000 },
  async () => {
    await at.apply(gatewayPool('live', { auth: { jwtSecret: { name: 'jwt', key: 'shared' } } }));
    const missing = await at.untilReason('gwp/live', 'Ready', 'MissingSecret');
    expect(missing.message).toContain('Secret jwt, which spec.auth.jwtSecret names, does not exist.');
    const put = (value: string) => at.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'jwt' }, stringData: { shared: value } });
    await put('short');
    await expect
      .poll(async () => (await at.condition('gwp/live', 'Ready'))?.message, { timeout: 30_000, interval: 200 })
      .toContain('must hold text of 32 to 4096 characters under the key shared');
    await put(`${secret}\n`);
    await at.untilReason('gwp/live', 'Ready', 'Unschedulable');
    const stored = await at.field('secret/live-settings', '.data.jwt-secret');
    expect(Buffer.from(stored, 'base64').toString()).toBe(secret);
    const pods = JSON.parse(await at.kubectl('get', 'pods', '-l', 'barrage.dev/pool=live', '-o', 'json')) as object;
    expect(JSON.stringify(pods)).toContain(
      '{"name":"BARRAGE_JWT_SECRET","valueFrom":{"secretKeyRef":{"key":"jwt-secret","name":"live-settings"}}}',
    );
    expect(JSON.stringify(pods)).not.toContain('hunter2');
  },
);

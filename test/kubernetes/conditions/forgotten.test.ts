import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { channel, gatewayPool, redisBus, Surroundings } from './observation.ts';

let at: Surroundings;
let operator: Operator;

beforeAll(async () => {
  const cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('forgotten'));
  operator = await startOperator(cluster, at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await at.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

const rounds = 3;
const nothing = { pools: 0, documents: 0, children: 0, pods: 0 };

test('of pools that came and went nothing is kept, whether one was made anew under its name or not', { timeout: 180_000 }, async () => {
  expect(operator.remembered).toEqual(nothing);
  let most = 0;
  for (let round = 0; round < rounds; round += 1) {
    await at.apply(gatewayPool('one', { bus: redisBus }), gatewayPool('two'), channel('gifts', 'gift:*', 'one'));
    for (const pool of ['one', 'two']) await at.untilReason(`gwp/${pool}`, 'Ready', 'Unschedulable');
    const { pools, documents, children } = operator.remembered;
    expect({ pools, documents }).toEqual({ pools: 2, documents: 2 });
    expect(children).toBeGreaterThan(10);
    if (round === 0) most = children;
    expect(children, `round ${round}`).toBeLessThanOrEqual(most);
    // The second time it is made anew at once.
    if (round === 1) await at.kubectl('delete', 'gwp/one');
    else await at.kubectl('delete', 'gwp', '--all');
  }
  await at.kubectl('delete', 'pods', '--all', '--force', '--grace-period=0');
  await expect.poll(() => operator.remembered, { timeout: 30_000 }).toEqual(nothing);
});

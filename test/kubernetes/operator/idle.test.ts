import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { formVariable } from '../../suite.ts';
import { countBy, OperatedCluster, print } from './operated-cluster.ts';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ connections: 50 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

/** `npm run idle` takes the long form: ten minutes. */
const idleMs = process.env[formVariable] === 'long' ? 600_000 : 60_000;
/** By default ten minutes: each look at everything stands for one of those. */
const resyncMs = 2_000;

test('converged pools cost no write and no list, however often everything is looked at again', { timeout: idleMs + 240_000 }, async () => {
  for (const [name, replicas] of [
    ['one', 3],
    ['two', 3],
    ['three', 4],
  ] as const)
    await operated.applyPool(name, { replicas });
  const operator = await operated.startOperator({ resyncMs });
  print(`3 pools with 10 gateways converged in ${Math.round(await operated.untilConverged())} ms`);
  print(`by ${countBy(operator.requests())}`);
  await operated.untilPublishersScaled();
  await operated.untilConverged();
  await operated.untilDocumentsWritten();
  const begun = performance.now();
  const before = await operator.usage();
  await pause(idleMs);
  const after = await operator.usage();
  const sent = operator.requests(({ at, resource }) => at >= begun && resource !== 'leases');
  print(`in ${idleMs} ms: ${countBy(sent) || 'no request'}; ${Math.round(after.cpuMs - before.cpuMs)} ms of CPU`);
  expect(operator.writes(begun)).toEqual([]);
  expect(sent.filter(({ verb }) => verb !== 'watch')).toEqual([]);
});

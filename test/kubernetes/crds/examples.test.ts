import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { applyDefinitions } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer, type Cluster } from '../../support/cluster.ts';

const pages = ['docs/operator.md', 'docs/traces.md', 'docs/logs.md'].map((page) => readFileSync(page, 'utf8')).join('\n');
const blocks = [...pages.matchAll(/```yaml\n([^]*?)```/g)].map(([, block = '']) => block);

let cluster: Cluster;
let namespace: string;

beforeAll(async () => {
  cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  namespace = await cluster.createNamespace('examples');
}, clusterTimeoutMs);

/** An example of `spec` or of `spec.bus.redis` alone becomes the whole pool around it. */
function asPool(block: string): string {
  if (block.startsWith('apiVersion:')) return block;
  const head = 'apiVersion: barrage.dev/v1alpha1\nkind: GatewayPool\nmetadata: {name: example}\n';
  if (block.startsWith('spec:')) return head + block;
  return `${head}spec:\n  bus:\n    type: Redis\n    redis:\n` + block.replaceAll(/^/gm, '      ');
}

test('every example of a pool on the pages of the operator, of traces and of logs is one that the API server takes, field for field', async () => {
  expect(blocks.filter((block) => block.includes('mode:')).length).toBeGreaterThanOrEqual(4);
  for (const block of blocks) {
    const create = ['-n', namespace, 'create', '--dry-run=server', '--validate=strict', '-o', 'name', '-f', '-'];
    expect(await cluster.kubectl(create, asPool(block))).toContain('gatewaypool.barrage.dev/');
  }
});

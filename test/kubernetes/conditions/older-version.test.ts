import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { poolConditionTypes } from '../../../operator/decide/pool-conditions.ts';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, startApiServer, type OwnCluster } from '../../support/cluster.ts';
import { Surroundings } from './observation.ts';

let cluster: OwnCluster;
let at: Surroundings;
let operator: Operator;

const apiVersion = 'barrage.dev/v1alpha1';
/** As an older version would have stored them: it had fewer fields, no defaults, and took what is not taken any more. */
const stored = [
  { apiVersion, kind: 'GatewayPool', metadata: { name: 'bare' }, spec: {} },
  {
    apiVersion,
    kind: 'GatewayPool',
    metadata: { name: 'sparse' },
    spec: { replicas: 1, forgotten: true, bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: ['redis:6379'] } } },
  },
  { apiVersion, kind: 'BarrageChannel', metadata: { name: 'plain' }, spec: { poolRef: { name: 'bare' }, channel: 'plain:*' } },
  {
    apiVersion,
    kind: 'BarrageChannel',
    metadata: { name: 'bygone' },
    spec: { poolRef: { name: 'bare' }, channel: 'bygone:*', mergeWindowMs: 250, merge: { windowMilliseconds: 5000 } },
  },
];

beforeAll(async () => {
  cluster = await startApiServer();
  for (const file of ['gatewaypools', 'barragechannels'])
    await cluster.kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(withoutRules(`crds/${file}.yaml`)));
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd/gatewaypools.barrage.dev', 'crd/barragechannels.barrage.dev']);
  at = new Surroundings(cluster, await cluster.createNamespace('older'));
  await at.apply(...stored);
  await applyDefinitions(cluster);
  const condition = { type: 'Bygone', status: 'True', reason: 'Because', message: '', lastTransitionTime: '2025-01-01T00:00:00Z' };
  const reported = { apiVersion, kind: 'GatewayPool', metadata: { name: 'sparse' }, status: { conditions: [condition] } };
  const statusApply = ['apply', '--server-side', '--subresource=status', '--field-manager=barrage-operator-status', '-f', '-'];
  await cluster.kubectl(['-n', at.namespace, ...statusApply], JSON.stringify(reported));
  operator = await startOperator(cluster, at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await cluster.stop();
});

test('pools that an older version wrote are looked after like new ones', async () => {
  for (const name of ['bare', 'sparse']) {
    await at.untilReason(`gwp/${name}`, 'Ready', 'Unschedulable');
    const { status } = (await at.read(`gwp/${name}`)) as { readonly status: { readonly conditions: readonly { readonly type: string }[] } };
    expect(status.conditions.map(({ type }) => type)).toEqual(poolConditionTypes);
  }
});

test('a channel that an older version wrote is accepted, and one with a value of that time is told what is wrong with it', async () => {
  await at.untilReason('bch/plain', 'Accepted', 'Accepted');
  const { message } = await at.untilReason('bch/bygone', 'Accepted', 'InvalidPolicy');
  expect(message).toContain('spec.merge.windowMilliseconds');
  await at.patch('bch/bygone', { spec: { merge: null } });
  await at.untilReason('bch/bygone', 'Accepted', 'Accepted');
});

/** A definition that takes anything. */
function withoutRules(path: string): object {
  const definition = parse(readFileSync(path, 'utf8')) as { readonly spec: { readonly versions: readonly VersionView[] } };
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  for (const version of definition.spec.versions) {
    version.schema = { openAPIV3Schema: { type: 'object', properties: { spec: anything, status: anything } } };
    delete version.selectableFields;
  }
  return definition;
}

interface VersionView {
  schema: object;
  selectableFields?: unknown;
}

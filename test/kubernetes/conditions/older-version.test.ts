import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { poolConditionTypes } from '../../../operator/decide/pool-conditions.ts';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { Cluster, clusterTimeoutMs, startApiServer, type OwnCluster } from '../../support/cluster.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { redisBus, Surroundings } from './observation.ts';

let cluster: OwnCluster;
let at: Surroundings;
let proxy: FaultProxy;
let operator: Operator;
const writes: string[] = [];

const apiVersion = 'barrage.dev/v1alpha1';
/**
 * As an older version would have stored them: it had fewer fields, no defaults, and took what is not taken any more.
 */
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

/** Channels with values of other types, what is said of each, and a patch that mends it. */
const oddChannels: readonly (readonly [name: string, spec: unknown, words: string, mended: object])[] = [
  ['word-merge', { poolRef: { name: 'bare' }, channel: 'word:*', merge: 'slow' }, 'spec.merge', { merge: null }],
  [
    'word-number',
    { poolRef: { name: 'bare' }, channel: 'n:*', merge: { windowMilliseconds: '250' } },
    'spec.merge.windowMilliseconds',
    { merge: null },
  ],
  ['listed', { poolRef: { name: 'bare' }, channel: 'listed:*', access: ['Public'] }, 'spec.access', { access: null }],
];
/** Of these the API server stores no status, whoever asks: events say what is wrong. */
const mutedChannels: readonly (readonly [name: string, spec: unknown, words: string])[] = [
  ['wordy', 'everything', 'spec is text, must be an object'],
  ['word-pool', { poolRef: 'bare', channel: 'pool:*' }, 'spec.poolRef is text, must be an object'],
  ['numbered', { poolRef: { name: 'bare' }, channel: 7 }, 'spec.channel'],
  ['unnamed', { poolRef: { name: 'bare' } }, 'spec.channel'],
];
/**
 * Pools with values of other types, what is said of each, and where: in a condition, or by an event, where the API
 * server stores no status.
 */
const oddPools: readonly (readonly [name: string, spec: unknown, words: string, where: 'condition' | 'event'])[] = [
  ['word-bus', { replicas: 1, bus: 'Redis' }, 'spec.bus is text, must be an object', 'event'],
  ['word-replicas', { replicas: 'two' }, 'spec.replicas is text, must be a whole number', 'event'],
  ['legion', { replicas: 5000, bus: redisBus }, 'spec.replicas is 5000, must be at most 1000', 'condition'],
  [
    'portless',
    { bus: redisBus, exposure: { type: 'URLTemplate', urlTemplate: 'wss://{pod}.example.com:{port}/' } },
    'spec.exposure.urlTemplate must be a ws:// or wss:// URL',
    'condition',
  ],
  ['listed-drain', { bus: redisBus, drain: ['slowly'] }, 'spec.drain is a list, must be an object', 'event'],
  ['addressless', { bus: { type: 'Redis', redis: { mode: 'Standalone' } } }, 'spec.bus.redis.addresses is missing', 'event'],
];

beforeAll(async () => {
  cluster = await startApiServer();
  for (const file of ['gatewaypools', 'barragechannels'])
    await cluster.kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(withoutRules(`crds/${file}.yaml`)));
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd/gatewaypools.barrage.dev', 'crd/barragechannels.barrage.dev']);
  at = new Surroundings(cluster, await cluster.createNamespace('older'));
  await at.apply(
    ...stored,
    ...[...oddChannels, ...mutedChannels].map(([name, spec]) => ({ apiVersion, kind: 'BarrageChannel', metadata: { name }, spec })),
    { apiVersion, kind: 'BarrageChannel', metadata: { name: 'specless' } },
    ...oddPools.map(([name, spec]) => ({ apiVersion, kind: 'GatewayPool', metadata: { name }, spec })),
    { apiVersion, kind: 'GatewayPool', metadata: { name: 'specless' } },
  );
  await applyDefinitions(cluster);
  const condition = { type: 'Bygone', status: 'True', reason: 'Because', message: '', lastTransitionTime: '2025-01-01T00:00:00Z' };
  const reported = { apiVersion, kind: 'GatewayPool', metadata: { name: 'sparse' }, status: { conditions: [condition] } };
  const statusApply = ['apply', '--server-side', '--subresource=status', '--field-manager=barrage-operator-status', '-f', '-'];
  await cluster.kubectl(['-n', at.namespace, ...statusApply], JSON.stringify(reported));
  proxy = await FaultProxy.start(cluster.kubeconfig);
  proxy.fault = ({ verb, path }) => {
    if (verb === 'patch') writes.push(path);
    return undefined;
  };
  operator = await startOperator(new Cluster({ kubeconfig: proxy.kubeconfig, url: cluster.url }), at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator.close();
  await proxy.close();
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

test('a channel with a value of another type says what is wrong with it, and heals', { timeout: 120_000 }, async () => {
  for (const [name, , words, mended] of oddChannels) {
    const { message } = await at.untilReason(`bch/${name}`, 'Accepted', 'InvalidPolicy');
    expect(message, name).toContain(words);
    await at.patch(`bch/${name}`, { spec: mended });
    await at.untilReason(`bch/${name}`, 'Accepted', 'Accepted');
  }
  const { message } = await at.untilReason('bch/specless', 'Accepted', 'InvalidPolicy');
  expect(message).toContain('spec is missing');
});

test('of a channel whose status the API server refuses an event says what is wrong, once', { timeout: 120_000 }, async () => {
  for (const [name, , words] of mutedChannels) {
    await at.untilTold(`BarrageChannel/${name}`, 'StatusRefused');
    const [event] = await at.events(`BarrageChannel/${name}`);
    expect(event?.note, name).toContain(words);
    expect(event?.note, name).toMatch(/Correct the spec.*The API server refused this status/);
  }
});

test('others of the pool are in force at once, and stay so, and nobody is kept in back-off', { timeout: 120_000 }, async () => {
  for (const round of ['a', 'b', 'c']) {
    await at.apply({
      apiVersion,
      kind: 'BarrageChannel',
      metadata: { name: round },
      spec: { poolRef: { name: 'bare' }, channel: `${round}:*` },
    });
    await at.untilReason(`bch/${round}`, 'Accepted', 'Accepted');
    await expect.poll(() => operator.isIdle, { timeout: 10_000 }).toBe(true);
  }
  for (const [name] of mutedChannels) expect(await at.events(`BarrageChannel/${name}`), name).toHaveLength(1);
  // An apply, which can't be merged into such values, then a patch: no more, however often the others are looked at.
  for (const [name] of mutedChannels)
    expect(writes.filter((path) => path.includes(`/barragechannels/${name}/`)).length, name).toBeLessThanOrEqual(2);
});

test(
  'a pool with a value of another type says what is wrong, makes nothing, and heals; others are as they should be',
  { timeout: 180_000 },
  async () => {
    for (const [name, , words] of oddPools) {
      const look = async (): Promise<string> => {
        const told = (await at.events(`GatewayPool/${name}`)).find(({ reason }) => reason === 'InvalidSpec')?.note;
        return told ?? '';
      };
      await expect.poll(look, { timeout: 30_000 }).toContain(words);
      expect(await at.kubectl('get', 'pods,services', '-l', `barrage.dev/pool=${name}`, '-o', 'name'), name).toBe('');
    }
    expect((await at.untilReason('gwp/specless', 'Ready', 'InvalidSpec')).message).toContain('spec is missing');
    for (const [name, , words, where] of oddPools) {
      if (where === 'condition') expect((await at.untilReason(`gwp/${name}`, 'Ready', 'InvalidSpec')).message, name).toContain(words);
      await at.patch(`gwp/${name}`, [{ op: 'replace', path: '/spec', value: { bus: redisBus } }], 'json');
      await at.untilReason(`gwp/${name}`, 'Ready', 'Unschedulable');
    }
    expect(await at.condition('gwp/sparse', 'Ready')).toMatchObject({ reason: 'Unschedulable' });
  },
);

/** A definition that takes anything. */
function withoutRules(path: string): object {
  const definition = parse(readFileSync(path, 'utf8')) as { readonly spec: { readonly versions: readonly VersionView[] } };
  const anyValue = { 'x-kubernetes-preserve-unknown-fields': true };
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  for (const version of definition.spec.versions) {
    version.schema = { openAPIV3Schema: { type: 'object', properties: { spec: anyValue, status: anything } } };
    delete version.subresources?.scale;
    delete version.selectableFields;
  }
  return definition;
}

interface VersionView {
  schema: object;
  selectableFields?: unknown;
  readonly subresources?: { scale?: object };
}

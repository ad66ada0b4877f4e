import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { withDefaults } from '../../../operator/api/stored-objects.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import type { ApiObject } from './api-client.ts';
import { edited, fullChannel, fullPool } from './full-objects.ts';
import { openWorkshop } from './workshop.ts';
import type { Workshop } from './workshop.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await openWorkshop();
}, clusterTimeoutMs);
afterAll(() => workshop.close());

const seed = Date.now() % 1_000_000;
console.log(`defaults: seed ${seed}`);

/** The value with some of its fields, at every depth, gone or null. */
function thinned(value: unknown, share: number): fc.Arbitrary<unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fc.constant(value);
  const fields = Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      fc.oneof(
        { weight: 100 - share, arbitrary: thinned(field, share) },
        { weight: share, arbitrary: fc.constantFrom(undefined, undefined, null) },
      ),
    ]),
  );
  return fc.record(fields).map((record) => Object.fromEntries(Object.entries(record).filter(([, field]) => field !== undefined)));
}

const plainPool = edited(fullPool, {
  spec: {
    ...(fullPool.spec as object),
    bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: ['redis:6379'], tls: {} } },
    exposure: { type: 'PodIP' },
  },
});

describe.each([
  ['GatewayPool', plainPool],
  ['BarrageChannel', fullChannel],
] as const)('%s', (kind, full) => {
  const objects = fc.constantFrom(5, 20, 50).chain((share) => thinned(full.spec, share).map((spec) => ({ ...full, spec }) as ApiObject));

  test('what withDefaults fills in is what the API server fills in', async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(objects, async (object) => {
        if ((await workshop.tryCreate(object)).length > 0) return;
        expect(withDefaults(kind, object).spec).toEqual((await workshop.wouldStore(object)).spec);
        compared += 1;
      }),
      { seed, numRuns: 300 },
    );
    expect(compared).toBeGreaterThan(20);
  });

  test('withDefaults twice is withDefaults once, and the object stays as it was', () => {
    fc.assert(
      fc.property(objects, (object) => {
        const before = structuredClone(object);
        const once = withDefaults(kind, object);
        expect(withDefaults(kind, once)).toEqual(once);
        expect(object).toEqual(before);
      }),
      { seed, numRuns: 1000 },
    );
  });

  test('withDefaults takes whatever it is given', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (spec) => {
        expect(() => withDefaults(kind, { ...full, spec })).not.toThrow();
      }),
      { seed, numRuns: 1000 },
    );
  });
});

test('an empty spec is a pool on a memory bus, and the ten lines of the API reference are one on Redis', async () => {
  const empty = withDefaults('GatewayPool', await workshop.wouldStore(edited(fullPool, { spec: {} })));
  expect(empty.spec).toMatchObject({ replicas: 1, bus: { type: 'Memory' }, scaling: { type: 'Fixed' }, exposure: { type: 'PodIP' } });
  const [, example = ''] = /```yaml\n(.*?)```/s.exec(readFileSync('docs/api.md', 'utf8')) ?? [];
  const [pool, channel] = parseAllDocuments(example).map((document) => document.toJS() as ApiObject);
  if (pool === undefined || channel === undefined) throw new Error('docs/api.md has an example of each kind');
  expect(example.split('---')[0]?.trim().split('\n').length).toBeLessThanOrEqual(10);
  expect(await workshop.tryCreate(channel)).toEqual([]);
  expect((await workshop.wouldStore(pool)).spec).toMatchObject({
    replicas: 2,
    bus: { type: 'Redis' },
    scaling: { type: 'Fixed' },
    drain: { propagationSeconds: 10, connectionsPerSecond: 200, deadlineSeconds: 540, maxConcurrentPods: 1 },
    updateStrategy: { type: 'SurgeAndDrain', maxSurge: '25%' },
  });
});

test('an object that an older version wrote has the new fields when it is read, and can be changed although it breaks a new rule', async () => {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const group = `${workshop.namespace}.example.com`;
  const name = `gatewaypools.${group}`;
  const crd = JSON.parse(JSON.stringify(parse(readFileSync('crds/gatewaypools.yaml', 'utf8')))) as Record<string, unknown>;
  const { spec } = edited(crd as unknown as ApiObject, { 'spec.group': group, 'spec.names.shortNames': [], 'spec.names.categories': [] });
  const current = { ...crd, metadata: { name }, spec } as unknown as ApiObject;
  const fields = 'spec.versions[0].schema.openAPIV3Schema.properties.spec.properties';
  const older = edited(current, {
    [`${fields}.placement`]: undefined,
    [`${fields}.updateStrategy`]: undefined,
    [`${fields}.drain.properties.abortOnDemand`]: undefined,
    [`${fields}.bus.properties.redis.properties.keyPrefix`]: { type: 'string' },
  });
  const written = { ...edited(fullPool, { 'spec.bus.redis.keyPrefix': 'with a space' }), apiVersion: `${group}/v1alpha1` };
  const object = `/apis/${group}/v1alpha1/namespaces/${workshop.namespace}/gatewaypools`;
  try {
    expect(await workshop.client.send('POST', path, older)).toMatchObject({ code: 201 });
    await workshop.cluster.kubectl(['wait', '--for=condition=Established', `crd/${name}`]);
    await expect.poll(() => workshop.client.send('POST', object, written), { timeout: 20_000 }).toMatchObject({ code: 201 });
    const before = (await workshop.client.send('GET', `${object}/full`)).body;
    expect(before.spec).not.toHaveProperty('placement');
    await workshop.cluster.kubectl(['replace', '-f', '-'], JSON.stringify(current));
    const read = async (): Promise<ApiObject> => (await workshop.client.send('GET', `${object}/full`)).body;
    await expect.poll(async () => (await read()).spec, { timeout: 20_000 }).toHaveProperty('placement');
    expect((await read()).spec).toEqual(withDefaults('GatewayPool', before).spec);
    const change = { spec: { replicas: 5 } };
    const changed = await workshop.client.send('PATCH', `${object}/full`, change, 'application/merge-patch+json');
    expect(changed.body).toMatchObject({ spec: { replicas: 5, placement: { hashSeed: 0 } } });
    const worse = { spec: { bus: { redis: { keyPrefix: 'with two spaces' } } } };
    const refused = await workshop.client.send('PATCH', `${object}/full`, worse, 'application/merge-patch+json');
    expect(refused.body.message).toContain('keyPrefix must have no spaces');
  } finally {
    await workshop.client.send('DELETE', `${path}/${name}`);
  }
});

import { expect, test } from 'vitest';
import { firstPoolStep, readFirstPool, type FirstPool, type FoundPool } from '../../../operator/decide/first-pool.ts';

const said = { metadata: { name: 'live', labels: { a: 'b' } }, spec: { replicas: 2 } };

function requestOf(text: string | undefined, uid = 'u1'): Parameters<typeof readFirstPool>[0] {
  return { metadata: { name: 'quickstart', namespace: 'shows', uid }, ...(text === undefined ? {} : { data: { 'pool.json': text } }) };
}

function poolOf(content: object = said, uid?: string): FirstPool {
  const pool = readFirstPool(requestOf(JSON.stringify(content), uid));
  if (typeof pool === 'string') throw new Error(pool);
  return pool;
}

test('the pool is that of the ConfigMap, which owns it', () => {
  expect(poolOf()).toEqual({
    metadata: {
      name: 'live',
      namespace: 'shows',
      labels: { a: 'b' },
      annotations: { 'barrage.dev/applied': expect.stringMatching(/^[0-9a-f]{16}$/) },
      ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'quickstart', uid: 'u1' }],
    },
    spec: { replicas: 2 },
  });
});

test.each([
  [undefined, 'ConfigMap shows/quickstart has no key pool.json.'],
  ['{', 'ConfigMap shows/quickstart: pool.json is no JSON object'],
  ['[]', 'is no JSON object'],
  ['{"metadata":{"name":"live"}}', 'with metadata.name and spec'],
  ['{"metadata":{"name":""},"spec":{}}', 'with metadata.name and spec'],
  ['{"metadata":{"name":"live","namespace":"other"},"spec":{}}', 'and nothing else'],
  ['{"metadata":{"name":"live"},"spec":{},"status":{}}', 'and nothing else'],
])('%s is refused in words', (text, words) => {
  expect(readFirstPool(requestOf(text))).toEqual(expect.stringContaining(words));
});

test('a pool is made, and applied again only when the ConfigMap has changed: changes by hand stay', () => {
  const pool = poolOf();
  expect(firstPoolStep(pool, undefined)).toEqual({ kind: 'apply', pool });
  const edited = { ...pool, spec: { replicas: 5 } };
  expect(firstPoolStep(pool, edited)).toEqual({ kind: 'nothing' });
  expect(firstPoolStep(poolOf({ spec: { replicas: 2 }, metadata: { labels: { a: 'b' }, name: 'live' } }), pool)).toEqual({
    kind: 'nothing',
  });
  const changed = poolOf({ ...said, spec: { replicas: 3 } });
  expect(firstPoolStep(changed, pool)).toEqual({ kind: 'apply', pool: changed });
});

test('the pool of an earlier ConfigMap, and one that is being deleted, are waited for', () => {
  expect(firstPoolStep(poolOf(said, 'u2'), poolOf(said, 'u1'))).toEqual({ kind: 'wait' });
  const going: FoundPool = { metadata: { ...poolOf().metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  expect(firstPoolStep(poolOf(), going)).toEqual({ kind: 'wait' });
});

test.each([
  ['nobody', []],
  ['another ConfigMap', [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'other', uid: 'u1' }]],
  ['another kind', [{ apiVersion: 'v1', kind: 'Secret', name: 'quickstart', uid: 'u1' }]],
])('a pool that %s owns is left alone', (_who, ownerReferences) => {
  const found = { metadata: { ...poolOf().metadata, ownerReferences } };
  expect(firstPoolStep(poolOf(), found)).toEqual({ kind: 'refuse', reason: expect.stringContaining('GatewayPool shows/live exists') });
});

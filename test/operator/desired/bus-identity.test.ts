import { expect, test } from 'vitest';
import { poolWith } from '../decide/pool-fixture.ts';
import { busIdentity } from '../../../operator/desired/bus-identity.ts';

function identity(
  addresses: readonly string[],
  more: { readonly namespace?: string; readonly sentinelName?: string } = {},
): string | undefined {
  const { namespace = 'shows', sentinelName } = more;
  const mode = sentinelName === undefined ? ('Cluster' as const) : ('Sentinel' as const);
  const redis = { mode, addresses: [...addresses], keyPrefix: 'p', ...(sentinelName === undefined ? {} : { sentinelName }) };
  const pool = poolWith({ bus: { type: 'Redis', redis } });
  return busIdentity({ ...pool, metadata: { ...pool.metadata, namespace } });
}

test('one Redis is known by the name of its Service, short or long, and by its addresses in any order', () => {
  const one = identity(['redis:6379', 'other:6379']);
  expect(identity(['other:6379', 'redis:6379'])).toBe(one);
  expect(identity(['redis.shows:6379', 'Other.shows.svc:6379'], { namespace: 'games' })).toBe(one);
  expect(identity(['redis.shows.svc.cluster.local:6379', 'other.shows:6379'], { namespace: 'games' })).toBe(one);
});

test('a Service of another namespace, another port, or another name at the same Sentinels is another Redis', () => {
  expect(identity(['redis:6379'], { namespace: 'games' })).not.toBe(identity(['redis:6379']));
  expect(identity(['redis:6380'])).not.toBe(identity(['redis:6379']));
  expect(identity(['[fd00::1]:6379'], { namespace: 'games' })).toBe(identity(['[fd00::1]:6379']));
  const atSentinels = (sentinelName: string): string | undefined => identity(['sentinels:26379'], { sentinelName });
  expect(atSentinels('live')).not.toBe(atSentinels('replay'));
});

test('a pool on a memory bus shares nothing, and a pool of its own prefix neither', () => {
  expect(busIdentity(poolWith({ replicas: 1, bus: { type: 'Memory' } }))).toBeUndefined();
  const redis = { mode: 'Standalone' as const, addresses: ['redis.a:6379'] };
  const pool = poolWith({ bus: { type: 'Redis', redis } });
  expect(busIdentity({ ...pool, metadata: { ...pool.metadata, name: 'other' } })).not.toBe(busIdentity(pool));
});

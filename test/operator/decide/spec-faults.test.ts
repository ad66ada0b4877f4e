import { expect, test } from 'vitest';
import { poolWith } from './pool-fixture.ts';
import { edited, fullPool } from '../../kubernetes/crds/full-objects.ts';
import { ruleCases } from '../../kubernetes/crds/rule-cases.ts';
import type { BarrageChannel } from '../../../operator/api/barrage-channel.ts';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import { shapeFaults } from '../../../operator/api/shape.ts';
import { withDefaults } from '../../../operator/api/stored-objects.ts';
import { poolKeyOf, poolNotFound, poolPolicies } from '../../../operator/decide/policies.ts';
import { poolSpecFaults } from '../../../operator/decide/spec-faults.ts';

/** As an older definition may have let somebody store it. */
function storedPool(spec: unknown): GatewayPool {
  return withDefaults('GatewayPool', { ...poolWith(), spec });
}

function storedChannel(name: string, spec: unknown, created = '2026-01-01T00:00:00Z'): BarrageChannel {
  const metadata = { name, namespace: 'live', uid: name, resourceVersion: '1', generation: 1, creationTimestamp: created };
  return withDefaults('BarrageChannel', { apiVersion: 'barrage.dev/v1alpha1', kind: 'BarrageChannel', metadata, spec });
}

test('a spec with all its defaults has no fault, nor has one with fields that nobody knows', () => {
  expect(poolSpecFaults(poolWith())).toEqual([]);
  expect(poolSpecFaults(storedPool({}))).toEqual([]);
  expect(poolSpecFaults(storedPool({ forgotten: { a: [1] }, drain: { gently: true } }))).toEqual([]);
});

test.each([
  [undefined, ['spec is missing, must be an object']],
  ['text', ['spec is text, must be an object']],
  [{ replicas: 'two' }, ['spec.replicas is text, must be a whole number']],
  [{ replicas: 1.5 }, ['spec.replicas is 1.5, must be a whole number']],
  [{ replicas: 1001 }, ['spec.replicas is 1001, must be at most 1000']],
  [{ replicas: -1 }, ['spec.replicas is -1, must be at least 0']],
  [{ bus: 'Redis' }, ['spec.bus is text, must be an object']],
  [{ bus: { type: 'Carrier' } }, ['spec.bus.type must be one of Memory, Redis']],
  [{ bus: { type: 'Redis', redis: { mode: 'Standalone' } } }, ['spec.bus.redis.addresses is missing']],
  [{ bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: ['a:1', 7] } } }, ['spec.bus.redis.addresses[1] is 7, must be text']],
  [{ bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: 'a:1' } } }, ['spec.bus.redis.addresses is text, must be a list']],
  [{ disruption: { maxUnavailable: true } }, ['spec.disruption.maxUnavailable is true, must be a whole number or text']],
  [{ paused: 'yes', drain: [] }, ['spec.paused is text, must be true or false', 'spec.drain is a list, must be an object']],
  [{ template: { spec: { anything: ['goes'] } } }, []],
])('the spec %j is judged by its fields', (spec, faults) => {
  expect(poolSpecFaults(storedPool(spec))).toEqual(faults);
});

test.each([
  ['a second placeholder', 'wss://{pod}.example.com:{port}/'],
  ['a port beyond 65535', 'wss://edge:99999/{pod}'],
  ['a host in angle brackets', 'wss://<host>/{pod}'],
  ['a percent sign in its host', 'wss://a%b/{pod}'],
  ['brackets around what is no address', 'wss://[x]/{pod}'],
  ['another scheme', 'https://edge/{pod}'],
  ['more than 2048 characters with the name of a pod', `wss://edge/{pod}/${'a'.repeat(2030)}`],
])('a URL template with %s is named, with what to write', (_, urlTemplate) => {
  const faults = poolSpecFaults(storedPool({ exposure: { type: 'URLTemplate', urlTemplate } }));
  expect(faults).toEqual([expect.stringMatching(/^spec\.exposure\.urlTemplate must be a ws:\/\/ or wss:\/\/ URL .*\{pod\}$/)]);
});

test('an exposure that lacks what its URLs are made of is named', () => {
  for (const [exposure, words] of [
    [{ type: 'URLTemplate' }, 'spec.exposure.urlTemplate is missing'],
    [{ type: 'HTTPRoute' }, 'spec.exposure.httpRoute is missing'],
    [
      { type: 'HTTPRoute', httpRoute: { hostname: '1.2.3.4.5', parentRef: { name: 'edge' } } },
      'spec.exposure.httpRoute.hostname must be a DNS name',
    ],
  ] as const)
    expect(poolSpecFaults(storedPool({ exposure }))).toEqual([words]);
  for (const type of ['PodIP', 'HostPort']) expect(poolSpecFaults(storedPool({ exposure: { type } }))).toEqual([]);
});

test('whatever exposure the API server takes makes URLs that pool documents take', () => {
  const cases = ruleCases.filter(({ at }) => at.startsWith('spec.exposure'));
  const accepted = cases.flatMap((each) => each.accepted.map((edits) => edited(fullPool, edits)));
  expect(accepted.length).toBeGreaterThan(15);
  for (const { metadata, spec } of accepted) {
    const longest = { ...poolWith().metadata, name: `${metadata.name}${'a'.repeat(40 - metadata.name.length)}` };
    expect(poolSpecFaults({ ...storedPool(spec), metadata: longest }), JSON.stringify(spec)).toEqual([]);
  }
});

test('a bound is the last value that is taken', () => {
  const shape = { type: 'integer', minimum: 2, maximum: 4 } as const;
  expect([1, 2, 4, 5].map((value) => shapeFaults(value, shape, 'n').length)).toEqual([1, 0, 0, 1]);
});

test('a name that every object has is no field of a shape', () => {
  expect(shapeFaults({ constructor: 1, toString: 2 }, { type: 'object', properties: {} }, 'spec')).toEqual([]);
});

test('a channel that says no pool belongs to none, and is told what it lacks', () => {
  for (const [spec, words] of [
    [undefined, 'spec is missing'],
    ['text', 'spec is text'],
    [{ channel: 'a:*' }, 'spec.poolRef is missing'],
    [{ channel: 'a:*', poolRef: 'web' }, 'spec.poolRef is text, must be an object'],
    [{ channel: 'a:*', poolRef: {} }, 'spec.poolRef.name is missing'],
    [{ channel: 'a:*', poolRef: { name: null } }, 'spec.poolRef.name is missing'],
  ] as const) {
    const channel = storedChannel('odd', spec);
    expect(poolKeyOf(channel)).toBe('live/');
    expect(poolNotFound(channel)).toMatchObject({ accepted: false, reason: 'InvalidPolicy', message: expect.stringContaining(words) });
  }
});

test('a channel that can not be read takes its pattern from nobody, however old it is', () => {
  const poolRef = { name: 'web' };
  const channels = [
    storedChannel('odd', { poolRef, channel: 'a:*', merge: 'slow' }, '2020-01-01T00:00:00Z'),
    storedChannel('number', { poolRef, channel: 7 }, '2020-01-01T00:00:00Z'),
    storedChannel('absent', { poolRef }, '2020-01-01T00:00:00Z'),
    storedChannel('good', { poolRef, channel: 'a:*' }),
    storedChannel('late', { poolRef, channel: 'a:*' }, '2026-02-01T00:00:00Z'),
  ];
  const { verdicts, parts } = poolPolicies(channels);
  expect(verdicts.map(({ reason }) => reason)).toEqual([
    'InvalidPolicy',
    'InvalidPolicy',
    'InvalidPolicy',
    'Accepted',
    'ConflictingPattern',
  ]);
  expect(verdicts[4]?.message).toContain('BarrageChannel good');
  expect(JSON.parse(parts[0] ?? '')).toMatchObject({ channels: [{ channel: 'a:*' }] });
});

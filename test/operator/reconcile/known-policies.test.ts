import { expect, test } from 'vitest';
import type { BarrageChannel } from '../../../operator/api/barrage-channel.ts';
import { withDefaults } from '../../../operator/api/stored-objects.ts';
import { poolPolicies } from '../../../operator/decide/policies.ts';
import { KnownPolicies } from '../../../operator/reconcile/known-policies.ts';

/** Counts how often specs are read: reading one asks for its pattern. */
let reads = 0;

function channelWith(
  name: string,
  fields: { readonly generation?: number; readonly version?: string; readonly spec?: object } = {},
): BarrageChannel {
  const { generation = 1, version = '1', spec = {} } = fields;
  const channel = withDefaults('BarrageChannel', {
    metadata: {
      name,
      namespace: 'live',
      uid: `uid-${name}`,
      resourceVersion: version,
      generation,
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: { poolRef: { name: 'web' }, channel: `video:${name}`, ...spec },
  } as unknown as BarrageChannel);
  const { expectedPeak: _peak, ...rest } = channel.spec;
  // `expectedPeak` is looked at only where an object is read.
  return Object.defineProperty({ ...channel }, 'spec', {
    value: Object.defineProperty(rest, 'expectedPeak', { get: () => void (reads += 1), enumerable: true }),
    enumerable: true,
  });
}

function many(count: number): BarrageChannel[] {
  return Array.from({ length: count }, (_, index) => channelWith(`c${index}`));
}

test('unchanged objects are read once, whoever asks and however often', () => {
  const policies = new KnownPolicies();
  const channels = many(50);
  reads = 0;
  const first = policies.of('live/web', channels);
  expect(reads).toBe(50);
  expect(first).toEqual(poolPolicies(channels));
  reads = 0;
  expect(policies.of('live/web', channels)).toBe(first);
  expect(policies.of('live/web', channels.toReversed())).toBe(first);
  expect(reads).toBe(0);
});

test('one edit of many objects reads one, and gives what a fresh reading gives', () => {
  const policies = new KnownPolicies();
  const channels = many(50);
  policies.of('live/web', channels);
  channels[7] = channelWith('c7', { generation: 2, version: '2', spec: { presence: 'Off' } });
  reads = 0;
  const edited = policies.of('live/web', channels);
  expect(reads).toBe(1);
  expect(edited).toEqual(poolPolicies(channels));
});

test('the write of a status reads nothing and keeps the parts; the verdict names the newest object', () => {
  const policies = new KnownPolicies();
  const channels = many(5);
  const before = policies.of('live/web', channels);
  channels[2] = channelWith('c2', { version: '9' });
  reads = 0;
  const after = policies.of('live/web', channels);
  expect(reads).toBe(0);
  expect(after.parts).toBe(before.parts);
  expect(after.verdicts[2]?.channel).toBe(channels[2]);
  expect(policies.of('live/web', channels)).toBe(after);
});

test('objects that come, go, are being deleted or were made anew under their name count at once', () => {
  const policies = new KnownPolicies();
  const channels = many(3);
  policies.of('live/web', channels);
  const [first, second, third] = channels as [BarrageChannel, BarrageChannel, BarrageChannel];
  const going = { ...second, metadata: { ...second.metadata, deletionTimestamp: '2026-06-01T00:00:00Z' } };
  const anew = { ...third, metadata: { ...third.metadata, uid: 'another' }, spec: { ...third.spec, channel: 'other:1' } };
  for (const present of [[first, going, third], [first, second], [first, second, third, channelWith('c3')], [first, second, anew], []])
    expect(policies.of('live/web', present)).toEqual(poolPolicies(present));
});

test('pools are kept apart, and a pool that is gone is forgotten', () => {
  const policies = new KnownPolicies();
  const channels = many(2);
  expect(policies.of('live/web', channels).verdicts).toHaveLength(2);
  expect(policies.of('live/other', []).verdicts).toHaveLength(0);
  expect(policies.of('live/web', channels).verdicts).toHaveLength(2);
  policies.forget('live/web');
  policies.forget('live/other');
  expect(policies.size).toBe(0);
});

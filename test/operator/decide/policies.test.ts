import fc from 'fast-check';
import { expect, test } from 'vitest';
import { begin } from './pool-fixture.ts';
import type { BarrageChannel } from '../../../operator/api/barrage-channel.ts';
import { withDefaults } from '../../../operator/api/stored-objects.ts';
import { poolNotFound, poolPolicies } from '../../../operator/decide/policies.ts';
import { poolLimits, readPolicyParts } from '../../../core/pool/pool-document.ts';
import { Policies } from '../../../core/policy/policy.ts';

function channelWith(name: string, pattern: string, fields: object = {}, created = begin): BarrageChannel {
  return withDefaults('BarrageChannel', {
    apiVersion: 'barrage.dev/v1alpha1',
    kind: 'BarrageChannel',
    metadata: {
      name,
      namespace: 'live',
      uid: `uid-${name}`,
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: new Date(created).toISOString(),
    },
    spec: { poolRef: { name: 'web' }, channel: pattern, ...fields },
  });
}

function read(channels: readonly BarrageChannel[]): Policies {
  const { parts, hash } = poolPolicies(channels);
  const policies = readPolicyParts({ policies: { hash, parts: parts.length } }, parts);
  if (policies.kind !== 'policies') throw new Error(policies.faults.join());
  return new Policies(policies.policies);
}

test('gateways read what the objects say: the exact name, else the longest beginning', () => {
  const policies = read([
    channelWith('all', '*', { merge: { windowMilliseconds: 1 } }),
    channelWith('videos', 'video:*', { merge: { windowMilliseconds: 2 } }),
    channelWith('one', 'video:7', {
      merge: { windowMilliseconds: 3 },
      expectedPeak: { connections: 9, startTime: '2026-01-01T00:00:00Z' },
    }),
  ]);
  expect(['chat', 'video:1', 'video:7'].map((name) => policies.of(name).merge.windowMilliseconds)).toEqual([1, 2, 3]);
});

test('of two with the same pattern the oldest is in force, the other says which one that is', () => {
  const channels = [
    channelWith('newer', 'video:*', { presence: 'Off' }, begin + 1000),
    channelWith('older', 'video:*', { presence: 'Members' }),
  ];
  expect(read(channels).of('video:1').presence).toBe('Members');
  expect(poolPolicies(channels).verdicts).toMatchObject([
    { accepted: false, reason: 'ConflictingPattern', message: expect.stringContaining('BarrageChannel older') },
    { accepted: true, reason: 'Accepted' },
  ]);
});

test('when the winner is being deleted, the other takes over', () => {
  const going = {
    ...channelWith('older', 'video:*'),
    metadata: { ...channelWith('older', 'video:*').metadata, deletionTimestamp: '2026-06-01T12:00:00Z' },
  };
  const { verdicts } = poolPolicies([going, channelWith('newer', 'video:*', {}, begin + 1000)]);
  expect(verdicts).toMatchObject([{ channel: { metadata: { name: 'newer' } }, accepted: true }]);
});

test('an object that this version refuses (written by another) is out alone, and says what is wrong', () => {
  const odd = channelWith('odd', 'odd:*', { merge: { windowMilliseconds: 5000 } });
  const { verdicts, parts } = poolPolicies([odd, channelWith('good', 'good:*')]);
  expect(verdicts).toMatchObject([
    { accepted: false, reason: 'InvalidPolicy', message: expect.stringContaining('spec.merge.windowMilliseconds') },
    { accepted: true },
  ]);
  expect(parts.join()).not.toContain('odd:*');
});

test('a field that a newer definition fills in takes no object out: definitions are upgraded before the operator', () => {
  const channels = [channelWith('one', 'video:*', { replay: { frames: 0 }, merge: { windowMilliseconds: 5, shape: 'Flat' } })];
  const { verdicts, parts, hash } = poolPolicies(channels);
  expect(verdicts).toMatchObject([{ accepted: true, reason: 'Accepted' }]);
  expect(read(channels).of('video:1').merge.windowMilliseconds).toBe(5);
  // Gateways are told the same as before the upgrade.
  const before = poolPolicies([channelWith('one', 'video:*', { merge: { windowMilliseconds: 5 } })]);
  expect([parts, hash]).toEqual([before.parts, before.hash]);
});

test('a pool that is missing is named', () => {
  expect(poolNotFound(channelWith('one', 'video:*'))).toMatchObject({
    accepted: false,
    reason: 'PoolNotFound',
    message: expect.stringContaining('There is no GatewayPool web in namespace live'),
  });
});

test('the same objects in any order make the same parts', () => {
  const patterns = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}:?\*?$/), { maxLength: 20 });
  fc.assert(
    fc.property(patterns, (names) => {
      const channels = names.map((pattern, index) => channelWith(`c-${index}`, pattern));
      const { parts, hash, verdicts } = poolPolicies(channels);
      const reversed = poolPolicies(channels.toReversed());
      expect([reversed.parts, reversed.hash]).toEqual([parts, hash]);
      expect(verdicts.every(({ accepted }) => accepted)).toBe(true);
    }),
  );
});

test('no objects, no parts', () => {
  expect(poolPolicies([])).toMatchObject({ parts: [], verdicts: [], overflow: 0 });
});

test('parts stay below their bound, and what does not fit is told, object by object', () => {
  const many = Array.from({ length: 9000 }, (_, index) =>
    channelWith(`c-${index}`, `video:${String(index).padStart(6, '0')}:${'x'.repeat(180)}`),
  );
  const fits = poolPolicies(many.slice(0, 4000));
  expect(fits.overflow).toBe(0);
  expect(fits.parts.length).toBeGreaterThan(2);
  const { parts, overflow, verdicts } = poolPolicies(many);
  expect(parts).toHaveLength(8);
  for (const part of parts) expect(Buffer.byteLength(part)).toBeLessThanOrEqual(poolLimits.policyPartBytesMax);
  expect(overflow).toBeGreaterThan(0);
  expect(verdicts.filter(({ reason }) => reason === 'TooManyPolicies')).toHaveLength(overflow);
  const entries = parts.flatMap((part) => (JSON.parse(part) as { channels: unknown[] }).channels);
  expect(entries).toHaveLength(many.length - overflow);
});

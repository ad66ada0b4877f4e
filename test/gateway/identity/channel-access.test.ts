import { expect, test } from 'vitest';
import { defaultPolicy, type ChannelPolicy } from '../../../core/policy/policy.ts';
import { mayJoin, mayPublish } from '../../../gateway/identity/channel-access.ts';
import { slowModeWait } from '../../../gateway/commands/client-publishing.ts';

function policy(access: Partial<ChannelPolicy['access']>): ChannelPolicy {
  return { ...defaultPolicy, access: { ...defaultPolicy.access, ...access } };
}

test('Public, Authenticated and Owner let in whom they say', () => {
  expect(mayJoin(policy({}), 'video:1', undefined)).toBe('allowed');
  expect(mayJoin(policy({ subscribe: 'Authenticated' }), 'video:1', undefined)).toBe('not_authenticated');
  expect(mayJoin(policy({ subscribe: 'Authenticated' }), 'video:1', '7')).toBe('allowed');
  expect(mayJoin(policy({ subscribe: 'Owner' }), 'user:7', undefined)).toBe('not_authenticated');
  expect(mayJoin(policy({ subscribe: 'Owner' }), 'user:7', '8')).toBe('forbidden');
  expect(mayJoin(policy({ subscribe: 'Owner' }), 'user:7', '7')).toBe('allowed');
  expect(mayJoin(policy({ subscribe: 'Owner' }), 'video:7', '7')).toBe('forbidden');
});

test('clients publish only where the policy lets them', () => {
  expect(mayPublish(policy({}), '7')).toBe('forbidden');
  expect(mayPublish(policy({ publish: 'Authenticated' }), undefined)).toBe('not_authenticated');
  expect(mayPublish(policy({ publish: 'Authenticated' }), '7')).toBe('allowed');
  expect(mayPublish(policy({ publish: 'Public' }), undefined)).toBe('allowed');
});

test('slow mode counts from the last publication, to the millisecond', () => {
  expect(slowModeWait(undefined, 5, 0)).toBe(0);
  expect(slowModeWait(1000, 5, 1000)).toBe(5000);
  expect(slowModeWait(1000, 5, 5999)).toBe(1);
  expect(slowModeWait(1000, 5, 6000)).toBe(0);
  expect(slowModeWait(1000, 0, 1000)).toBe(0);
});

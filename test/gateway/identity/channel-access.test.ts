import { expect, test } from 'vitest';
import { defaultPolicy, type ChannelPolicy } from '../../../core/policy/policy.ts';
import { mayJoin, mayPublish } from '../../../gateway/identity/channel-access.ts';
import { slowModeWait } from '../../../gateway/commands/client-publishing.ts';
import { admit, type AdmissionState } from '../../../gateway/connections/admission.ts';

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

const open: AdmissionState = {
  connections: 0,
  connectionsMax: 2,
  hasRoom: true,
  retryWithinMs: 1000,
  isUnready: false,
  isLoopback: true,
  origins: [],
};

test('a gateway on loopback admits only a Host of loopback', () => {
  for (const host of ['localhost', 'localhost:6790', '127.0.0.1:6790', '127.8.9.1', '[::1]:6790'])
    expect(admit({ host, origin: undefined }, open, 0).kind).toBe('admitted');
  for (const host of [undefined, '', 'evil.example', 'evil.example:6790', 'localhost.evil.example', '10.0.0.1', '127.0.0.1.evil.example'])
    expect(admit({ host, origin: undefined }, open, 0)).toMatchObject({ kind: 'refused', status: 403, reason: 'host' });
  expect(admit({ host: 'evil.example', origin: undefined }, { ...open, isLoopback: false }, 0).kind).toBe('admitted');
});

test('pages connect from the own origin or an allowed one', () => {
  const state = { ...open, isLoopback: false, origins: ['https://a.example'] };
  const host = 'gate.example:6790';
  for (const origin of [undefined, 'http://gate.example:6790', 'https://a.example'])
    expect(admit({ host, origin }, state, 0).kind).toBe('admitted');
  for (const origin of ['null', '', 'https://a.example.evil', 'http://a.example', 'https://gate.example', 'file://'])
    expect(admit({ host, origin }, state, 0)).toMatchObject({ status: 403, reason: 'origin' });
  expect(admit({ host, origin: 'https://any.example' }, { ...state, origins: ['*'] }, 0).kind).toBe('admitted');
});

test('a full gateway refuses from the bound on, and so does one that has no room in this second or is not ready', () => {
  const request = { host: 'localhost', origin: undefined };
  expect(admit(request, { ...open, connections: 1 }, 0).kind).toBe('admitted');
  expect(admit(request, { ...open, connections: 2 }, 0)).toMatchObject({ status: 503, reason: 'full' });
  expect(admit(request, { ...open, hasRoom: false }, 0)).toMatchObject({ status: 503, reason: 'rate' });
  expect(admit(request, { ...open, isUnready: true }, 0)).toMatchObject({ status: 503, reason: 'unready' });
});

test('Retry-After spreads the return of the refused over the time that the crowd needs, in whole seconds from 1 on', () => {
  const refused = { ...open, hasRoom: false, retryWithinMs: 6000 };
  const after = [0, 0.1, 0.5, 0.999].map((random) => admit({ host: 'localhost', origin: undefined }, refused, random));
  expect(after).toMatchObject([1, 1, 3, 6].map((retryAfterSeconds) => ({ retryAfterSeconds })));
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../core/limits.ts';
import { Policies, defaultPolicy, policyFileSchema } from '../../core/policy/policy.ts';

function policies(...entries: readonly object[]): Policies {
  return new Policies(policyFileSchema.parse({ channels: entries }).channels);
}

test('the exact name wins, else the longest beginning, else the default', () => {
  const all = policies({ channel: '*' }, { channel: 'video:*' }, { channel: 'video:1*' }, { channel: 'video:100' });
  const winner = (channel: string): string => all.of(channel).channel;
  expect(['video:100', 'video:1001', 'video:2', 'live:1', 'video:'].map(winner)).toEqual([
    'video:100',
    'video:1*',
    'video:*',
    '*',
    'video:*',
  ]);
  expect(policies({ channel: 'video:*' }).of('live:1')).toBe(defaultPolicy);
});

test('the winner is the longest pattern that matches, whatever the order in the file', () => {
  const pattern = fc.constantFrom('*', 'a*', 'ab*', 'abc*', 'abc', 'b*', 'ab', 'abcd*');
  fc.assert(
    fc.property(fc.uniqueArray(pattern), fc.constantFrom('a', 'ab', 'abc', 'abcd', 'b', 'c'), (patterns, channel) => {
      const matching = patterns.filter((each) => (each.endsWith('*') ? channel.startsWith(each.slice(0, -1)) : each === channel));
      const best = matching.toSorted((a, b) => Number(b === channel) - Number(a === channel) || b.length - a.length)[0];
      expect(policies(...patterns.map((each) => ({ channel: each }))).of(channel).channel).toBe(best ?? '*');
    }),
  );
});

test('user channels stay their owner’s, whatever pattern wins', () => {
  for (const entry of [
    [],
    [{ channel: '*' }],
    [{ channel: 'user*' }],
    [{ channel: 'u*' }],
    [{ channel: 'user:*', access: { subscribe: 'Owner' } }],
  ])
    expect(policies(...entry).of('user:7').access.subscribe).toBe('Owner');
  expect(policies({ channel: 'us*' }).of('users:7').access.subscribe).toBe('Public');
});

test('a file that gives user channels away, or names a channel twice, is refused', () => {
  for (const channels of [
    [{ channel: 'user:*' }],
    [{ channel: 'user:7', access: { subscribe: 'Public' } }],
    [{ channel: 'a' }, { channel: 'a' }],
    [{ channel: 'a*b' }],
    [{ channel: 'a b' }],
    [{ channel: 'a', merge: { windowMilliseconds: 1001 } }],
    [{ channel: 'a', unknown: 1 }],
    [{}],
  ])
    expect(policyFileSchema.safeParse({ channels }).success, JSON.stringify(channels)).toBe(false);
});

test('an entry stands alone: what it leaves out has the default', () => {
  const all = policies({ channel: 'video:*', merge: { windowMilliseconds: 0 } }, { channel: 'video:1', presence: 'Off' });
  expect(all.of('video:1').merge.windowMilliseconds).toBe(100);
});

test('a pattern that is not about user channels lets no client publish to them', () => {
  const open = { ...defaultPolicy, access: { ...defaultPolicy.access, publish: 'Public' as const } };
  expect(new Policies([open]).of('user:7').access).toMatchObject({ subscribe: 'Owner', publish: 'Backend' });
  expect(new Policies([{ ...open, channel: 'u*' }]).of('user:7').access).toMatchObject({ subscribe: 'Owner', publish: 'Backend' });
  const own = { ...open, channel: 'user:*', access: { ...open.access, subscribe: 'Owner' as const } };
  expect(new Policies([own]).of('user:7').access).toMatchObject({ subscribe: 'Owner', publish: 'Public' });
});

test('a publication may wait for as long as backends wait, and no longer', () => {
  const holding = (publishHoldMs: number): object => ({ channels: [{ channel: 'c', limits: { publishHoldMs } }] });
  expect(policyFileSchema.safeParse(holding(limits.publishHoldMsMax)).success).toBe(true);
  expect(policyFileSchema.safeParse(holding(limits.publishHoldMsMax + 1)).success).toBe(false);
});

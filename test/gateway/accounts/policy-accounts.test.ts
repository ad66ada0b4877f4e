import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { otherPolicies, PolicyAccounts } from '../../../gateway/accounts/policy-accounts.ts';

function accounts(): { readonly policies: PolicyAccounts; readonly inForce: Set<string>; readonly sent: number[] } {
  const sent: number[] = [];
  const policies = new PolicyAccounts((frames, bytes) => sent.push(frames, bytes));
  const inForce = new Set<string>();
  policies.isInForce = (pattern) => inForce.has(pattern);
  return { policies, inForce, sent };
}

test('each pattern has one account, and the process counts what each sends', () => {
  const { policies, inForce, sent } = accounts();
  inForce.add('video:*').add('*');
  policies.of('video:*').sent(2, 300);
  policies.of('video:*').sent(1, 50);
  policies.of('*').sent(1, 7);
  expect([...policies.read()].map(([pattern, { bytes }]) => [pattern, bytes])).toEqual([
    ['video:*', 350],
    ['*', 7],
  ]);
  expect(sent).toEqual([2, 300, 1, 50, 1, 7]);
});

test('policies beyond the bound share an account, and a deleted one makes room', () => {
  const { policies, inForce } = accounts();
  for (let index = 0; index <= limits.policyLabelsMax; index++) {
    inForce.add(`a:${index}`);
    policies.of(`a:${index}`).sent(1, 1);
  }
  expect(policies.read().size).toBe(limits.policyLabelsMax + 1);
  expect(policies.of('one:more')).toBe(policies.read().get(otherPolicies));
  inForce.delete('a:0');
  expect(policies.read().has('a:0')).toBe(false);
  expect(policies.read().get(otherPolicies)?.bytes).toBe(1);
  inForce.add('one:more');
  policies.of('one:more').sent(1, 5);
  expect(policies.read().get('one:more')?.bytes).toBe(5);
});

test('a policy that is deleted and made again begins a new series; unread in between, it goes on', () => {
  const { policies, inForce } = accounts();
  inForce.add('a:*');
  const first = policies.of('a:*');
  inForce.delete('a:*');
  inForce.add('a:*');
  expect(policies.of('a:*')).toBe(first);
  inForce.delete('a:*');
  expect(policies.read().size).toBe(0);
  inForce.add('a:*');
  expect(policies.of('a:*')).not.toBe(first);
});

test('a policy with the pattern of the others is one of them', () => {
  const { policies } = accounts();
  policies.of(otherPolicies).sent(1, 3);
  expect([...policies.read().keys()]).toEqual([otherPolicies]);
});

import { expect, test } from 'vitest';
import { obsoleteChildren, type ObservedChild } from '../../../operator/decide/obsolete-children.ts';

function child(kind: string, name: string, about: Partial<ObservedChild> = {}): ObservedChild {
  return { kind, name, uid: `uid-${name}`, owner: 'pool-uid', isGoing: false, ...about };
}

const owners = new Set(['pool-uid', 'pod-uid']);
const desired = [
  { kind: 'Service', name: 'live' },
  { kind: 'NetworkPolicy', name: 'live-gateways' },
];

test('what is not desired any more is obsolete; a name counts only together with its kind', () => {
  const observed = [child('Service', 'live'), child('Deployment', 'live'), child('Service', 'live-gateways')];
  expect(obsoleteChildren(observed, desired, owners)).toEqual(observed.slice(1));
});

test('what belongs to a gateway of the pool counts as the pool’s', () => {
  const observed = [child('HTTPRoute', 'live-1', { owner: 'pod-uid' })];
  expect(obsoleteChildren(observed, desired, owners)).toEqual(observed);
});

test('nothing is deleted that somebody else made, that goes already, or that holds keys or documents', () => {
  const observed = [
    child('Service', 'foreign', { owner: undefined }),
    child('Service', 'other', { owner: 'another-pool' }),
    child('Service', 'going', { isGoing: true }),
    child('Secret', 'live-keys'),
    child('ConfigMap', 'live-pool'),
    child('Pod', 'live-1'),
  ];
  expect(obsoleteChildren(observed, desired, owners)).toEqual([]);
});

import { expect, test } from 'vitest';
import { ownsAllOf } from '../../../operator/decide/ownership.ts';

const desired = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'live', namespace: 'shows', labels: { a: '1' }, ownerReferences: [{ uid: 'pool', controller: true }] },
  spec: {
    selector: { app: 'live' },
    ports: [{ name: 'clients', port: 6790, protocol: 'TCP' }, { port: 6789 }],
    finalizers: ['mine'],
    empty: {},
  },
};
const owned = {
  'f:metadata': { 'f:labels': { 'f:a': {} }, 'f:ownerReferences': { 'k:{"uid":"pool"}': {} } },
  'f:spec': {
    'f:selector': {},
    'f:ports': {
      'k:{"port":6790,"protocol":"TCP"}': { '.': {}, 'f:name': {}, 'f:port': {}, 'f:protocol': {} },
      // The item leaves the protocol out, so it is the default one.
      'k:{"port":6789,"protocol":"TCP"}': { '.': {}, 'f:port': {} },
    },
    'f:finalizers': { 'v:"mine"': {} },
    'f:empty': {},
  },
};

/** The set without one member. A set without any members goes too. */
function without(path: readonly string[], fields: object = owned): object {
  const [first = '', ...rest] = path;
  return Object.fromEntries(
    Object.entries(fields).flatMap(([member, inner]: readonly [string, object]) => {
      if (member !== first) return [[member, inner]];
      const left = rest.length === 0 ? {} : without(rest, inner);
      return Object.keys(left).length === 0 ? [] : [[member, left]];
    }),
  );
}

test('an object is as we applied it while each of its fields is ours, whatever else the set holds', () => {
  expect(ownsAllOf(JSON.stringify(owned), desired)).toBe(true);
  expect(ownsAllOf(JSON.stringify({ ...owned, 'f:status': {} }), desired)).toBe(true);
});

const members: readonly (readonly string[])[] = [
  ['f:metadata'],
  ['f:metadata', 'f:labels', 'f:a'],
  ['f:metadata', 'f:ownerReferences', 'k:{"uid":"pool"}'],
  ['f:spec', 'f:selector'],
  ['f:spec', 'f:ports', 'k:{"port":6789,"protocol":"TCP"}'],
  ['f:spec', 'f:ports', 'k:{"port":6790,"protocol":"TCP"}', 'f:name'],
  ['f:spec', 'f:finalizers', 'v:"mine"'],
  ['f:spec', 'f:empty'],
];

test.each(members)('somebody who changes or removes %s %s %s takes it from us', (...path) => {
  expect(ownsAllOf(JSON.stringify(without(path)), desired)).toBe(false);
});

test('a list or map of which only the husk is ours is not ours, unless it is empty', () => {
  const husk = JSON.stringify({ 'f:spec': { 'f:selector': { '.': {} } } });
  expect(ownsAllOf(husk, { spec: { selector: { app: 'live' } } })).toBe(false);
  expect(ownsAllOf(husk, { spec: { selector: {} } })).toBe(true);
});

test('a field without a value is none', () => {
  expect(ownsAllOf('{}', { spec: undefined })).toBe(true);
});

test('a set that nobody can read is empty', () => {
  expect(ownsAllOf('not JSON', desired)).toBe(false);
  expect(ownsAllOf('', desired)).toBe(false);
});

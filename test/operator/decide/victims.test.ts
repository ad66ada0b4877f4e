import fc from 'fast-check';
import { expect, test } from 'vitest';
import { begin, gatewayWith } from './pool-fixture.ts';
import { victimOrder } from '../../../operator/decide/victims.ts';

const revision = 'aaaaa11111';

test('not ready, then old, then empty, then crowded zone, then young', () => {
  const gateways = [
    gatewayWith('oldest', { zone: 'a', createdAt: begin - 9 }),
    gatewayWith('youngest', { zone: 'a', createdAt: begin - 1 }),
    gatewayWith('lonely-zone', { zone: 'b' }),
    gatewayWith('empty', { zone: 'a' }, { connections: 1 }),
    gatewayWith('old', { revision: 'zzzzz', zone: 'a' }, { connections: 900 }),
    gatewayWith('not-ready', { containersReady: false, zone: 'a' }, { connections: 999 }),
    gatewayWith('not-serving', { serving: 'False', zone: 'c' }, { connections: 1000 }),
  ];
  expect(victimOrder(gateways, revision).map(({ name }) => name)).toEqual([
    'not-ready',
    'not-serving',
    'old',
    'empty',
    'youngest',
    'oldest',
    'lonely-zone',
  ]);
});

test('an unknown number of connections counts as the highest, and one that a gateway no longer confirms is unknown', () => {
  const gateways = [
    gatewayWith('unheard', { polled: undefined }),
    gatewayWith('silent', { unansweredSince: begin }, { connections: 0 }),
    gatewayWith('full', {}, { connections: 20_000 }),
    gatewayWith('never-served', { polled: undefined, serving: 'Unknown', containersReady: false }),
  ];
  expect(victimOrder(gateways, revision).map(({ name }) => name)).toEqual(['never-served', 'full', 'silent', 'unheard']);
});

const anyGateway = fc
  .record({
    slot: fc.integer({ min: 0, max: 1000 }),
    zone: fc.constantFrom('a', 'b', undefined),
    createdAt: fc.integer({ min: 0, max: 5 }),
    containersReady: fc.boolean(),
    connections: fc.integer({ min: 0, max: 3 }),
    gatewayRevision: fc.constantFrom(revision, 'old'),
  })
  .map(({ slot, connections, gatewayRevision, ...fields }) =>
    gatewayWith(`web-${slot}`, { ...fields, revision: gatewayRevision }, { connections }),
  );

test('the order does not depend on the order in which the pods are listed, and leaves nobody out', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(anyGateway, { selector: ({ name }) => name, maxLength: 12 }),
      fc.infiniteStream(fc.nat()),
      (gateways, numbers) => {
        const shuffled = gateways.map((gateway) => ({ gateway, key: numbers.next().value as number })).toSorted((a, b) => a.key - b.key);
        const order = victimOrder(gateways, revision).map(({ name }) => name);
        expect(
          victimOrder(
            shuffled.map(({ gateway }) => gateway),
            revision,
          ).map(({ name }) => name),
        ).toEqual(order);
        expect(order.toSorted()).toEqual(gateways.map(({ name }) => name).toSorted());
      },
    ),
  );
});

import { expect, test } from 'vitest';
import { environmentOf, ingredientsWith, ownContainer } from './ingredients.ts';
import { gatewayPod, gatewayRevision, gatewayTemplate, podOfRevision } from '../../../operator/desired/gateway-pod.ts';
import { readRevision, revisionObject } from '../../../operator/desired/kept-revision.ts';

test('a kept revision makes the same pods again, which trust the present signing key', () => {
  const before = ingredientsWith({ template: { metadata: { annotations: { edition: 'first' } } } as never });
  const kept = { revision: gatewayRevision(before), template: gatewayTemplate(before) };
  const stored = JSON.parse(JSON.stringify(revisionObject(before.pool, kept, 'redis:6379 live/web'))) as ReturnType<typeof revisionObject>;
  expect(stored.metadata).toMatchObject({ name: `web-${kept.revision}`, ownerReferences: [{ kind: 'GatewayPool', controller: true }] });
  const read = readRevision(stored, before, 'redis:6379 live/web');
  expect(read).toEqual(JSON.parse(JSON.stringify(kept)));
  if (read === undefined) return;
  expect(podOfRevision(before.pool, read, 'web-a-0')).toEqual(JSON.parse(JSON.stringify(gatewayPod(before, 'web-a-0'))));
  const renewed = readRevision(stored, { publicKey: 'another key' }, 'redis:6379 live/web');
  expect(environmentOf(ownContainer(renewed?.template.spec ?? {}))).toMatchObject({ BARRAGE_POOL_PUBLIC_KEY: 'another key' });
});

test.each([
  ['another bus', {}, 'redis:6380 live/web'],
  ['no label', { metadata: { labels: {} } }, 'bus'],
  ['no data', { data: undefined }, 'bus'],
  ['no template', { data: { bus: 'bus' } }, 'bus'],
  [
    'containers that are no list',
    { data: { bus: 'bus', template: { metadata: { labels: {}, annotations: {} }, spec: { containers: 1 } } } },
    'bus',
  ],
])('a kept revision is not used with %s', (_what, change, bus) => {
  const ingredients = ingredientsWith();
  const kept = { revision: gatewayRevision(ingredients), template: gatewayTemplate(ingredients) };
  expect(readRevision({ ...revisionObject(ingredients.pool, kept, 'bus'), ...change }, ingredients, bus)).toBeUndefined();
});

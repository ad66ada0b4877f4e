import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Json, JsonObject } from '../../../operator/desired/objects.ts';
import { overlaid, overruled } from '../../../operator/desired/overlay.ts';

test('maps are merged key by key, lists of named things by their name, other lists as a whole', () => {
  const base = { a: { x: 1, y: 2 }, containers: [{ name: 'one', image: 'a', args: ['1', '2'] }], tolerations: [{ key: 'a' }] };
  const overlay = { a: { y: 3 }, containers: [{ name: 'two' }, { name: 'one', args: ['3'] }], tolerations: [{ key: 'b' }] };
  expect(overlaid(base, overlay)).toEqual({
    a: { x: 1, y: 3 },
    containers: [{ name: 'one', image: 'a', args: ['3'] }, { name: 'two' }],
    tolerations: [{ key: 'b' }],
  });
});

test('null takes a value away, also inside a named thing', () => {
  expect(
    overlaid({ a: 1, containers: [{ name: 'one', resources: { x: 1 } }] }, { a: null, containers: [{ name: 'one', resources: null }] }),
  ).toEqual({
    containers: [{ name: 'one' }],
  });
});

test('a list whose entries have no name is taken as it is: the API server says what is wrong with it', () => {
  expect(overlaid({ containers: [{ name: 'one' }] }, { containers: [{ image: 'x' }] })).toEqual({ containers: [{ image: 'x' }] });
});

test('what was written over an overlay is named by its path, without its value', () => {
  const overlay = {
    metadata: { labels: { team: 'a', ours: 'no' } },
    spec: {
      restartPolicy: 'Never',
      nodeName: null,
      containers: [
        {
          name: 'one',
          env: [
            { name: 'A', value: 'secret' },
            { name: 'B', value: 'b' },
          ],
        },
      ],
    },
  };
  const made = overlaid({ spec: { containers: [{ name: 'zero' }] } }, overlay) as { metadata: JsonObject; spec: JsonObject };
  expect(overruled(overlay, made)).toEqual([]);
  const env = [
    { name: 'A', value: 'ours' },
    { name: 'B', value: 'b' },
  ];
  const written = {
    metadata: { labels: { team: 'a', ours: 'yes' } },
    spec: { ...made.spec, restartPolicy: 'Always', nodeName: 'n', containers: [{ name: 'zero' }, { name: 'one', env }] },
  };
  expect(overruled(overlay, written).toSorted()).toEqual([
    'metadata.labels.ours',
    'spec.containers[one].env[A].value',
    'spec.nodeName',
    'spec.restartPolicy',
  ]);
});

const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'name', 'env', 'containers'), tie('value'), { maxKeys: 4 }),
  ),
})).value;
const map = fc.dictionary(fc.constantFrom('a', 'b', 'env', 'containers', 'volumes'), json, { maxKeys: 5 }) as fc.Arbitrary<JsonObject>;

test('an overlay laid twice is laid once, an empty one changes nothing, and neither of the two is changed', () => {
  fc.assert(
    fc.property(map, map, (base, overlay) => {
      const copies = structuredClone([base, overlay]);
      const once = overlaid(base, overlay);
      expect(overlaid(once, overlay)).toEqual(once);
      expect(overruled(overlay, once)).toEqual([]);
      expect(overlaid(base, {})).toEqual(base);
      expect([base, overlay]).toEqual(copies);
    }),
    { numRuns: 500 },
  );
});

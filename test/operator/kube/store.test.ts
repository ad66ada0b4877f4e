import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Store, type Change } from '../../../operator/kube/store.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';

function pod(name: string, version: number, also: { readonly pool?: string; readonly uid?: string } = {}): KubeObject {
  const { pool = 'main', uid = `uid of ${name}` } = also;
  return { metadata: { namespace: 'live', name, uid, resourceVersion: String(version), labels: { pool } } };
}

const byPool = ({ metadata }: KubeObject): readonly string[] => (metadata.labels?.['pool'] === undefined ? [] : [metadata.labels['pool']]);

function openStore(): { readonly store: Store<KubeObject>; readonly changes: Change<KubeObject>[] } {
  const store = new Store<KubeObject>({ indexes: { pool: byPool }, failed: () => {} });
  const changes: Change<KubeObject>[] = [];
  store.onChange((change) => changes.push(change));
  return { store, changes };
}

test('changes are told with the object before and after', () => {
  const { store, changes } = openStore();
  store.set(pod('a', 1));
  store.set(pod('a', 1));
  store.set(pod('a', 2));
  store.delete('live/a');
  store.delete('live/a');
  expect(changes).toEqual([
    { kind: 'added', key: 'live/a', current: pod('a', 1) },
    { kind: 'updated', key: 'live/a', current: pod('a', 2), previous: pod('a', 1) },
    { kind: 'deleted', key: 'live/a', previous: pod('a', 2) },
  ]);
});

test('an object that was made anew under its old name is one that went and one that came', () => {
  const { store, changes } = openStore();
  store.set(pod('a', 1));
  store.replace([pod('a', 5, { uid: 'another' })]);
  expect(changes.map(({ kind }) => kind)).toEqual(['added', 'deleted', 'added']);
});

test('asking for an index that there is not is a mistake that is told', () => {
  expect(() => openStore().store.withIndex('owner', 'x')).toThrow('no index owner');
});

test('a store with indexes is what a plain map and a search are', () => {
  const object = fc.record({ name: fc.constantFrom('a', 'b', 'c'), pool: fc.constantFrom('x', 'y'), version: fc.nat(5) });
  const step = fc.oneof(
    fc.record({ act: fc.constant('set' as const), object }),
    fc.record({ act: fc.constant('delete' as const), object }),
    fc.record({ act: fc.constant('replace' as const), objects: fc.uniqueArray(object, { selector: ({ name }) => name }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { store, changes } = openStore();
      const model = new Map<string, KubeObject>();
      let version = 0;
      for (const each of steps) {
        if (each.act === 'replace') {
          const objects = each.objects.map(({ name, pool }) => pod(name, ++version, { pool }));
          store.replace(objects);
          model.clear();
          for (const one of objects) model.set(`live/${one.metadata.name}`, one);
        } else if (each.act === 'delete') {
          store.delete(`live/${each.object.name}`);
          model.delete(`live/${each.object.name}`);
        } else {
          const one = pod(each.object.name, ++version, { pool: each.object.pool });
          store.set(one);
          model.set(`live/${each.object.name}`, one);
        }
        const sorted = (objects: Iterable<KubeObject>): unknown =>
          [...objects].toSorted((one, other) => (one.metadata.name ?? '').localeCompare(other.metadata.name ?? ''));
        expect(sorted(store.all())).toEqual(sorted(model.values()));
        for (const pool of ['x', 'y'])
          expect(sorted(store.withIndex('pool', pool))).toEqual(sorted([...model.values()].filter((one) => byPool(one).includes(pool))));
      }
      // Whoever follows the changes alone knows the same.
      const followed = new Set<string>();
      for (const { kind, key } of changes)
        if (kind === 'deleted') followed.delete(key);
        else followed.add(key);
      expect(followed).toEqual(new Set(model.keys()));
    }),
  );
});

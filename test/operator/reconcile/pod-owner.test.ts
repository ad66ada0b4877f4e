import { expect, test } from 'vitest';
import { childNames, names } from '../../../operator/desired/labels.ts';
import { isPoolPod } from '../../../operator/reconcile/pod-owner.ts';
import type { PoolPod } from '../../../operator/reconcile/pod-view.ts';
import type { OwnerReference } from '../../../operator/runtime/kube-api.ts';
import { poolWith } from '../decide/pool-fixture.ts';

const pool = poolWith();
const byPool: OwnerReference = {
  apiVersion: 'barrage.dev/v1alpha1',
  kind: 'GatewayPool',
  name: pool.metadata.name,
  uid: pool.metadata.uid,
  controller: true,
};
const publisher = { metadata: { name: childNames.publisher(pool), namespace: pool.metadata.namespace, ownerReferences: [byPool] } };
const byReplicaSet: OwnerReference = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name: `${childNames.publisher(pool)}-5d4f8`,
  uid: 'replica-set',
  controller: true,
};

function podOf(component: string, owners: readonly OwnerReference[]): PoolPod {
  const labels = { [names.label.pool]: pool.metadata.name, [names.label.component]: component, 'pod-template-hash': '5d4f8' };
  return { metadata: { name: 'some', uid: 'some', namespace: pool.metadata.namespace, labels, ownerReferences: owners } };
}

test('a gateway is a pod that the pool controls, whatever labels say', () => {
  expect(isPoolPod(podOf('gateway', [byPool]), { pool, publisher })).toBe(true);
  expect(isPoolPod(podOf('gateway', []), { pool, publisher })).toBe(false);
  expect(isPoolPod(podOf('gateway', [{ ...byPool, controller: false }]), { pool, publisher })).toBe(false);
  expect(isPoolPod(podOf('gateway', [{ ...byPool, uid: 'an earlier pool' }]), { pool, publisher })).toBe(false);
  expect(isPoolPod(podOf('gateway', [byReplicaSet]), { pool, publisher })).toBe(false);
  expect(isPoolPod(podOf('gateway', [byPool]), { pool: undefined, publisher })).toBe(false);
});

test("a publisher is a pod of a ReplicaSet of the pool's own Deployment", () => {
  expect(isPoolPod(podOf('publisher', [byReplicaSet]), { pool, publisher })).toBe(true);
  expect(isPoolPod(podOf('publisher', []), { pool, publisher })).toBe(false);
  expect(isPoolPod(podOf('publisher', [{ ...byReplicaSet, name: 'other-5d4f8' }]), { pool, publisher })).toBe(false);
  expect(isPoolPod(podOf('publisher', [{ ...byReplicaSet, kind: 'Job' }]), { pool, publisher })).toBe(false);
  expect(isPoolPod(podOf('publisher', [byReplicaSet]), { pool, publisher: undefined })).toBe(false);
  const foreign = { metadata: { ...publisher.metadata, ownerReferences: [] } };
  expect(isPoolPod(podOf('publisher', [byReplicaSet]), { pool, publisher: foreign })).toBe(false);
});

test('a pod of no component of ours is no pod of the pool', () => {
  expect(isPoolPod(podOf('sidecar', [byPool]), { pool, publisher })).toBe(false);
});

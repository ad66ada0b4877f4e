import { expect, test } from 'vitest';
import { objectPath, resources } from '../../../operator/kube/resources.ts';
import type { ExactRef, KubeObject, PodCondition } from '../../../operator/runtime/kube-api.ts';
import { configMap, eventually, openRig, type ConfigMap, type Rig } from './rig.ts';

interface Pod extends KubeObject {
  readonly spec?: unknown;
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[] };
}

const spec = { containers: [{ name: 'barrage', image: 'barrage:test' }] };
const now = '2026-01-02T03:04:05Z';

function condition(status: 'True' | 'False', reason: string): PodCondition {
  return { type: 'barrage.dev/Serving', status, reason, message: '', lastTransitionTime: now };
}

async function makePod(rig: Rig, name: string): Promise<ExactRef> {
  // Pods are refused until the namespace has its service account.
  const serviceAccount = { namespace: rig.namespace, name: 'default' };
  await eventually(() => rig.direct.get({ ...resources.pod, kind: 'ServiceAccount', plural: 'serviceaccounts' }, serviceAccount));
  const made = await rig.api.create<Pod>(resources.pod, { metadata: { namespace: rig.namespace, name }, spec });
  if (made.kind === 'exists') throw new Error('there is such a pod already');
  return { namespace: rig.namespace, name, uid: made.object.metadata.uid ?? '' };
}

/** Somebody else's hand. */
async function patchByUser(rig: Rig, name: string, patch: unknown): Promise<void> {
  const path = `${objectPath(resources.configMap, { namespace: rig.namespace, name })}?fieldManager=a-user`;
  await rig.client.request({ verb: 'apply', path, body: patch, contentType: 'application/merge-patch+json' });
}

test('what we apply is said, what we say no longer is taken back, and what others say stays', async () => {
  const rig = await openRig();
  await rig.api.apply(resources.configMap, configMap(rig.namespace, 'one', { ours: '1', also: 'ours' }));
  await patchByUser(rig, 'one', { metadata: { labels: { team: 'video' } }, data: { theirs: '1', ours: 'overwritten' } });
  const applied = await rig.api.apply(resources.configMap, configMap(rig.namespace, 'one', { ours: '1' }));
  expect(applied).toMatchObject({ data: { ours: '1', theirs: '1' }, metadata: { labels: { team: 'video', made: 'by-test' } } });
  expect(applied.data).not.toHaveProperty('also');
});

test('applying the same again changes nothing, not even the version', async () => {
  const rig = await openRig();
  const first = await rig.api.apply(resources.configMap, configMap(rig.namespace, 'one', { word: 'same' }));
  const again = await rig.api.apply(resources.configMap, configMap(rig.namespace, 'one', { word: 'same' }));
  expect(again.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
});

test('a new object is made once: one of that name that is there is left alone', async () => {
  const rig = await openRig();
  const made = await rig.api.create(resources.configMap, configMap(rig.namespace, 'one', { word: 'first' }));
  expect(made).toMatchObject({ kind: 'created', object: { data: { word: 'first' } } });
  expect(await rig.api.create(resources.configMap, configMap(rig.namespace, 'one', { word: 'second' }))).toEqual({ kind: 'exists' });
  const stored = await rig.api.get<ConfigMap>(resources.configMap, { namespace: rig.namespace, name: 'one' });
  expect(stored?.data).toEqual({ word: 'first' });
});

test('deleting means this very object', async () => {
  const rig = await openRig();
  const ref = { namespace: rig.namespace, name: 'one' };
  const first = await rig.api.apply(resources.configMap, configMap(rig.namespace, 'one'));
  const exact = { ...ref, uid: first.metadata.uid };
  expect(await rig.api.delete(resources.configMap, exact)).toBe(true);
  expect(await rig.api.delete(resources.configMap, exact), 'a second time').toBe(true);
  await rig.api.apply(resources.configMap, configMap(rig.namespace, 'one'));
  expect(await rig.api.delete(resources.configMap, exact), 'a later one of the same name').toBe(false);
  expect(await rig.api.get(resources.configMap, exact)).toBeUndefined();
  expect(await rig.api.get(resources.configMap, ref)).toBeDefined();
});

test('a conflict of another kind says nothing of the object: it is still there', async () => {
  const rig = await openRig();
  const first = await rig.api.apply(resources.configMap, configMap(rig.namespace, 'fluid'));
  const exact = { namespace: rig.namespace, name: 'fluid', uid: first.metadata.uid };
  rig.proxy.fault = ({ verb }) => (verb === 'delete' ? { kind: 'status', code: 409 } : undefined);
  await expect(rig.api.delete(resources.configMap, exact)).rejects.toMatchObject({ status: 409 });
  rig.proxy.fault = () => undefined;
  expect(await rig.api.delete(resources.configMap, exact)).toBe(true);
});

test('our annotations of a pod come and go, and its spec and the others\u2019 stay', async () => {
  const rig = await openRig();
  const ref = await makePod(rig, 'gateway');
  await rig.api.annotatePod(ref, { 'barrage.dev/drain-started': now, 'barrage.dev/drain-deadline': now });
  await rig.api.annotatePod(ref, { 'barrage.dev/drain-started': now });
  const annotated = await rig.direct.get<Pod>(resources.pod, ref);
  expect(annotated?.metadata.annotations).toEqual({ 'barrage.dev/drain-started': now });
  await rig.api.annotatePod(ref, {});
  expect((await rig.direct.get<Pod>(resources.pod, ref))?.metadata.annotations).toBeUndefined();
});

test('labels that we give a pod and our annotations of it do not take each other back', async () => {
  const rig = await openRig();
  const ref = await makePod(rig, 'gateway');
  const labelled: KubeObject = { metadata: { ...ref, labels: { 'barrage.dev/pool': 'main' } } };
  await rig.api.apply(resources.pod, labelled);
  await rig.api.annotatePod(ref, { 'barrage.dev/drain-started': now });
  await rig.api.apply(resources.pod, labelled);
  expect((await rig.direct.get<Pod>(resources.pod, ref))?.metadata).toMatchObject({
    labels: { 'barrage.dev/pool': 'main' },
    annotations: { 'barrage.dev/drain-started': now },
  });
});

test('our condition of a pod stands beside the others\u2019', async () => {
  const rig = await openRig();
  const ref = await makePod(rig, 'gateway');
  const path = `${objectPath(resources.pod, ref, 'status')}?fieldManager=kubelet`;
  const theirs = { status: { conditions: [{ type: 'Ready', status: 'False', reason: 'ContainersNotReady' }] } };
  await rig.client.request({ verb: 'apply', path, body: theirs, contentType: 'application/strategic-merge-patch+json' });
  await rig.api.setPodConditions(ref, [condition('True', 'InPlacement')]);
  await rig.api.setPodConditions(ref, [condition('False', 'Draining')]);
  const conditions = (await rig.direct.get<Pod>(resources.pod, ref))?.status?.conditions ?? [];
  const words = conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`);
  expect(words).toContain('Ready=False ContainersNotReady');
  expect(words).toContain('barrage.dev/Serving=False Draining');
});

test('a mark that is refused for what it says is a failure', async () => {
  const rig = await openRig();
  const ref = await makePod(rig, 'gateway');
  await expect(rig.api.annotatePod(ref, { 'not a name': '' })).rejects.toMatchObject({ status: 422 });
});

test('marking a pod that is gone makes none, and one of the same name is not touched', async () => {
  const rig = await openRig();
  const ref = await makePod(rig, 'gateway');
  const path = `${objectPath(resources.pod, ref)}?gracePeriodSeconds=0`;
  await rig.client.request({ verb: 'delete', path });
  await eventually(async () => (await rig.direct.get(resources.pod, ref)) === undefined);
  expect(await rig.api.annotatePod(ref, { drained: 'yes' })).toBeUndefined();
  expect(await rig.api.setPodConditions(ref, [condition('False', 'Draining')])).toBeUndefined();
  expect(await rig.direct.list(resources.pod, { namespace: rig.namespace })).toHaveLength(0);
  const later = await makePod(rig, 'gateway');
  expect(await rig.api.annotatePod(ref, { drained: 'yes' })).toBeUndefined();
  expect(await rig.api.setPodConditions(ref, [condition('False', 'Draining')])).toBeUndefined();
  expect((await rig.direct.get<Pod>(resources.pod, later))?.metadata.annotations).toBeUndefined();
});

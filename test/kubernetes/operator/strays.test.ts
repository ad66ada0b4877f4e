import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { countBy, OperatedCluster, print, type OperatorProcess } from './operated-cluster.ts';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ connections: 0 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

const timeout = 240_000;

async function kubectl(...args: readonly string[]): Promise<string> {
  return operated.cluster.kubectl(['-n', operated.namespace, ...args]);
}

async function uids(objects: string): Promise<readonly string[]> {
  const text = await kubectl('get', objects, '-o', 'jsonpath={.items[*].metadata.uid}');
  return text
    .split(' ')
    .filter((uid) => uid !== '')
    .toSorted();
}

/** Every pod of the pool, whatever its labels are. */
async function gatewayUids(): Promise<readonly string[]> {
  const { items } = JSON.parse(await kubectl('get', 'pods', '-o', 'json')) as { readonly items: readonly StoredPod[] };
  return items
    .filter(({ metadata: { name } }) => /^live-[0-9a-f]{5}-\d+$/.test(name))
    .map(({ metadata: { uid } }) => uid)
    .toSorted();
}

interface StoredPod {
  readonly metadata: { readonly name: string; readonly uid: string };
}

async function labelled(): Promise<number> {
  return operated.gateways('live').length;
}

function deletions(operator: OperatorProcess): readonly string[] {
  return operator.writes().flatMap(({ verb, path }) => (verb === 'delete' ? [path] : []));
}

/** As somebody does who knows how the operator writes. */
async function plant(object: object): Promise<void> {
  const args = ['-n', operated.namespace, 'create', '--field-manager=barrage-operator', '-f', '-'];
  await operated.cluster.kubectl(args, JSON.stringify(object));
}

const lostLabels = ['app.kubernetes.io/managed-by-', 'barrage.dev/pool-', 'app.kubernetes.io/component-'];

test('a gateway that lost its labels is found again, while an operator runs and after a time without one', { timeout }, async () => {
  await operated.applyPool('live', { replicas: 3 });
  const operator = await operated.startOperator();
  await operated.untilConverged();
  const before = await gatewayUids();
  expect(before).toHaveLength(3);
  const [first, second] = operated.gateways('live').map(({ metadata }) => metadata.name ?? '');

  // Of an older revision no pod is made that would meet it by its name.
  await kubectl('label', `pod/${first}`, ...lostLabels);
  await expect.poll(labelled, { timeout: 60_000, interval: 200 }).toBe(3);
  await operated.untilConverged();
  expect(await gatewayUids()).toEqual(before);

  await operated.untilPublishersScaled();
  await operator.close();
  await kubectl('label', `pod/${second}`, ...lostLabels);
  await expect.poll(labelled, { timeout: 60_000, interval: 200 }).toBe(2);
  // Fewer are wanted, so nothing would be made in its place.
  await operated.applyPool('live', { replicas: 2 });
  const next = await operated.startOperator();
  await operated.untilConverged();
  expect(await gatewayUids()).toHaveLength(2);
  const lists = next.requests(({ verb, resource, path }) => verb === 'list' && resource === 'pods' && /managed-by(%21|!)%3D/.test(path));
  print(`lists of pods without our label at a start: ${lists.length}`);
  expect(lists).toHaveLength(1);
  await next.close();
});

test('a pool that is made again after its objects were orphaned takes them over, with their clients', { timeout }, async () => {
  const operator = await operated.startOperator();
  await operated.untilConverged();
  const kinds = ['secrets', 'configmaps', 'services', 'deployments', 'hpa', 'pdb', 'networkpolicies'];
  const before = await Promise.all([gatewayUids(), ...kinds.map(uids)]);
  const key = await kubectl('get', 'secret/live-signing', '-o', 'jsonpath={.data}');
  await operator.close();
  await kubectl('delete', 'gwp/live', '--cascade=orphan', '--wait');

  // Somebody else's pod in our labels, which no document names.
  const labels = JSON.parse(
    await kubectl('get', 'pods', '-l', 'barrage.dev/gateway', '-o', 'jsonpath={.items[0].metadata.labels}'),
  ) as object;
  const spec = { containers: [{ name: 'barrage', image: 'barrage:test' }] };
  await plant({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'forged', labels }, spec });

  await operated.applyPool('live', { replicas: 2 });
  const next = await operated.startOperator();
  const owners = async (): Promise<string> =>
    kubectl('get', 'pods', '-l', 'barrage.dev/gateway', '-o', 'jsonpath={.items[*].metadata.ownerReferences[*].kind}');
  await expect.poll(owners, { timeout: 60_000, interval: 200 }).toBe('GatewayPool GatewayPool');
  const ready = async (): Promise<string> => kubectl('get', 'gwp/live', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}');
  await expect.poll(ready, { timeout: 60_000, interval: 200 }).toBe('Ready');
  await pause(3_000);
  expect(await Promise.all([gatewayUids(), ...kinds.map(uids)])).toEqual(before);
  expect(await kubectl('get', 'secret/live-signing', '-o', 'jsonpath={.data}')).toBe(key);
  expect(deletions(next)).toEqual([]);
  expect(await kubectl('get', 'pod/forged', '-o', 'jsonpath={.metadata.ownerReferences}')).toBe('');
  print(`a pool made again: ${countBy(next.writes())}`);
});

test('keys that somebody planted before the pool was made are not taken over', { timeout }, async () => {
  const operator = await operated.startOperator();
  const labels = { 'app.kubernetes.io/managed-by': 'barrage-operator', 'barrage.dev/pool': 'other' };
  const stringData = { key: 'a-key-of-somebody-else-0123456789' };
  await plant({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'other-api-key', labels }, stringData });
  await operated.applyPool('other', { replicas: 1 });
  const ready = async (): Promise<string> => kubectl('get', 'gwp/other', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].message}');
  await expect.poll(ready, { timeout: 60_000, interval: 200 }).toContain('kubectl delete secret/other-api-key');
  // The operator's own document, signed by its own key, proves nothing of this Secret.
  await expect.poll(() => kubectl('get', 'configmap/other-pool', '-o', 'name', '--ignore-not-found'), { timeout: 60_000 }).not.toBe('');
  await pause(3_000);
  expect(await ready()).toContain('kubectl delete secret/other-api-key');
  expect(await kubectl('get', 'secret/other-api-key', '-o', 'jsonpath={.metadata.ownerReferences}')).toBe('');
  await operator.close();
});

import { generateKeyPairSync } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import type { DocumentMember } from '../../../operator/decide/document.ts';
import { poolPolicies } from '../../../operator/decide/policies.ts';
import { childNames } from '../../../operator/desired/labels.ts';
import { resources } from '../../../operator/kube/resources.ts';
import { Children } from '../../../operator/reconcile/children.ts';
import { DocumentKeeper, type DocumentWrite, type StoredDocument } from '../../../operator/reconcile/document-keeper.ts';
import type { PoolSecrets } from '../../../operator/reconcile/pool-secrets.ts';
import { Pushes } from '../../../operator/reconcile/pushes.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { applyDefinitions } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { gatewayPool, Surroundings } from '../conditions/observation.ts';
import { openRig, type Rig } from '../kube/rig.ts';

vi.setConfig({ testTimeout: clusterTimeoutMs });

const noPushes = new Pushes(() => Promise.resolve({ kind: 'silent' }));

interface Pen {
  readonly write: (wanted: {
    readonly gateway: string;
    /** The document's ConfigMap as this operator's store has it. */
    readonly inStore?: KubeObject | undefined;
    readonly polledEpochs?: readonly number[];
    readonly exposure?: GatewayPool['spec']['exposure'];
  }) => Promise<DocumentWrite>;
}

function newKeys(): Pick<PoolSecrets, 'privateKey' | 'publicKey' | 'earlierKeys'> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    earlierKeys: [],
  };
}

function member(name: string): DocumentMember {
  return { name, uid: `uid-${name}`, ip: '10.0.0.1', hostIp: undefined, weight: 1, state: 'serving' };
}

/** A pool in a namespace of its own, whose document operators write, each with what it knows. */
class Desk {
  readonly rig: Rig;
  readonly pool: GatewayPool;
  keys = newKeys();

  private constructor(rig: Rig, pool: GatewayPool) {
    this.rig = rig;
    this.pool = pool;
  }

  static async open(): Promise<Desk> {
    const cluster = await sharedApiServer();
    await applyDefinitions(cluster);
    const rig = await openRig();
    const at = new Surroundings(cluster, rig.namespace);
    await at.apply(gatewayPool('web'));
    return new Desk(rig, (await at.read('gwp/web')) as unknown as GatewayPool);
  }

  /** An operator that leads, or thinks so. */
  operator(): Pen {
    const documents = new DocumentKeeper({ children: new Children(this.rig.api), pushes: noPushes });
    return {
      write: async ({ gateway, inStore, polledEpochs = [], exposure = this.pool.spec.exposure }) =>
        documents.write({
          pool: { ...this.pool, spec: { ...this.pool.spec, exposure } },
          secrets: this.keys as PoolSecrets,
          members: [member(gateway)],
          policies: poolPolicies([]),
          polledEpochs,
          observed: () => inStore,
          signal: AbortSignal.timeout(60_000),
        }),
    };
  }

  async stored(): Promise<KubeObject | undefined> {
    return this.rig.api.get(resources.configMap, { namespace: this.rig.namespace, name: childNames.document(this.pool) });
  }

  /** What a pod that starts now, and trusts the key of now, would read. */
  async read(): Promise<StoredDocument | undefined> {
    const reader = new DocumentKeeper({ children: new Children(this.rig.api), pushes: noPushes });
    return reader.read(await this.stored(), this.keys.publicKey);
  }
}

function summary(stored: StoredDocument | undefined): unknown {
  return stored === undefined ? undefined : [stored.document.epoch, ...stored.document.gateways.map(({ name }) => name)];
}

function storedIn(write: DocumentWrite): unknown {
  return write.kind === 'stored' ? summary(write.stored) : write;
}

test('two operators that both think they lead never give one epoch to two documents', async () => {
  const desk = await Desk.open();
  const [one, other] = [desk.operator(), desk.operator()];
  expect(storedIn(await one.write({ gateway: 'a' }))).toEqual([1, 'a']);
  const first = await desk.stored();
  // Its store has heard of nothing yet.
  expect(storedIn(await other.write({ gateway: 'b' }))).toEqual([2, 'b']);
  // This one knows the first document, and its own.
  expect(storedIn(await one.write({ gateway: 'c', inStore: first }))).toEqual([3, 'c']);
  expect(summary(await desk.read())).toEqual([3, 'c']);
  expect(storedIn(await one.write({ gateway: 'c', inStore: await desk.stored() }))).toEqual([3, 'c']);
});

test('many at once: each document that is stored has an epoch of its own', async () => {
  const desk = await Desk.open();
  const names = ['a', 'b', 'c', 'd', 'e'];
  const writes = await Promise.allSettled(names.map(async (gateway) => desk.operator().write({ gateway })));
  const stored = writes.flatMap((write) => (write.status === 'fulfilled' && write.value.kind === 'stored' ? [write.value.stored] : []));
  // Who came late again and again says so, and is tried again by its reconcile.
  for (const write of writes) if (write.status === 'rejected') expect(write.reason).toMatchObject({ reason: 'Conflict' });
  expect(stored.length).toBeGreaterThan(1);
  expect(new Set(stored.map(({ document }) => document.epoch)).size).toBe(stored.length);
});

test('a new signing key is a new document, though nothing else has changed: pods that start now believe it', async () => {
  const desk = await Desk.open();
  const operator = desk.operator();
  await operator.write({ gateway: 'a' });
  desk.keys = newKeys();
  expect(await desk.read()).toBeUndefined();
  expect(storedIn(await operator.write({ gateway: 'a', inStore: await desk.stored(), polledEpochs: [1] }))).toEqual([2, 'a']);
  expect(summary(await desk.read())).toEqual([2, 'a']);
});

test('a document in an earlier key gives its epoch, though no pod answers any more', async () => {
  const desk = await Desk.open();
  const operator = desk.operator();
  await operator.write({ gateway: 'a' });
  await operator.write({ gateway: 'b', inStore: await desk.stored() });
  desk.keys = { ...newKeys(), earlierKeys: [desk.keys] };
  expect(storedIn(await operator.write({ gateway: 'b', inStore: await desk.stored() }))).toEqual([3, 'b']);
});

test('a document that is edited by hand or deleted is put back as it was', async () => {
  const desk = await Desk.open();
  const operator = desk.operator();
  await operator.write({ gateway: 'a' });
  const metadata = { namespace: desk.rig.namespace, name: childNames.document(desk.pool) };
  await desk.rig.api.overwrite(resources.configMap, { metadata, data: { 'pool.json': '{}' } } as KubeObject);
  expect(storedIn(await operator.write({ gateway: 'a', inStore: await desk.stored() }))).toEqual([1, 'a']);
  expect(summary(await desk.read())).toEqual([1, 'a']);
  await desk.rig.api.delete(resources.configMap, metadata);
  expect(storedIn(await operator.write({ gateway: 'a' }))).toEqual([1, 'a']);
  await desk.rig.api.delete(resources.configMap, metadata);
  expect(storedIn(await operator.write({ gateway: 'b' }))).toEqual([2, 'b']);
  expect(summary(await desk.read())).toEqual([2, 'b']);
});

test('what no document can be made of is told, and leaves the stored one as it is', async () => {
  const desk = await Desk.open();
  const operator = desk.operator();
  await operator.write({ gateway: 'a' });
  const exposure = { type: 'URLTemplate', urlTemplate: 'wss://[x]/{pod}' } as const;
  const write = await operator.write({ gateway: 'b', inStore: await desk.stored(), exposure });
  expect(write).toMatchObject({ kind: 'unfit', fault: expect.stringContaining('gateways[0].url') });
  expect(summary(await desk.read())).toEqual([1, 'a']);
});

import { withDefaults } from '../../../operator/api/stored-objects.ts';
import type { BarrageChannel } from '../../../operator/api/barrage-channel.ts';
import type { Recipient } from '../../../operator/decide/push-plan.ts';
import { generateKeyPairSync } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import { epochsReserved, membersWriteMs, type DocumentMember } from '../../../operator/decide/document.ts';
import { poolPolicies, type PoolPolicies } from '../../../operator/decide/policies.ts';
import { childNames } from '../../../operator/desired/labels.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import { resources } from '../../../operator/kube/resources.ts';
import { Children } from '../../../operator/reconcile/children.ts';
import { DocumentKeeper, type DocumentWrite } from '../../../operator/reconcile/document-keeper.ts';
import type { StoredDocument } from '../../../operator/reconcile/stored-document.ts';
import type { PoolSecrets } from '../../../operator/reconcile/pool-secrets.ts';
import { Pushes } from '../../../operator/reconcile/pushes.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { applyDefinitions } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { Random } from '../../simulation/random.ts';
import { gatewayPool, Surroundings } from '../conditions/observation.ts';
import { openRig, type Rig } from '../kube/rig.ts';

vi.setConfig({ testTimeout: clusterTimeoutMs });

const noPushes = new Pushes(() => Promise.resolve({ kind: 'silent' }));

interface Pen {
  readonly flush: () => Promise<void>;
  readonly write: (wanted: {
    readonly gateway: string;
    /** The document's ConfigMap as this operator's store has it. */
    readonly inStore?: KubeObject | undefined;
    readonly polledEpochs?: readonly number[];
    readonly exposure?: GatewayPool['spec']['exposure'];
    readonly hashSeed?: number;
    readonly placementEpoch?: number;
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
  readonly clock = new FakeClock();
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
    const documents = new DocumentKeeper({ children: new Children(this.rig.api), pushes: noPushes, clock: this.clock });
    return {
      flush: async () => documents.flush(AbortSignal.timeout(60_000)),
      write: async ({ gateway, inStore, polledEpochs = [], exposure = this.pool.spec.exposure, hashSeed = 0, placementEpoch = 0 }) =>
        documents.write({
          pool: {
            ...this.pool,
            spec: { ...this.pool.spec, exposure, placement: { ...this.pool.spec.placement, hashSeed } },
            status: { placementEpoch },
          },
          secrets: this.keys as PoolSecrets,
          members: [member(gateway)],
          policies: poolPolicies([]),
          buses: undefined,
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
    const reader = new DocumentKeeper({ children: new Children(this.rig.api), pushes: noPushes, clock: systemClock });
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
  expect(storedIn(await other.write({ gateway: 'b' }))).toEqual([1 + epochsReserved, 'b']);
  const second = await desk.stored();
  // This one has not heard of the other: it pushes from its own reservation, and so does the other.
  expect(storedIn(await one.write({ gateway: 'c', inStore: first }))).toEqual([2, 'c']);
  expect(storedIn(await other.write({ gateway: 'd', inStore: second }))).toEqual([2 + epochsReserved, 'd']);
  expect(storedIn(await one.write({ gateway: 'e', inStore: first }))).toEqual([3, 'e']);
  // With its next write it hears of the other, and begins behind its reservation.
  await desk.clock.advance(membersWriteMs);
  expect(storedIn(await one.write({ gateway: 'f', inStore: first }))).toEqual([1 + 2 * epochsReserved, 'f']);
  expect(summary(await desk.read())).toEqual([1 + 2 * epochsReserved, 'f']);
  expect(storedIn(await one.write({ gateway: 'f', inStore: await desk.stored() }))).toEqual([1 + 2 * epochsReserved, 'f']);
});

test('two operators take turns at random, with stores that lag: each document has an epoch of its own', async () => {
  const desk = await Desk.open();
  const operators = [desk.operator(), desk.operator()];
  const stores: (KubeObject | undefined)[] = [undefined, undefined];
  const given = new Map<number, unknown>();
  const random = new Random(7);
  for (let turn = 0; turn < 60; turn++) {
    const who = random.below(2);
    if (random.below(3) === 0) stores[who] = await desk.stored();
    if (random.below(4) === 0) await desk.clock.advance(membersWriteMs / 2);
    const gateway = `g${random.below(5)}`;
    const write = await operators[who]?.write({ gateway, inStore: stores[who], hashSeed: random.below(8) === 0 ? 1 : 0 });
    if (write?.kind !== 'stored') throw new Error('no document');
    const { epoch, ...content } = write.stored.document;
    expect(given.get(epoch) ?? content).toEqual(content);
    given.set(epoch, content);
  }
  expect(given.size).toBeGreaterThan(20);
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

test('members are written once in a while, and the rest at once', async () => {
  const desk = await Desk.open();
  const operator = desk.operator();
  await operator.write({ gateway: 'a' });
  const first = await desk.stored();
  for (const [index, gateway] of ['b', 'c', 'd'].entries()) {
    const write = await operator.write({ gateway, inStore: first });
    expect(write).toMatchObject({ kind: 'stored', writeAfterMs: membersWriteMs });
    expect(storedIn(write)).toEqual([2 + index, gateway]);
  }
  expect(await desk.stored()).toEqual(first);
  // The same members: what was pushed is written when it is due.
  await desk.clock.advance(membersWriteMs);
  expect(storedIn(await operator.write({ gateway: 'd', inStore: first, polledEpochs: [4] }))).toEqual([4, 'd']);
  expect(summary(await desk.read())).toEqual([4, 'd']);
  expect(storedIn(await operator.write({ gateway: 'e', inStore: await desk.stored(), hashSeed: 3 }))).toEqual([5, 'e']);
  expect(summary(await desk.read())).toEqual([5, 'e']);
});

test('an operator that stops writes what it has pushed: the next leader goes on without a new document', async () => {
  const desk = await Desk.open();
  const [before, next] = [desk.operator(), desk.operator()];
  await before.write({ gateway: 'a' });
  expect(storedIn(await before.write({ gateway: 'b', inStore: await desk.stored() }))).toEqual([2, 'b']);
  await before.flush();
  expect(summary(await desk.read())).toEqual([2, 'b']);
  expect(storedIn(await next.write({ gateway: 'b', inStore: await desk.stored(), polledEpochs: [2] }))).toEqual([2, 'b']);
});

test('a new leader goes on behind what pods and the status know, and writes nothing where all is as it was', async () => {
  const desk = await Desk.open();
  const before = desk.operator();
  await before.write({ gateway: 'a' });
  const first = await desk.stored();
  expect(await desk.operator().write({ gateway: 'a', inStore: first, polledEpochs: [1], placementEpoch: 1 })).toMatchObject({
    kind: 'stored',
  });
  expect(await desk.stored()).toEqual(first);
  // What the one before has pushed is not in the ConfigMap.
  expect(storedIn(await before.write({ gateway: 'b', inStore: first }))).toEqual([2, 'b']);
  expect(storedIn(await desk.operator().write({ gateway: 'a', inStore: first, polledEpochs: [2] }))).toEqual([1 + epochsReserved, 'a']);
  const second = await desk.stored();
  const next = await desk.operator().write({ gateway: 'a', inStore: second, placementEpoch: 2 + epochsReserved });
  expect(storedIn(next)).toEqual([1 + 2 * epochsReserved, 'a']);
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
  expect(storedIn(await desk.operator().write({ gateway: 'b', inStore: await desk.stored() }))).toEqual([1 + epochsReserved, 'b']);
  expect(storedIn(await operator.write({ gateway: 'b', inStore: await desk.stored() }))).toEqual([1 + epochsReserved, 'b']);
});

test('a document that is edited by hand, deleted or restored heals, behind all epochs that are known', async () => {
  const desk = await Desk.open();
  const operator = desk.operator();
  await operator.write({ gateway: 'a' });
  const metadata = { namespace: desk.rig.namespace, name: childNames.document(desk.pool) };
  const first = await desk.stored();
  const spoil = async (data: object): Promise<void> => {
    await desk.rig.api.overwrite(resources.configMap, { metadata, data } as KubeObject);
  };
  await spoil({ 'pool.json': '{}' });
  const afterEdit = 1 + 2 * epochsReserved;
  expect(storedIn(await operator.write({ gateway: 'a', inStore: await desk.stored() }))).toEqual([afterEdit, 'a']);
  expect(summary(await desk.read())).toEqual([afterEdit, 'a']);
  await desk.rig.api.delete(resources.configMap, metadata);
  const afterDeletion = afterEdit + 2 * epochsReserved;
  expect(storedIn(await operator.write({ gateway: 'a' }))).toEqual([afterDeletion, 'a']);
  expect(summary(await desk.read())).toEqual([afterDeletion, 'a']);
  // As a backup had it.
  await spoil((first as { readonly data?: object }).data ?? {});
  const restored = desk.operator().write({ gateway: 'b', inStore: await desk.stored(), polledEpochs: [afterDeletion] });
  expect(storedIn(await restored)).toEqual([afterDeletion + 2 * epochsReserved, 'b']);
  expect(summary(await desk.read())).toEqual([afterDeletion + 2 * epochsReserved, 'b']);
});

test('labels that somebody took away are put back, with the document as it is', async () => {
  const desk = await Desk.open();
  const operator = desk.operator();
  await operator.write({ gateway: 'a' });
  const metadata = { namespace: desk.rig.namespace, name: childNames.document(desk.pool), labels: { 'barrage.dev/pool': 'foreign' } };
  await desk.rig.api.overwrite(resources.configMap, { metadata } as unknown as KubeObject);
  // The store knows it by its labels.
  expect(storedIn(await operator.write({ gateway: 'a' }))).toEqual([1, 'a']);
  expect((await desk.stored())?.metadata.labels).toMatchObject({ 'barrage.dev/pool': 'web' });
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

test('an operator that has just started tells pods the change from what the ConfigMaps held', async () => {
  const desk = await Desk.open();
  const policiesWith = (windowMilliseconds: number): PoolPolicies =>
    poolPolicies(
      Array.from({ length: 200 }, (_, index) =>
        withDefaults('BarrageChannel', {
          metadata: { name: `c${index}`, namespace: 'live', uid: `c${index}`, creationTimestamp: '2026-01-01T00:00:00Z' },
          spec: { poolRef: { name: 'web' }, channel: `video:${index}`, ...(index === 7 ? { merge: { windowMilliseconds } } : {}) },
        } as unknown as BarrageChannel),
      ),
    );
  let bytes = 0;
  const pushes = new Pushes(async (_, body) => {
    bytes += body.reduce((sum, { length }) => sum + length, 0);
    return { kind: 'taken' };
  });
  /** What an operator that begins now writes and pushes. */
  const begin = async (policies: PoolPolicies, to: Pick<Recipient, 'poolEpoch' | 'policiesHash'>): Promise<number> => {
    const { namespace } = desk.rig;
    const found = await desk.rig.api.list<KubeObject>(resources.configMap, { namespace });
    const documents = new DocumentKeeper({ children: new Children(desk.rig.api), pushes, clock: desk.clock });
    const written = await documents.write({
      pool: desk.pool,
      secrets: desk.keys as PoolSecrets,
      members: Array.from({ length: 50 }, (_, index) => member(`web-${index}`)),
      policies,
      buses: undefined,
      polledEpochs: [],
      observed: (name) => found.find(({ metadata }) => metadata.name === name),
      signal: AbortSignal.timeout(60_000),
    });
    if (written.kind !== 'stored') throw new Error(written.fault);
    const recipient = { name: 'web-0', uid: 'uid-web-0', address: '127.0.0.1', silentMs: 0, trusts: '', ...to };
    await documents.push(written.stored, { policies, secrets: { earlierKeys: [] } }, [recipient]);
    return written.stored.document.epoch;
  };
  const before = policiesWith(50);
  const poolEpoch = await begin(before, { poolEpoch: 0, policiesHash: '' });
  expect(bytes).toBeGreaterThan(20_000);
  bytes = 0;
  await begin(policiesWith(70), { poolEpoch, policiesHash: before.hash });
  expect(bytes).toBeLessThan(1_000);
});

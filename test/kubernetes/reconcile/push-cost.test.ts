import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { inOrder } from '../../../core/pool/document-change.ts';
import { signDocument, type PoolDocument } from '../../../core/pool/pool-document.ts';
import { readChunks } from '../../../core/process/bounded-read.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import { createLogger } from '../../../core/process/logging.ts';
import { Pool } from '../../../core/process/pool.ts';
import type { BarrageChannel } from '../../../operator/api/barrage-channel.ts';
import { withDefaults } from '../../../operator/api/stored-objects.ts';
import { poolPolicies } from '../../../operator/decide/policies.ts';
import type { Recipient } from '../../../operator/decide/push-plan.ts';
import { trustOf, type SigningKeys } from '../../../operator/decide/signing-keys.ts';
import { AdminClient } from '../../../operator/reconcile/admin-client.ts';
import type { Children } from '../../../operator/reconcile/children.ts';
import { DocumentKeeper } from '../../../operator/reconcile/document-keeper.ts';
import type { StoredDocument } from '../../../operator/reconcile/stored-document.ts';
import { pushLimits, Pushes } from '../../../operator/reconcile/pushes.ts';
import { keyPair } from '../../operator/desired/ingredients.ts';

const [gateways, channels] = [150, 4_000];
const defaultWindowMs = 100;

/** Pods behind one port, which take every document and count what they get. */
async function startPods(answer: (bytes: number) => number = () => 200) {
  const got = { bytes: 0, requests: 0, underWay: 0, mostUnderWay: 0 };
  const server = createServer((request, response) => {
    let bytes = 0;
    got.underWay += 1;
    got.mostUnderWay = Math.max(got.mostUnderWay, got.underWay);
    request.on('data', (chunk: Buffer) => (bytes += chunk.length));
    request.on('end', () => {
      got.bytes += bytes;
      got.requests += 1;
      got.underWay -= 1;
      response.writeHead(answer(bytes), { 'content-type': 'application/json' }).end('{}');
    });
  });
  server.listen(0, '127.0.0.1', 4_096);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { got, port: (server.address() as AddressInfo).port };
}

const policies = poolPolicies(
  Array.from({ length: channels }, (_, index) =>
    withDefaults('BarrageChannel', {
      metadata: { name: `c${index}`, namespace: 'live', uid: `c${index}`, creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { poolRef: { name: 'web' }, channel: `video:${index}` },
    } as unknown as BarrageChannel),
  ),
);
const document: PoolDocument = {
  version: 1,
  pool: 'live/web',
  epoch: 5,
  hashSeed: 0,
  overrides: [],
  policies: { hash: policies.hash, parts: policies.parts.length },
  gateways: inOrder(
    Array.from({ length: gateways }, (_, index) => ({
      name: `web-aaaaa-${index}`,
      uid: `0f6d6f0e-0000-4000-8000-${String(index).padStart(12, '0')}`,
      url: `ws://10.0.${index >> 8}.${index & 255}:6790/`,
      weight: 1,
      state: 'serving',
    })),
  ),
};
const stored: StoredDocument = { document, envelope: signDocument(document, keyPair.privateKey) };

function newPair(): SigningKeys {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

function recipient(index: number): Recipient {
  const [found] = recipients('').slice(index);
  if (found === undefined) throw new Error(`there is no gateway ${index}`);
  return found;
}

function recipients(policiesHash: string): readonly Recipient[] {
  return document.gateways.map(({ name, uid }) => ({
    name,
    uid,
    address: '127.0.0.1',
    poolEpoch: 4,
    policiesHash,
    silentMs: 0,
    trusts: '',
  }));
}

function keeperFor(port: number): DocumentKeeper {
  const admin = new AdminClient(port);
  // A busy machine may stand still for seconds.
  const pushes = new Pushes((address, body) => admin.putPool(address, body, 60_000));
  return new DocumentKeeper({ children: {} as Children, pushes, clock: systemClock });
}

test('a join costs each gateway the document, and the policies that it has are not sent again', async () => {
  const { got, port } = await startPods();
  const results = await keeperFor(port).push(stored, { policies, secrets: { earlierKeys: [] } }, recipients(policies.hash));
  expect(results.map(({ told }) => told.kind)).toEqual(document.gateways.map(() => 'taken'));
  expect(got.requests).toBe(gateways);
  expect(got.bytes).toBeLessThanOrEqual(2 * gateways * Buffer.byteLength(JSON.stringify(document)));
});

test('new policies reach every gateway, and no more pushes than the bound are under way', async () => {
  const { got, port } = await startPods();
  const results = await keeperFor(port).push(stored, { policies, secrets: { earlierKeys: [] } }, recipients('another'));
  expect(results.filter(({ told }) => told.kind !== 'taken')).toEqual([]);
  const policyBytes = policies.parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  expect(got.bytes).toBeGreaterThan(gateways * policyBytes);
  expect(got.bytes).toBeLessThanOrEqual(2 * gateways * policyBytes);
  expect(got.mostUnderWay).toBeLessThanOrEqual(pushLimits.atOnceMax);
});

test('a pod that has restarted since its last answer refuses a document without policies, and gets both', async () => {
  const { got, port } = await startPods((bytes) => (bytes < 1_000_000 ? 400 : 200));
  const results = await keeperFor(port).push(stored, { policies, secrets: { earlierKeys: [] } }, recipients(policies.hash).slice(0, 3));
  expect(results.map(({ told }) => told.kind)).toEqual(['taken', 'taken', 'taken']);
  expect(got.requests).toBe(6);
});

test('a gateway that trusts an earlier key gets every document in that key, and learns who is gone', async () => {
  const [earlier, present] = [newPair(), newPair()];
  const logger = createLogger({ part: 'test', level: 'silent' });
  // The address says who is asked.
  const pools = new Map([
    ['127.0.0.1', new Pool({ publicKeyPem: earlier.publicKey, logger })],
    ['127.0.0.2', new Pool({ publicKeyPem: present.publicKey, logger })],
  ]);
  const server = createServer((request, response) => {
    void (async () => {
      const body = await readChunks(request as AsyncIterable<Uint8Array>, 16_777_216);
      const text = body.kind === 'whole' ? body.bytes.toString() : '';
      const result = await pools.get(request.socket.localAddress ?? '')?.offer(text);
      response.writeHead(result?.kind === 'accepted' ? 200 : 403).end(result?.message);
    })();
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const keeper = keeperFor((server.address() as AddressInfo).port);
  const only = { ...document, gateways: document.gateways.slice(0, 2) };
  const now: StoredDocument = { document: only, envelope: signDocument(only, present.privateKey) };
  const to = [
    { ...recipient(0), address: '127.0.0.1', trusts: trustOf(earlier.publicKey) },
    { ...recipient(1), address: '127.0.0.2', trusts: trustOf(present.publicKey) },
  ];
  const results = await keeper.push(now, { policies, secrets: { earlierKeys: [earlier] } }, to);
  expect(results.map(({ told }) => told.kind)).toEqual(['taken', 'taken']);
  for (const pool of pools.values()) expect(pool.document?.gateways.map(({ name }) => name)).toEqual(['web-aaaaa-0', 'web-aaaaa-1']);
});

test('a join costs each gateway that has the document before twice what changed at most', async () => {
  const { got, port } = await startPods();
  const keeper = keeperFor(port);
  const told = { policies, secrets: { earlierKeys: [] } };
  await keeper.push(stored, told, recipients(policies.hash));
  const joined = { ...document.gateways[0], name: 'web-aaaaa-new', uid: 'new' } as PoolDocument['gateways'][number];
  const next = { ...document, epoch: 6, gateways: [...document.gateways, joined] };
  const before = { bytes: got.bytes, requests: got.requests };
  const members = recipients(policies.hash).map((each) => ({ ...each, poolEpoch: 5 }));
  const results = await keeper.push({ document: next, envelope: signDocument(next, keyPair.privateKey) }, told, members);
  expect(results.every(({ told: { kind } }) => kind === 'taken')).toBe(true);
  expect(got.requests - before.requests).toBe(gateways);
  // The entry, the epoch and the signature that a pod must have.
  const what = JSON.stringify({ epoch: 6, gateway: joined, signature: 'x'.repeat(88) });
  expect(got.bytes - before.bytes).toBeLessThanOrEqual(2 * gateways * what.length);
});

test('a pod that does not understand a change, as of an older version, gets the whole document', async () => {
  const whole = Buffer.byteLength(JSON.stringify(document));
  const { got, port } = await startPods((bytes) => (bytes < whole ? 400 : 200));
  const keeper = keeperFor(port);
  const told = { policies, secrets: { earlierKeys: [] } };
  await keeper.push(stored, told, recipients(policies.hash).slice(0, 1));
  const next = { ...document, epoch: 6, gateways: document.gateways.slice(0, -1) };
  const envelope = signDocument(next, keyPair.privateKey);
  const members = [{ ...recipient(0), policiesHash: policies.hash, poolEpoch: 5 }];
  const results = await keeper.push({ document: next, envelope }, told, members);
  expect(results.map(({ told: { kind } }) => kind)).toEqual(['taken']);
  // The document before, the change, and the document, without the policies that it has.
  expect(got.requests).toBe(3);
  expect(got.bytes).toBeLessThan(3 * whole);
});

/** The policies with another merge window for one channel, or without it, or with one more. */
function editedPolicies(change: 'edit' | 'remove' | 'add'): typeof policies {
  const indexes = Array.from({ length: channels + (change === 'add' ? 1 : 0) }, (_, index) => index);
  return poolPolicies(
    indexes.flatMap((index) => {
      if (change === 'remove' && index === 7) return [];
      const merge = change === 'edit' && index === 7 ? { merge: { windowMilliseconds: 123 } } : {};
      return withDefaults('BarrageChannel', {
        metadata: { name: `c${index}`, namespace: 'live', uid: `c${index}`, creationTimestamp: '2026-01-01T00:00:00Z' },
        spec: { poolRef: { name: 'web' }, channel: index === channels ? 'video:00' : `video:${index}`, ...merge },
      } as unknown as BarrageChannel);
    }),
  );
}

test.each(['edit', 'remove', 'add'] as const)(
  'to %s one channel of thousands costs each gateway a thousand bytes, and a real process takes it',
  async (change) => {
    const process = new Pool({ publicKeyPem: keyPair.publicKey, logger: createLogger({ part: 'test', level: 'silent' }) });
    const only = { ...document, gateways: document.gateways.slice(0, 1) };
    const first = { document: only, envelope: signDocument(only, keyPair.privateKey) };
    let bytes = 0;
    const pushes = new Pushes(async (_, body) => {
      const text = Buffer.concat([...body]).toString();
      bytes += text.length;
      const { kind, message } = await process.offer(text);
      return kind === 'accepted' ? { kind: 'taken' } : { kind: 'refused', status: 400, message };
    });
    const keeper = new DocumentKeeper({ children: {} as Children, pushes, clock: systemClock });
    const to = { ...recipient(0), poolEpoch: 0, policiesHash: '' };
    const secrets = { earlierKeys: [] };
    await keeper.push(first, { policies, secrets }, [to]);
    expect([process.epoch, process.policiesHash]).toEqual([5, policies.hash]);
    const edited = editedPolicies(change);
    const next = { ...only, epoch: 6, policies: { hash: edited.hash, parts: edited.parts.length } };
    bytes = 0;
    await keeper.push({ document: next, envelope: signDocument(next, keyPair.privateKey) }, { policies: edited, secrets }, [
      { ...to, poolEpoch: 5, policiesHash: policies.hash },
    ]);
    expect([process.epoch, process.policiesHash]).toEqual([6, edited.hash]);
    expect(bytes).toBeLessThan(1_000);
    const window = process.policies.of('video:7').merge.windowMilliseconds;
    expect(window).toBe(change === 'edit' ? 123 : defaultWindowMs);
  },
);

test('a pod with other policies than it told refuses their change, and gets all of them', async () => {
  const { got, port } = await startPods((bytes) => (bytes < 1_000_000 ? 400 : 200));
  const keeper = keeperFor(port);
  const secrets = { earlierKeys: [] };
  await keeper.push(stored, { policies, secrets }, recipients('').slice(0, 1));
  const edited = editedPolicies('edit');
  const next = { ...document, epoch: 6, policies: { hash: edited.hash, parts: edited.parts.length } };
  const before = got.requests;
  const told = await keeper.push({ document: next, envelope: signDocument(next, keyPair.privateKey) }, { policies: edited, secrets }, [
    { ...recipient(0), poolEpoch: 5, policiesHash: policies.hash },
  ]);
  expect(told.map(({ told: { kind } }) => kind)).toEqual(['taken']);
  expect(got.requests - before).toBe(2);
});

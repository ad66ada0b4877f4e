import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { signDocument, type PoolDocument } from '../../../core/pool/pool-document.ts';
import type { BarrageChannel } from '../../../operator/api/barrage-channel.ts';
import { withDefaults } from '../../../operator/api/stored-objects.ts';
import { poolPolicies } from '../../../operator/decide/policies.ts';
import type { Recipient } from '../../../operator/decide/push-plan.ts';
import { AdminClient } from '../../../operator/reconcile/admin-client.ts';
import type { Children } from '../../../operator/reconcile/children.ts';
import { DocumentKeeper, type StoredDocument } from '../../../operator/reconcile/document-keeper.ts';
import { pushLimits, Pushes } from '../../../operator/reconcile/pushes.ts';
import { keyPair } from '../../operator/desired/ingredients.ts';

const [gateways, channels] = [150, 4_000];

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
  gateways: Array.from({ length: gateways }, (_, index) => ({
    name: `web-aaaaa-${index}`,
    uid: `0f6d6f0e-0000-4000-8000-${String(index).padStart(12, '0')}`,
    url: `ws://10.0.${index >> 8}.${index & 255}:6790/`,
    weight: 1,
    state: 'serving',
  })),
};
const stored: StoredDocument = { document, envelope: signDocument(document, keyPair.privateKey) };

function recipients(policiesHash: string): readonly Recipient[] {
  return document.gateways.map(({ name, uid }) => ({ name, uid, address: '127.0.0.1', poolEpoch: 4, policiesHash, silentMs: 0 }));
}

function keeperFor(port: number): DocumentKeeper {
  const admin = new AdminClient(port);
  const pushes = new Pushes((address, body, msMax) => admin.putPool(address, body, msMax));
  return new DocumentKeeper({ children: {} as Children, pushes });
}

test('a join costs each gateway the document, and the policies that it has are not sent again', async () => {
  const { got, port } = await startPods();
  const results = await keeperFor(port).push(stored, policies, recipients(policies.hash));
  expect(results.map(({ told }) => told.kind)).toEqual(document.gateways.map(() => 'taken'));
  expect(got.requests).toBe(gateways);
  expect(got.bytes).toBeLessThanOrEqual(2 * gateways * Buffer.byteLength(JSON.stringify(document)));
});

test('new policies reach every gateway, and no more pushes than the bound are under way', async () => {
  const { got, port } = await startPods();
  const results = await keeperFor(port).push(stored, policies, recipients('another'));
  expect(results.filter(({ told }) => told.kind !== 'taken')).toEqual([]);
  const policyBytes = policies.parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  expect(got.bytes).toBeGreaterThan(gateways * policyBytes);
  expect(got.bytes).toBeLessThanOrEqual(2 * gateways * policyBytes);
  expect(got.mostUnderWay).toBeLessThanOrEqual(pushLimits.atOnceMax);
});

test('a pod that has restarted since its last answer refuses a document without policies, and gets both', async () => {
  const { got, port } = await startPods((bytes) => (bytes < 1_000_000 ? 400 : 200));
  const results = await keeperFor(port).push(stored, policies, recipients(policies.hash).slice(0, 3));
  expect(results.map(({ to, told }) => [to.name, told.kind])).toEqual([0, 1, 2].map((index) => [`web-aaaaa-${index}`, 'taken']));
  expect(got.requests).toBe(6);
});

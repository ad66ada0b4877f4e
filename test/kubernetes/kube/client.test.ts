import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { KubeConnection } from '../../../operator/kube/connection.ts';
import { ApiError } from '../../../operator/runtime/api-error.ts';
import { collectionPath, objectPath, resources } from '../../../operator/kube/resources.ts';
import type { SeenRequest } from '../../support/fault-proxy.ts';
import { configMap, eventually, openRig } from './rig.ts';

// The platform gives a connection back in the turn after the answer: a call in the same turn finds it taken.
test('two hundred calls one after another use one connection and its spare', async () => {
  const rig = await openRig();
  for (let call = 0; call < 200; call += 1) await rig.api.list(resources.configMap, { namespace: rig.namespace });
  expect(rig.proxy.connections).toBeLessThanOrEqual(2);
  expect(await rig.registry.getSingleMetricAsString('rest_client_requests_total')).toContain('{code="200",method="GET"} 200');
});

test('an API server that offers HTTP/2 is spoken to in HTTP/1.1', async () => {
  const protocols: unknown[] = [];
  const note = (message: unknown): void => void protocols.push((message as { readonly socket: TLSSocket }).socket.alpnProtocol);
  subscribe('undici:client:connected', note);
  onTestFinished(() => void unsubscribe('undici:client:connected', note));
  const rig = await openRig();
  await rig.direct.list(resources.configMap, { namespace: rig.namespace });
  expect(protocols).toEqual(['http/1.1']);
});

test('a kubeconfig that can not be read is told at once', () => {
  expect(() => new KubeConnection({ kubeconfig: '/nowhere/kubeconfig' })).toThrow('/nowhere/kubeconfig');
});

test('a connection of its own shares nothing with the others', async () => {
  const rig = await openRig();
  const own = rig.connection.separate();
  onTestFinished(() => own.close());
  await rig.api.list(resources.configMap, { namespace: rig.namespace });
  const before = rig.proxy.connections;
  rig.connection.close();
  const response = await own.send({ method: 'GET', path: '/version', signal: AbortSignal.timeout(10_000) });
  expect([response.httpStatusCode, rig.proxy.connections - before]).toEqual([200, 1]);
  await response.body.text();
});

test('a connection that was closed by the server is made anew', async () => {
  const rig = await openRig();
  await rig.api.list(resources.configMap, { namespace: rig.namespace });
  rig.proxy.outage();
  rig.proxy.restore();
  await rig.api.list(resources.configMap, { namespace: rig.namespace });
  expect(rig.proxy.connections).toBeGreaterThan(1);
});

test('a read is repeated through passing failures, a write is not', async () => {
  const rig = await openRig();
  const path = objectPath(resources.configMap, { namespace: rig.namespace, name: 'one' });
  for (const fault of [{ kind: 'status', code: 500 }, { kind: 'cut' }] as const) {
    let left = 2;
    rig.proxy.fault = () => (left-- > 0 ? fault : undefined);
    expect(await rig.api.get(resources.configMap, { namespace: rig.namespace, name: 'one' })).toBeUndefined();
    left = 1;
    const refused = rig.api.apply(resources.configMap, configMap(rig.namespace, 'one'));
    await expect(refused).rejects.toMatchObject({ name: 'ApiError', isPassing: true });
  }
  const seen = (verb: string): number => rig.proxy.seen((each) => each.verb === verb && each.path.startsWith(path)).length;
  expect([seen('get'), seen('patch')]).toEqual([6, 2]);
});

test('a refused request waits as long as the server asks, also a write', async () => {
  const rig = await openRig();
  let left = 1;
  rig.proxy.fault = () => (left-- > 0 ? { kind: 'status', code: 429, retryAfterSeconds: 1 } : undefined);
  const startedAt = performance.now();
  await rig.api.apply(resources.configMap, configMap(rig.namespace, 'one'));
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(1000);
  expect(rig.proxy.seen()).toHaveLength(2);
});

test('a server that asks for more patience than we have gets none, and the caller is told how long', async () => {
  const rig = await openRig();
  rig.proxy.fault = () => ({ kind: 'status', code: 429, retryAfterSeconds: 100 });
  const refused = rig.api.apply(resources.configMap, configMap(rig.namespace, 'one'));
  await expect(refused).rejects.toMatchObject({ status: 429, retryAfterMs: 100_000 });
  expect(rig.proxy.seen()).toHaveLength(1);
});

test('requests keep their rate', async () => {
  const rig = await openRig({ rate: { ratePerSecond: 20, burst: 5 } });
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: 15 }, () => rig.api.list(resources.configMap, { namespace: rig.namespace })));
  // Five at once, ten more at twenty a second.
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(490);
});

test('who may not write is stopped before the request, and may still read', async () => {
  const rig = await openRig({ mayWrite: () => false });
  await expect(rig.api.apply(resources.configMap, configMap(rig.namespace, 'one'))).rejects.toMatchObject({ reason: 'NotLeading' });
  expect(rig.proxy.seen()).toHaveLength(0);
  // Kubernetes itself puts one into each namespace.
  await expect.poll(async () => await rig.api.list(resources.configMap, { namespace: rig.namespace })).not.toHaveLength(0);
});

test('a request ends when its time is over, and when its signal says so', async () => {
  const rig = await openRig({ timeoutMs: 50 });
  rig.proxy.fault = () => ({ kind: 'latency', ms: 400 });
  await expect(rig.api.apply(resources.configMap, configMap(rig.namespace, 'one'))).rejects.toThrow('no answer in time');
  const leaving = new AbortController();
  const read = rig.api.get(resources.configMap, { namespace: rig.namespace, name: 'one' }, leaving.signal);
  await eventually(() => rig.proxy.seen(({ verb }) => verb === 'get').length > 0);
  leaving.abort();
  await expect(read).rejects.toBeInstanceOf(ApiError);
});

test('what is wrong with a Secret is not said with its contents', async () => {
  const rig = await openRig();
  const path = `${collectionPath(resources.secret, rig.namespace)}?fieldManager=test`;
  const body = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'one' }, data: { password: 'hunter2!' } };
  const refused = await rig.client.request({ verb: 'create', path, body }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ApiError);
  expect(String((refused as ApiError).message)).not.toContain('hunter2');
});

test('an answer that is lost is a failure that the caller looks into', async () => {
  const rig = await openRig();
  const isWrite = ({ verb }: SeenRequest): boolean => verb === 'patch';
  rig.proxy.fault = (request) => (isWrite(request) ? { kind: 'lost-answer' } : undefined);
  await expect(rig.api.apply(resources.configMap, configMap(rig.namespace, 'one'))).rejects.toMatchObject({ status: 0 });
  expect(await rig.api.get(resources.configMap, { namespace: rig.namespace, name: 'one' })).toBeDefined();
});

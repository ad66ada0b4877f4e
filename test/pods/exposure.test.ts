import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Surroundings } from '../kubernetes/conditions/observation.ts';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { Viewer } from './numbered-stream.ts';
import { OperatedPool, poolMain } from './operated-pool.ts';
import type { PodWatch } from './pod-watch.ts';

let pool: OperatedPool;
let at: Surroundings;

beforeAll(async () => {
  pool = await OperatedPool.open('exposure');
  at = new Surroundings(pool.cluster, pool.namespace);
  await pool.startOperator();
  await pool.apply(poolMain('  replicas: 2\n  publisher: {minReplicas: 1}\n'));
  await pool.untilCondition('gwp/main', 'Ready');
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
});

/** What a gateway answers to who asks by a URL, or by the Service's address, where to connect for a channel. */
async function urlsOf(channel: string, url?: string): Promise<readonly string[]> {
  const origin = (url ?? (await pool.clientsUrl())).replace('ws:', 'http:');
  const response = await fetch(`${origin}v1/connect?channel=${encodeURIComponent(channel)}`, { signal: AbortSignal.timeout(5_000) });
  return ((await response.json()) as { readonly urls: readonly string[] }).urls;
}

/** A client at this very URL gets what is published through the publishers' Service. */
async function expectDelivered(url: string, channel: string): Promise<void> {
  const viewer = new Viewer(url, channel);
  onTestFinished(() => viewer.client.close());
  await expect.poll(() => viewer.isSubscribed, { timeout: 20_000 }).toBe(true);
  expect((await pool.publish(channel, '7')).E).toBeNull();
  await expect.poll(() => viewer.numbers, { timeout: 15_000 }).toEqual([7]);
}

const addressOf = (watch: PodWatch, name: string): string | undefined =>
  [...watch.pods.values()].find(({ metadata }) => metadata.name === name)?.status?.podIP;

/**
 * A load balancer that leads `/POD/…` to that pod, as one behind a URL template or a route does. Returns its port, and
 * the paths that were asked for.
 */
async function startEdge(
  addressFor: (pod: string) => string | undefined,
): Promise<{ readonly port: number; readonly paths: readonly string[] }> {
  const paths: string[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => {});
  };
  const server = createServer((client) => {
    keep(client);
    client.once('data', (head: Buffer) => {
      const path = head.toString('latin1').split(' ', 2)[1] ?? '';
      paths.push(path);
      const host = addressFor(path.split('/', 2)[1] ?? '');
      if (host === undefined) return void client.destroy();
      const gateway = connect({ host, port: 6790 });
      keep(gateway);
      gateway.write(head);
      client.pipe(gateway).pipe(client);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, paths };
}

test('clients are told the addresses of the gateways, or URLs by a template, without any gateway being replaced; each leads to its gateway', async () => {
  const watch = await pool.watch();
  await expect.poll(() => watch.ready.length, { timeout: 20_000 }).toBe(2);
  const before = watch.ready;
  const byAddress = (): readonly string[] => before.map((name) => `ws://${addressOf(watch, name)}:6790/`).toSorted();
  const [byPod = ''] = byAddress();
  await expect.poll(async () => (await urlsOf('video:1', byPod)).toSorted(), { timeout: 20_000 }).toEqual(byAddress());
  await expectDelivered((await urlsOf('video:1', byPod))[0] ?? '', 'video:1');
  // An address that is not the pod's own may be a balancer's: its clients may reach no pod.
  expect(await urlsOf('video:1')).toEqual([await pool.clientsUrl()]);

  const edge = await startEdge((name) => addressOf(watch, name));
  await pool.patch({ exposure: { type: 'URLTemplate', urlTemplate: `ws://127.0.0.1:${edge.port}/{pod}/` } });
  const byTemplate = before.map((name) => `ws://127.0.0.1:${edge.port}/${name}/`);
  await expect.poll(async () => (await urlsOf('video:2')).toSorted(), { timeout: 20_000 }).toEqual(byTemplate.toSorted());
  for (const name of before) {
    await expectDelivered(`ws://127.0.0.1:${edge.port}/${name}/`, `video:${name}`);
    expect(edge.paths.at(-1)).toBe(`/${name}/`);
  }
  expect(watch.ready).toEqual(before);
}, 120_000);

test('with host ports clients are told the address of the node; a namespace that forbids them is told of, and heals when it allows them', async () => {
  const watch = await pool.watch();
  // One node, so one gateway.
  await pool.patch({ replicas: 1, exposure: { type: 'HostPort', urlTemplate: null } });
  const { message } = await at.untilReason('gwp/main', 'Ready', 'PodSecurityRefused');
  expect(message).toContain('hostPort');
  await pool.cluster.kubectl(['label', 'namespace', pool.namespace, 'pod-security.kubernetes.io/enforce=privileged', '--overwrite']);
  const node = await pool.cluster.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}']);
  await at.untilReason('gwp/main', 'Progressing', 'Complete');
  await at.untilReason('gwp/main', 'Ready', 'Ready');
  await expect.poll(() => urlsOf('video:3', `ws://${node}:6790/`), { timeout: 20_000 }).toEqual([`ws://${node}:6790/`]);
  await expectDelivered(`ws://${node}:6790/`, 'video:3');

  // The new gateway has no room beside the old one.
  const [old] = watch.ready;
  const viewer = new Viewer(`ws://${node}:6790/`, 'video:4');
  onTestFinished(() => viewer.client.close());
  await expect.poll(() => viewer.isSubscribed, { timeout: 20_000 }).toBe(true);
  await pool.patch({ template: { metadata: { annotations: { 'example.com/edition': 'second' } } } });
  await expect.poll(() => watch.pods.size === 1 && watch.ready.length === 1 && watch.ready[0] !== old, { timeout: 60_000 }).toBe(true);
  await expect.poll(() => viewer.isSubscribed, { timeout: 20_000 }).toBe(true);
  expect((await pool.publish('video:4', '7')).E).toBeNull();
  await expect.poll(() => viewer.last, { timeout: 15_000 }).toBe(7);
}, 180_000);

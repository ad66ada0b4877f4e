import { once } from 'node:events';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { readAdminStatus, type AdminStatus } from '../../core/pool/admin-status.ts';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { NumberedStream, Viewer } from './numbered-stream.ts';
import { OperatedPool } from './operated-pool.ts';
import type { PodWatch } from './pod-watch.ts';

let pool: OperatedPool;
const drain = { propagationSeconds: 2, connectionsPerSecond: 20, deadlineSeconds: 60 };
const graceSeconds = drain.propagationSeconds + drain.deadlineSeconds + 30;

beforeAll(async () => {
  pool = await OperatedPool.open('deleted');
  await pool.startOperator();
  await pool.apply(`apiVersion: barrage.dev/v1alpha1
kind: GatewayPool
metadata: {name: main}
spec:
  replicas: 2
  bus: {type: Redis, redis: {mode: Standalone, addresses: ["redis:6379"]}}
  drain: ${JSON.stringify(drain)}
`);
  await pool.untilCondition('gwp/main', 'Ready');
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
});

/** A gateway's pod, and what its admin port has said of it while it could be asked. */
class Leaver {
  readonly name: string;
  readonly ip: string;
  readonly samples: { readonly at: number; readonly drain: AdminStatus['drain']; readonly connections: number }[] = [];

  constructor(name: string, ip: string) {
    this.name = name;
    this.ip = ip;
  }

  get url(): string {
    return `ws://${this.ip}:6790/`;
  }

  async sample(): Promise<void> {
    const answer = await fetch(`http://${this.ip}:6780/admin/v1/status`, { signal: AbortSignal.timeout(2_000) }).then(
      (response) => response.text(),
      () => '',
    );
    const status = readAdminStatus(answer);
    if (status !== undefined) this.samples.push({ at: performance.now(), drain: status.drain, connections: status.connections });
  }

  /** Connections a second that it gave up, by its own count, between the moments when it had given up so many. */
  rate(from: number, to: number): number {
    const during = this.samples.filter(({ drain: { movedConnections } }) => movedConnections >= from && movedConnections <= to);
    const [first, last] = [during[0], during.at(-1)];
    if (first === undefined || last === undefined) throw new Error(`no samples between ${from} and ${to}`);
    return ((last.drain.movedConnections - first.drain.movedConnections) * 1000) / (last.at - first.at);
  }
}

/** The gateway of that name. It is asked now and then until it is gone. */
async function leaver(name: string): Promise<Leaver> {
  const found = new Leaver(name, await pool.field(`pod/${name}`, '.status.podIP'));
  const timer = setInterval(() => void found.sample(), 100);
  onTestFinished(() => clearInterval(timer));
  return found;
}

/** Clients of the plain protocol, subscribed; each with the code that it is closed with. */
async function plainClients(count: number, url: string): Promise<readonly Promise<number>[]> {
  const sockets = Array.from({ length: count }, () => new WebSocket(url));
  onTestFinished(() => sockets.forEach((socket) => socket.terminate()));
  return Promise.all(
    sockets.map(async (socket) => {
      await once(socket, 'open');
      socket.send(JSON.stringify({ op: 'subscribe', channel: 'quiet@video' }));
      const [answer] = (await once(socket, 'message')) as [Buffer];
      expect(answer.toString()).toBe('{"result":true}');
      // In an object, since a promise alone would be waited for here.
      return { code: once(socket, 'close').then(([code]) => Number(code)) };
    }),
  ).then((clients) => clients.map(({ code }) => code));
}

async function twoGateways(watch: PodWatch): Promise<readonly [string, string]> {
  await expect.poll(() => watch.ready.length, { timeout: 60_000 }).toBe(2);
  const [one = '', other = ''] = watch.ready;
  return [one, other];
}

/** Resolves when the pod's container has ended with status 0. @throws Error where the pod goes without that */
async function endedWell(name: string): Promise<void> {
  const exitCode = '{.status.containerStatuses[?(@.name=="barrage")].state.terminated.exitCode}';
  await pool.kubectl(['wait', `--for=jsonpath=${exitCode}=0`, `pod/${name}`, `--timeout=${graceSeconds + 30}s`]);
}

test("a gateway that somebody deletes gives up its connections at the pool's rate, to the other one, and another takes its place meanwhile", async () => {
  const watch = await pool.watch();
  const [leaving, staying] = await twoGateways(watch);
  const gateway = await leaver(leaving);
  const plain = await plainClients(150, gateway.url);
  // About one in two comes to the one that will be deleted.
  const url = await pool.clientsUrl();
  const viewers = Array.from({ length: 160 }, () => new Viewer(url, 'video:1'));
  onTestFinished(() => viewers.forEach(({ client }) => client.close()));
  await expect.poll(() => viewers.every(({ isSubscribed }) => isSubscribed), { timeout: 30_000 }).toBe(true);
  const sampledAt = performance.now();
  await expect.poll(() => (gateway.samples.at(-1)?.at ?? 0) > sampledAt, { timeout: 10_000 }).toBe(true);
  const connections = gateway.samples.at(-1)?.connections ?? 0;
  expect(connections).toBeGreaterThan(180);
  const stream = new NumberedStream(pool, 'video:1');
  onTestFinished(() => stream.stop());
  await expect.poll(() => viewers.every(({ last }) => last > 0), { timeout: 30_000 }).toBe(true);
  const ended = endedWell(leaving);
  const deletedAt = performance.now();
  const after = (): number => Math.round(performance.now() - deletedAt);
  let replacedMs = Infinity;
  await pool.kubectl(['delete', 'pod', leaving, '--wait=false']);
  const replaced = expect
    .poll(() => watch.ready.length === 2 && !watch.ready.includes(leaving), { timeout: 60_000, interval: 50 })
    .toBe(true)
    .then(() => (replacedMs = after()));
  await ended;
  const endedMs = after();
  expect(Math.max(...watch.moments.map(({ pods }) => pods))).toBeGreaterThanOrEqual(3);
  await replaced;
  const codes = await Promise.all(plain);
  await stream.stop();
  const rate = gateway.rate(20, connections - 20);
  process.stdout.write(
    `deleted with ${connections} connections: left at ${rate.toFixed(1)} a second, set to ${drain.connectionsPerSecond}; replaced after ${replacedMs} ms, ` +
      `ended after ${endedMs} of ${graceSeconds * 1000} ms; ${stream.next} publications; ` +
      `${viewers.filter(({ disconnects }) => disconnects > 0).length} of ${viewers.length} clients of ours were disconnected\n`,
  );
  expect(await pool.field('gwp/main', '.spec.drain.connectionsPerSecond')).toBe(String(drain.connectionsPerSecond));
  // Never faster than it was told to be; a machine that has other work to do may make it slower.
  expect(rate).toBeGreaterThan(drain.connectionsPerSecond * 0.7);
  expect(rate).toBeLessThan(drain.connectionsPerSecond * 1.1);
  expect(endedMs).toBeLessThan(drain.deadlineSeconds * 1000);
  expect(new Set(codes)).toEqual(new Set([1012]));
  expect(stream.failures).toEqual([]);
  const behind = (): readonly object[] =>
    viewers.filter(({ last }) => last < stream.next - 1).map(({ client, account }) => ({ state: client.state, ...account }));
  await expect.poll(behind, { timeout: 20_000 }).toEqual([]);
  for (const { account } of viewers) expect(account).toMatchObject({ unnamed: 0, disordered: 0 });
  // Clients of ours keep a connection all the time; one that is too slow for that, on a machine that has other work to
  // do, may lose it.
  expect(viewers.filter(({ disconnects }) => disconnects > 0).length).toBeLessThan(viewers.length / 10);
  expect(watch.ready).toContain(staying);
  expect(watch.ready).not.toContain(leaving);
}, 240_000);

test('a gateway that is evicted leaves the same way, and the other one may not be evicted before there is another', async () => {
  const watch = await pool.watch();
  const [leaving, staying] = await twoGateways(watch);
  await pool.untilCondition('gwp/main', 'Available');
  await expect.poll(() => pool.field('pdb/main-gateways', '.status.disruptionsAllowed'), { timeout: 30_000 }).toBe('1');
  const gateway = await leaver(leaving);
  const plain = await plainClients(40, gateway.url);
  const evict = async (name: string): Promise<string> => {
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: pool.namespace } };
    const path = `/api/v1/namespaces/${pool.namespace}/pods/${name}/eviction`;
    return pool.kubectl(['create', '--raw', path, '-f', '-'], JSON.stringify(eviction));
  };
  const ended = endedWell(leaving);
  const evictedAt = performance.now();
  await evict(leaving);
  await expect(evict(staying)).rejects.toThrow(/disruption budget/);
  await ended;
  expect(new Set(await Promise.all(plain))).toEqual(new Set([1012]));
  // The propagation, and then all but the first of them one after the other.
  expect(performance.now() - evictedAt).toBeGreaterThan(1000 * (drain.propagationSeconds + 38 / drain.connectionsPerSecond));
  await twoGateways(watch);
  expect(watch.ready).toContain(staying);
}, 180_000);

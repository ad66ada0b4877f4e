import assert from 'node:assert/strict';
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Barrage } from '../../client/barrage.ts';
import { createRedisBus } from '../../core/redis/bus.ts';
import { askRedis } from '../support/redis-command.ts';
import { RedisServer } from '../support/redis-server.ts';
import { publication } from '../support/publications.ts';
import { table } from './tables.ts';

/**
 * Unit costs that no other row of the bench has, for docs/sizing.md: `node test/bench/units.ts [--connections 2000]`.
 * Needs root: kernel memory is what /proc/slabinfo counts of the objects that a socket has, for both ends of bare
 * connections. The clients of the gateway are SDK clients in a process of their own.
 */
const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '30' },
    url: { type: 'string', default: '' },
  },
});
const connections = Number(values.connections);
const seconds = Number(values.seconds);
/** Connections without a server's own memory. */
const bareConnections = 10_000;
/** The kernel's caches of which a socket has one object: itself, its inode, file and name, its place in an epoll. */
const socketCaches = ['TCP', 'sock_inode_cache', 'filp', 'dentry', 'eventpoll_epi'] as const;
/** So short that pings show, so long that clients on a busy machine answer in time. */
const pingIntervalMs = 5_000;
const subscribers = [0, 8, 32] as const;
const appends = 4_000;

if (values.url === '') await measure();
else await connectAll(values.url);

/** In a child: clients of one channel, which answer pings until the end of the process. */
async function connectAll(url: string): Promise<void> {
  for (let begun = 0; begun < connections; begun += 200) {
    const clients = Array.from({ length: Math.min(200, connections - begun) }, () => new Barrage(url));
    const some = clients.map((client) => client.subscribe('room:units'));
    for (const client of clients) client.on('error', () => client.close());
    while (some.some(({ state }) => state === 'subscribing')) await sleep(20);
  }
  process.send?.('connected');
}

async function measure(): Promise<void> {
  const redis = await RedisServer.start();
  const sockets = await kernelBytes();
  const idle = await idleConnections(redis);
  const perPublication = await redisCost(redis);
  await redis.dispose();
  const kibibytes = (bytes: number): string => (bytes / 1024).toFixed(2);
  process.stdout.write(
    `${table(
      ['unit', 'figure'],
      [
        ['kernel memory of an idle connection, KiB', kibibytes(sockets)],
        ['CPU of a ping and its answer, µs', idle.pingMicroseconds.toFixed(1)],
        ['CPU of Redis per publication without a gateway, µs', perPublication.alone.toFixed(1)],
        ['CPU of Redis per publication and gateway, µs', perPublication.perGateway.toFixed(1)],
        ['bytes of Redis per publication of 200 bytes and gateway', perPublication.bytes.toFixed(0)],
        ['memory of Redis per kept publication of 200 bytes, bytes', perPublication.keptBytes.toFixed(0)],
      ],
    )}\n`,
  );
}

/** Bytes of the kernel for one end of an idle connection. */
async function kernelBytes(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1', 1_024);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await sleep(1_000);
  const before = slabBytes();
  const sockets: Socket[] = [];
  while (sockets.length < bareConnections) {
    const some = Array.from({ length: 500 }, () => connect(port, '127.0.0.1'));
    await Promise.all(some.map((socket) => once(socket, 'connect')));
    sockets.push(...some);
  }
  await sleep(1_000);
  const after = slabBytes();
  for (const socket of sockets) socket.destroy();
  server.close();
  return (after - before) / bareConnections / 2;
}

/** Bytes of the objects in use in the caches of sockets. */
function slabBytes(): number {
  const lines = readFileSync('/proc/slabinfo', 'utf8').split('\n');
  return socketCaches.reduce((sum, cache) => {
    const [, inUse = 0, , size = 0] =
      lines
        .find((line) => line.startsWith(`${cache} `))
        ?.split(/\s+/)
        .map(Number) ?? [];
    return sum + inUse * size;
  }, 0);
}

async function idleConnections(redis: RedisServer): Promise<{ readonly pingMicroseconds: number }> {
  const gateway = await startGateway(redis.url);
  const clients = fork(import.meta.filename, ['--url', `ws://127.0.0.1:${gateway.port}/`, '--connections', String(connections)]);
  try {
    await once(clients, 'message');
    // The engine compiles what pings need.
    await sleep(20_000);
    const before = gateway.cpu();
    await sleep(seconds * 1_000);
    const full = gateway.cpu() - before;
    clients.kill('SIGKILL');
    await sleep(5_000);
    const emptied = gateway.cpu();
    await sleep((seconds / 2) * 1_000);
    const empty = 2 * (gateway.cpu() - emptied);
    return { pingMicroseconds: (full - empty) / 1_000 / ((connections * seconds * 1_000) / pingIntervalMs) };
  } finally {
    clients.kill('SIGKILL');
    await gateway.stop();
  }
}

/** `cpu` is in nanoseconds. */
async function startGateway(url: string): Promise<{ readonly port: number; cpu(): number; stop(): Promise<void> }> {
  const variables = {
    BARRAGE_REDIS_URL: url,
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PING_INTERVAL_MS: String(pingIntervalMs),
    BARRAGE_GATEWAY_ACCEPTS_PER_SECOND: '100000',
  };
  const child = spawn(process.execPath, ['--max-semi-space-size=4', 'gateway/main.ts'], {
    stdio: ['ignore', 'inherit', 'pipe'],
    env: { ...process.env, ...variables },
  });
  const port = await listeningPort(child);
  return {
    port,
    cpu: () => cpuOf(child.pid),
    stop: async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

async function listeningPort(child: ChildProcess): Promise<number> {
  assert(child.stderr !== null);
  for await (const line of createInterface({ input: child.stderr })) {
    const { event, port } = JSON.parse(line) as { readonly event?: string; readonly port?: number };
    if (event === 'gateway-listens' && port !== undefined) {
      child.stderr.resume();
      return port;
    }
  }
  throw new Error('the gateway did not listen');
}

interface RedisCost {
  /** CPU microseconds per publication without a subscriber. */
  readonly alone: number;
  /** CPU microseconds per publication for each gateway that subscribes. */
  readonly perGateway: number;
  /** Bytes sent per publication to each gateway. */
  readonly bytes: number;
  /** Bytes of memory for each publication of a history. */
  readonly keptBytes: number;
}

async function redisCost(redis: RedisServer): Promise<RedisCost> {
  const some = publication('x'.repeat(200));
  const costs: number[] = [];
  let bytes = NaN;
  for (const count of subscribers) {
    const buses = Array.from({ length: count + 1 }, () => createRedisBus({ url: redis.url, prefix: `units-${count}` }));
    const [publisher, ...gateways] = buses;
    assert(publisher !== undefined);
    await Promise.all(gateways.map(({ log }) => log.subscribe('room:units', { onBatch: () => {}, onResubscribed: () => {} })));
    const append = (): Promise<unknown> => publisher.log.append('room:units', [some]);
    for (let index = 0; index < appends / 4; index++) await append();
    const before = { cpu: cpuOf(redis.pid), sent: await figureOf(redis, 'stats', 'total_net_output_bytes') };
    for (let index = 0; index < appends; index++) await append();
    costs.push((cpuOf(redis.pid) - before.cpu) / 1_000 / appends);
    bytes = ((await figureOf(redis, 'stats', 'total_net_output_bytes')) - before.sent) / appends / count;
    await Promise.all(buses.map((bus) => bus.close()));
  }
  const [alone = NaN, , most = NaN] = costs;
  return { alone, perGateway: (most - alone) / subscribers[2], bytes, keptBytes: await keptBytes(redis) };
}

async function keptBytes(redis: RedisServer): Promise<number> {
  const [channels, size] = [50, 100];
  const bus = createRedisBus({ url: redis.url, prefix: 'units-kept' });
  await bus.log.append('room:first', [publication('x')], { size, ttlSeconds: 300 });
  const before = await figureOf(redis, 'memory', 'used_memory_dataset');
  const some = publication('x'.repeat(200));
  for (let channel = 0; channel < channels; channel++)
    for (let index = 0; index < size; index++) await bus.log.append(`room:${channel}`, [some], { size, ttlSeconds: 300 });
  const after = await figureOf(redis, 'memory', 'used_memory_dataset');
  await bus.close();
  return (after - before) / channels / size;
}

async function figureOf(redis: RedisServer, section: string, name: string): Promise<number> {
  const answer = String(await askRedis({ host: redis.host, port: redis.port }, ['INFO', section]));
  return Number(new RegExp(`(?:^|\\s)${name}:(\\d+)`).exec(answer)?.[1]);
}

function cpuOf(pid: number | undefined): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, task) => sum + Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]), 0);
}

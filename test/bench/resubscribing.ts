import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { WebSocket } from 'ws';
import type { Bus, LogSubscriber } from '../../core/bus/bus.ts';
import { Policies, policyFileSchema } from '../../core/policy/policy.ts';
import { createLogger } from '../../core/process/logging.ts';
import { Pool } from '../../core/process/pool.ts';
import { readSettings } from '../../core/process/settings.ts';
import { subprotocol } from '../../core/protocol/barrage-v1.ts';
import { createPoolBus } from '../../core/redis/pool-bus.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { publication } from '../support/publications.ts';
import { RedisCluster } from '../support/redis-cluster.ts';
import { RedisServer } from '../support/redis-server.ts';

/**
 * One gateway with many rooms loses its subscriptions: `node test/bench/resubscribing.ts [--rooms 50000] [--breaks 3]
 * [--cluster]`. Redis, which runs alone or as a Cluster of three masters, ends the connections that subscribe. At that
 * moment every fiftieth channel is published to. Says how long it takes until each room is subscribed to again, with
 * its position read, and until the last of these publications is at its member. Also says the CPU of both processes.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rooms: { type: 'string', default: '50000' },
    breaks: { type: 'string', default: '3' },
    cluster: { type: 'boolean', default: false },
    url: { type: 'string', default: '' },
    port: { type: 'string', default: '0' },
  },
});
const rooms = Number(values.rooms);
const breaks = Number(values.breaks);
const roomsOfConnection = 100;
const publishedEvery = 50;
const fillMsMax = 600_000;
const breakMsMax = 120_000;
const history = { size: 20, ttlSeconds: 3_600 };

/** What the gateway says when it is asked; counted since the last question. */
interface GatewayLook {
  readonly subscribedAgain: number;
  /** Unix milliseconds of the last one. */
  readonly lastAt: number;
  readonly longestTurnMs: number;
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly faults: number;
}

interface ClientsLook {
  readonly received: number;
  /** Channels whose gap was told: their publication could not be had in time. */
  readonly gaps: number;
  readonly lastAt: number;
}

function channelOf(index: number): string {
  return `room:${index}`;
}

function connectBus(): { readonly bus: Bus; readonly figures: ReturnType<typeof createPoolBus>['figures']; readonly parts: GatewayParts } {
  const read = readSettings({
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_REDIS_URL: values.url,
    BARRAGE_REDIS_MODE: values.cluster ? 'Cluster' : 'Standalone',
    BARRAGE_LOG_LEVEL: 'error',
    BARRAGE_IDLE_TIMEOUT_MS: '600000',
    BARRAGE_PING_INTERVAL_MS: '300000',
  });
  assert(read.kind === 'settings', JSON.stringify(read));
  const logger = createLogger({ part: 'bench', level: read.settings.logLevel });
  const pool = new Pool({ publicKeyPem: '', logger });
  const { bus, figures } = createPoolBus({ settings: read.settings, pool, logger });
  return { bus, figures, parts: { settings: read.settings, logger } };
}

type GatewayParts = Pick<Parameters<typeof Gateway.start>[0], 'settings' | 'logger'>;

async function runGateway(): Promise<void> {
  const { bus, figures, parts } = connectBus();
  let subscribedAgain = 0;
  let lastAt = 0;
  const counted = (subscriber: LogSubscriber): LogSubscriber => ({
    onBatch: (batch) => subscriber.onBatch(batch),
    onResubscribed: (position) => {
      subscribedAgain++;
      lastAt = Date.now();
      subscriber.onResubscribed(position);
    },
  });
  const { log } = bus;
  const watched: Bus = {
    ...bus,
    state: () => bus.state(),
    log: {
      append: (...given) => log.append(...given),
      history: (...given) => log.history(...given),
      unsubscribe: (channel) => log.unsubscribe(channel),
      doubtfulPosition: (channel) => log.doubtfulPosition?.(channel),
      subscribe: (channel, subscriber) => log.subscribe(channel, counted(subscriber)),
    },
  };
  const policies = new Policies(policyFileSchema.parse({ channels: [{ channel: 'room:*', history }] }).channels);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gateway = await Gateway.start({ ...parts, bus: watched, policies, registry });
  let longestTurnMs = 0;
  const cpuOf = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000;
  let before = cpuOf(process.threadCpuUsage());
  // A timer that is always due: the CPU between two of its turns is that of one turn of the loop.
  setInterval(() => {
    const cpu = cpuOf(process.threadCpuUsage());
    longestTurnMs = Math.max(longestTurnMs, cpu - before);
    before = cpu;
  }, 1);
  process.on('message', () => {
    const { ended, refused, unproved } = figures().subscriptionFaults;
    const look: GatewayLook = {
      subscribedAgain,
      lastAt,
      longestTurnMs,
      cpuMs: cpuOf(process.cpuUsage()),
      residentBytes: process.memoryUsage.rss(),
      faults: ended + refused + unproved,
    };
    longestTurnMs = 0;
    process.send?.(look);
  });
  process.send?.(gateway.port);
}

/** Members of all rooms over a few sockets. A refusal for too many new rooms is tried again. */
async function runClients(): Promise<void> {
  let received = 0;
  let gaps = 0;
  let lastAt = 0;
  for (let first = 0; first < rooms; first += roomsOfConnection) {
    const socket = new WebSocket(`ws://127.0.0.1:${values.port}/`, subprotocol, { perMessageDeflate: false });
    const waiting = new Map(Array.from({ length: Math.min(roomsOfConnection, rooms - first) }, (_, id) => [id, channelOf(first + id)]));
    await once(socket, 'open');
    const ask = (id: number): void => socket.send(JSON.stringify({ id, op: 'subscribe', channel: waiting.get(id) }));
    await new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        const message = JSON.parse(data.toString()) as Partial<{ type: string; id: number; error: unknown; items: readonly unknown[] }>;
        if (message.type === 'batch') {
          received += message.items?.length ?? 0;
          lastAt = Date.now();
        }
        if (message.type === 'gap') gaps++;
        if (message.type !== 'reply' || message.id === undefined) return;
        const { id } = message;
        if (message.error === undefined) waiting.delete(id);
        else setTimeout(() => ask(id), 500);
        if (waiting.size === 0) resolve();
      });
      for (const id of waiting.keys()) ask(id);
    });
  }
  process.on('message', () => process.send?.({ received, gaps, lastAt } satisfies ClientsLook));
  process.send?.('ready');
}

interface Servers {
  readonly url: string;
  readonly all: readonly RedisServer[];
  dispose(): Promise<void>;
}

async function startRedis(): Promise<Servers> {
  if (!values.cluster) {
    const redis = await RedisServer.start();
    return { url: redis.url, all: [redis], dispose: () => redis.dispose() };
  }
  const cluster = await RedisCluster.start({ masters: 3 });
  return { url: cluster.access.url, all: cluster.masters, dispose: () => cluster.dispose() };
}

async function ask<Answer>(child: ChildProcess): Promise<Answer> {
  child.send('look');
  return (await once(child, 'message'))[0] as Answer;
}

async function until(what: string, ms: number, isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + ms; !(await isSo()); await sleep(50)) assert(Date.now() < end, `not within ${ms} ms: ${what}`);
}

async function redisCpuMs({ all }: Servers): Promise<number> {
  let sum = 0;
  for (const server of all) {
    const info = await server.command('INFO', 'CPU');
    for (const name of ['used_cpu_user', 'used_cpu_sys']) sum += Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1] ?? 0) * 1000;
  }
  return sum;
}

async function measure(): Promise<void> {
  const servers = await startRedis();
  const given = [...process.argv.slice(2), '--url', servers.url];
  const start = (role: string, more: readonly string[] = []): ChildProcess =>
    fork(new URL(import.meta.url).pathname, [role, ...given, ...more], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const children: ChildProcess[] = [];
  try {
    const gateway = start('gateway');
    children.push(gateway);

    const port = Number((await once(gateway, 'message'))[0]);
    const clients = start('clients', ['--port', String(port)]);
    children.push(clients);
    // Without one of them there is nothing to wait for.
    for (const child of children) child.once('exit', () => process.exit(1));
    const filling = AbortSignal.timeout(fillMsMax);
    await once(clients, 'message', { signal: filling });
    values.url = servers.url;
    const { bus } = connectBus();
    await until('the bus is up', breakMsMax, async () => bus.state().up);
    process.stdout.write(`${rooms} rooms, ${servers.all.length} master${servers.all.length === 1 ? '' : 's'}\n`);
    for (let round = 1; round <= breaks; round++) {
      const before = {
        gateway: await ask<GatewayLook>(gateway),
        clients: await ask<ClientsLook>(clients),
        redis: await redisCpuMs(servers),
      };
      const startedAt = Date.now();
      for (const server of servers.all) await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      const published = Array.from({ length: Math.ceil(rooms / publishedEvery) }, (_, index) => channelOf(index * publishedEvery));
      await Promise.all(published.map((channel) => bus.log.append(channel, [publication('x', { acceptedAt: Date.now() })], history)));
      const again = async (): Promise<boolean> =>
        (await ask<GatewayLook>(gateway)).subscribedAgain - before.gateway.subscribedAgain >= rooms;
      let longestTurnMs = 0;
      await until('all are subscribed again', breakMsMax, async () => {
        const look = await ask<GatewayLook>(gateway);
        longestTurnMs = Math.max(longestTurnMs, look.longestTurnMs);
        return look.subscribedAgain - before.gateway.subscribedAgain >= rooms;
      });
      assert(await again());
      await until('all has arrived', breakMsMax, async () => {
        const look = await ask<ClientsLook>(clients);
        return look.received + look.gaps - before.clients.received - before.clients.gaps >= published.length;
      });
      const after = {
        gateway: await ask<GatewayLook>(gateway),
        clients: await ask<ClientsLook>(clients),
        redis: await redisCpuMs(servers),
      };
      const text = [
        `subscribed again after ${after.gateway.lastAt - startedAt} ms`,
        `${after.clients.received - before.clients.received} of ${published.length} publications there after ${after.clients.lastAt - startedAt} ms, ${after.clients.gaps - before.clients.gaps} gaps told`,
        `gateway ${Math.round(after.gateway.cpuMs - before.gateway.cpuMs)} ms of CPU (longest turn ${Math.max(longestTurnMs, after.gateway.longestTurnMs).toFixed(1)} ms)`,
        `Redis ${Math.round(after.redis - before.redis)} ms of CPU`,
        `${(after.gateway.residentBytes / 2 ** 20).toFixed(0)} MiB resident (${(before.gateway.residentBytes / 2 ** 20).toFixed(0)} before)`,
        `${after.gateway.faults - before.gateway.faults} faults`,
      ];
      process.stdout.write(`break ${round}: ${text.join(', ')}\n`);
      await sleep(3_000);
    }
    await bus.close();
  } finally {
    for (const child of children) child.removeAllListeners('exit').kill('SIGKILL');
    await servers.dispose();
  }
}

const [role] = positionals;
await (role === 'gateway' ? runGateway() : role === 'clients' ? runClients() : measure());

import { openSync, writeSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { RoomReporter } from '../../core/bus/room-reporter.ts';
import { limits } from '../../core/limits.ts';
import { Placement } from '../../core/pool/placement.ts';
import { Policies, policyFileSchema } from '../../core/policy/policy.ts';
import { createLogger } from '../../core/process/logging.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { GatewayMetrics } from '../../gateway/accounts/metrics.ts';
import { OpenConnections } from '../../gateway/connections/open-connections.ts';
import type { Connection } from '../../gateway/connections/connection.ts';
import { v1Encoding } from '../../gateway/encoding/encodings.ts';
import { Drainer } from '../../gateway/moving/drainer.ts';
import { DoneFlushes } from '../../gateway/rooms/done-flushes.ts';
import { FanOut } from '../../gateway/rooms/fan-out.ts';
import { Rooms } from '../../gateway/rooms/rooms.ts';
import { topChannels } from '../../gateway/rooms/top-channels.ts';
import { gatewayNamed } from '../support/pool-document.ts';
import { publication } from '../support/publications.ts';

/**
 * How long each turn of a gateway's loop takes with 100,000 connections in 10,000 rooms, in CPU of its thread without
 * garbage collection: `node test/bench/turns.ts [CONNECTIONS ROOMS]`. The parts are the product's own; sockets are not,
 * but each write makes system calls that cost about what one to a socket costs. Exits with 1 where a turn was longer
 * than `limits.turnMsMax`.
 */
const [connectionsCount = 100_000, roomsCount = 10_000] = process.argv.slice(2).map(Number);
const pingIntervalMs = 5_000;
/** A write of a few bytes to the null device takes about a quarter of one to a socket. */
const writesPerWrite = 4;

interface Turn {
  readonly phase: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly cpuMs: number;
}

const turns: Turn[] = [];
const collections: { readonly startedAt: number; readonly endedAt: number }[] = [];
/** What the bench itself does in one turn is not the gateway's. */
const openPhase = 'open';
let phase = openPhase;
let isOver = false;

let before = process.threadCpuUsage();
let startedAt = performance.now();

/**
 * Runs once in each turn of the loop: what the thread has done since the last time is one turn, timers, input and all.
 */
function endTurn(): void {
  const { user, system } = process.threadCpuUsage(before);
  const endedAt = performance.now();
  turns.push({ phase, startedAt, endedAt, cpuMs: (user + system) / 1000 });
  before = process.threadCpuUsage();
  startedAt = endedAt;
  if (!isOver) setImmediate(endTurn);
}

new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) collections.push({ startedAt: startTime, endedAt: startTime + duration });
}).observe({ entryTypes: ['gc'] });

function policies(subscribe: string, publicationsPerSecond: number): Policies {
  const policy = { channel: 'room:*', access: { subscribe }, budget: { publicationsPerSecond } };
  return new Policies(policyFileSchema.parse({ channels: [policy, { channel: 'kept:*' }] }).channels);
}

const nowhere = openSync('/dev/null', 'w');
const byte = Buffer.alloc(16);
function write(): boolean {
  for (let each = 0; each < writesPerWrite; each++) writeSync(nowhere, byte);
  return true;
}

const logger = createLogger({ part: 'bench', level: 'silent' });
const registry = new Registry();
const metrics = new GatewayMetrics(registry, {
  connectionsMax: () => connectionsCount,
  sockets: () => connections.size,
  subscriptions: () => rooms.subscriptions,
  rooms: () => rooms.size,
  busUp: () => true,
  stretchedRooms: () => rooms.stretched,
  fanOutShare: () => rooms.demand,
});
const { log } = createMemoryBus();
const rooms = new Rooms({
  log,
  policies: policies('Public', 50),
  surroundings: {
    fanOut: new FanOut({ clock: systemClock, onSlice: (ms) => metrics.slice(ms) }),
    metrics,
    clock: systemClock,
    done: new DoneFlushes(),
  },
  logger,
  share: 0.6,
});
let lastId = 0;
const opened: Connection[] = [];
const connections = new OpenConnections({
  rooms,
  metrics,
  clock: systemClock,
  times: { pingIntervalMs, idleTimeoutMs: 600_000 },
  nextId: () => ++lastId,
  reachOf: () => ({ direct: 'none', isEncrypted: false }),
  listen: (connection) => {
    opened.push(connection);
    return { message: () => {}, ping: () => {} };
  },
  onLook: () => {},
});
const drainer = new Drainer({
  connections: connections.byId,
  placement: () => new Placement({ gateways: [gatewayNamed('a'), gatewayNamed('b')], hashSeed: 1, overrides: [] }),
  uid: 'uid-a',
  clock: systemClock,
  registry,
  logger,
});

/** The turn that is under way belongs to the phase before. */
async function nextTurn(name: string): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  phase = name;
}

/** Lets the loop turn for this time. */
async function during(name: string, ms: number, begin: () => unknown = () => {}): Promise<void> {
  await nextTurn(name);
  begin();
  await sleep(ms);
}

function open(): void {
  const ended = (): void => listener.ended({ code: 1006, bytesIn: 0, bytesOut: 0 });
  const wire = {
    socket: { writableLength: 0, write, once() {} } as unknown as Duplex,
    close: () => {
      write();
      setImmediate(ended);
    },
    terminate: ended,
  };
  const listener = connections.open(v1Encoding, wire, { headers: {}, socket: {} });
}

for (let index = 0; index < connectionsCount; index++) open();
/** Every third room has a policy that stays as it is. */
function channelOf(room: number): string {
  return `${room % 3 === 2 ? 'kept' : 'room'}:${room}`;
}

// A tenth of all are in one room, and half of those asked for a density.
for (const [index, connection] of opened.entries()) {
  const channel = channelOf(index % 10 === 0 ? 0 : (Math.floor(index / 10) * 9 + (index % 10)) % roomsCount);
  await rooms.join(connection, { channel, by: 'client', ...(index % 20 === 0 ? { density: 20 } : {}) });
}
process.stdout.write(`${connections.size} connections in ${rooms.size} rooms\n`);
opened.length = 0;
before = process.threadCpuUsage();
startedAt = performance.now();
setImmediate(endTurn);

await during('silence: pings', 1.6 * pingIntervalMs);
await during('a publication in each room', 4_000, () => {
  let room = 0;
  const publishSome = (): void => {
    for (let each = 0; each < 20 && room < roomsCount; each++) void log.append(channelOf(room++), [publication('like')]);
    if (room < roomsCount) setTimeout(publishSome, 2);
  };
  publishSome();
});
await during('status for the operator', 200, () => topChannels(rooms.allCounts(), 20));
const reporter = new RoomReporter({ number: 1, name: 'bench', life: 'bench' });
await during('first report', 200, () => reporter.next(rooms.allCounts(), 65_536));
await during('next report', 200, () => reporter.next(rooms.allCounts(), 65_536));
await during('scrape', 200, () => registry.metrics());
await during('policies: more for members', 4_000, () => rooms.setPolicies(policies('Public', 10)));
await during('drain of 20,000 a second', 2_000, () =>
  drainer.follow({ command: 'drain', gateway: 'uid-a', connectionsPerSecond: 20_000, deadlineSeconds: 600, issuedAt: Date.now() }),
);
await during('policies: most must leave', 2_000, () => rooms.setPolicies(policies('Authenticated', 10)));
await nextTurn('rooms closed');
await rooms.close();
await nextTurn('end of the drain, hastened');
const finished = drainer.finish({ withinMs: 60_000, connectionsPerSecond: undefined });
drainer.hasten();
await finished;
await during(openPhase, 500, () => {
  for (let index = 0; index < connectionsCount; index++) open();
});
await during('sockets cut off', 500, () => connections.terminate());
isOver = true;
connections.close();

/** CPU of a turn outside garbage collection. A turn that was held up by other processes was so in both parts alike. */
function ownMs({ startedAt: from, endedAt: to, cpuMs }: Turn): number {
  const collectedMs = collections.reduce((sum, each) => sum + Math.max(0, Math.min(each.endedAt, to) - Math.max(each.startedAt, from)), 0);
  return cpuMs * Math.max(0, 1 - collectedMs / Math.max(to - from, 1e-6));
}

let isWithin = true;
process.stdout.write('| what | turns | longest, ms of CPU | longest with garbage collection |\n|---|---|---|---|\n');
for (const name of new Set(turns.map((each) => each.phase))) {
  if (name === openPhase) continue;
  const all = turns.filter((each) => each.phase === name);
  const long = all.toSorted((a, b) => b.cpuMs - a.cpuMs).slice(0, 50);
  const longest = Math.max(...long.map(ownMs));
  if (longest > limits.turnMsMax) isWithin = false;
  process.stdout.write(`| ${name} | ${all.length} | ${longest.toFixed(1)} | ${Math.max(...long.map(({ cpuMs }) => cpuMs)).toFixed(1)} |\n`);
}
process.exit(isWithin ? 0 : 1);

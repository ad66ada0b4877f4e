import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import type { GatewayServer, RoomCounts } from '../../core/bus/bus.ts';
import { createRedisBus } from '../../core/redis/bus.ts';
import { RedisServer } from '../support/redis-server.ts';

/**
 * CPU that the member reports take, by process: `node test/bench/reports.ts [--gateways 50] [--rooms 10000]
 * [--publishers 20] [--listening 0] [--churn]`. Each gateway has so many rooms, whose members all change every second;
 * with `--churn` each second has rooms of its own. One gateway and one publisher run alone in a process each and are
 * measured, as is Redis; the others share one. So many of the other gateways listen to the reports as well, as they do
 * while clients ask for counts.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    gateways: { type: 'string', default: '50' },
    rooms: { type: 'string', default: '10000' },
    publishers: { type: 'string', default: '20' },
    listening: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '20' },
    churn: { type: 'boolean', default: false },
    url: { type: 'string', default: '' },
  },
});
const [gateways, rooms, publishers, listening, seconds] = [
  values.gateways,
  values.rooms,
  values.publishers,
  values.listening,
  values.seconds,
].map(Number) as [number, number, number, number, number];
const prefix = 'bench';
const settleMs = 15_000;

/** A gateway whose rooms' members all change from second to second. */
function changingGateway(name: string): GatewayServer {
  const channels = Array.from({ length: rooms }, (_, room) => `video:${100_000 + room}`);
  const second = (): number => Math.floor(performance.now() / 1000);
  const membersOf = (room: number): RoomCounts => ({ ready: 10 + ((room + second()) % 7), full: 0 });
  return {
    name,
    answer: async () => ({ kind: 'done' }),
    *rooms() {
      const now = second();
      for (const [room, channel] of channels.entries()) yield [values.churn ? `${channel}:${now}` : channel, membersOf(room)] as const;
    },
    roomCounts: () => ({ ready: 0, full: 0 }),
  };
}

async function startGateway(name: string): Promise<void> {
  const bus = createRedisBus({ url: values.url, prefix });
  await bus.calls.serve(changingGateway(name));
  if (listening > 0) setInterval(() => void bus.calls.countMembers('video:100000'), 1000);
}

/** Hears what a publisher or a listening gateway hears, and does nothing with it: Redis can't tell. */
async function startIdleListener(): Promise<void> {
  await new Redis(values.url).ssubscribe(`${prefix}:reports`);
}

async function runRole(role: string): Promise<void> {
  if (role === 'gateway') await startGateway('measured');
  if (role === 'publisher') createRedisBus({ url: values.url, prefix, countMembers: true });
  if (role === 'others') {
    for (let number = 1; number < gateways; number++) {
      const bus = createRedisBus({ url: values.url, prefix });
      await bus.calls.serve(changingGateway(`other ${number}`));
    }
    for (let number = 1; number < publishers + listening; number++) await startIdleListener();
  }
  process.send?.('ready');
  // Milliseconds of CPU since the start, for each message.
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.((user + system) / 1000);
  });
}

async function measure(): Promise<void> {
  const redis = await RedisServer.start();
  const start = (role: string) =>
    fork(new URL(import.meta.url).pathname, [role, ...process.argv.slice(2), '--url', redis.url], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  const children = ['others', 'publisher', 'gateway'].map((role) => ({ role, child: start(role) }));
  try {
    await Promise.all(children.map(({ child }) => once(child, 'message')));
    await sleep(settleMs);
    const cpuOf = async (child: (typeof children)[number]['child']): Promise<number> => {
      child.send('cpu');
      return Number((await once(child, 'message'))[0]);
    };
    const redisFigures = async (): Promise<readonly [cpuMs: number, sentBytes: number, published: number]> => {
      const info = await redis.command('INFO', 'ALL');
      const figure = (name: string): number => Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1] ?? 0);
      return [(figure('used_cpu_user') + figure('used_cpu_sys')) * 1000, figure('total_net_output_bytes'), figure('total_net_input_bytes')];
    };
    const look = async () => ({ cpu: await Promise.all(children.map(({ child }) => cpuOf(child))), redis: await redisFigures() });
    const before = await look();
    await sleep(seconds * 1000);
    const after = await look();
    const share = (ms: number): string => `${((ms / (seconds * 1000)) * 100).toFixed(2)} % of a core`;
    const lines = children.map(({ role }, index) => `${role.padEnd(10)} ${share(after.cpu[index]! - before.cpu[index]!)}`);
    const megabytes = (index: 1 | 2): string => ((after.redis[index] - before.redis[index]) / seconds / 1e6).toFixed(1);
    lines.push(`redis      ${share(after.redis[0] - before.redis[0])}, receives ${megabytes(2)} and sends ${megabytes(1)} MB/s`);
    process.stdout.write(
      `${gateways} gateways × ${rooms} rooms, ${publishers} publishers, ${listening} gateways listening\n${lines.join('\n')}\n`,
    );
  } finally {
    for (const { child } of children) child.kill('SIGKILL');
    await redis.dispose();
  }
}

const [role] = positionals;
await (role === undefined ? measure() : runRole(role));

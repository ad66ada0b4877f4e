import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { neutralEnvironment } from '../../support/environment.ts';
import { scrape } from '../../support/exposition.ts';
import { TestProcess } from '../../support/process.ts';
import { policyFile } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';
import { siteAddress, type BadNetwork } from './bad-network.ts';

const doorMain = new URL('door-main.ts', import.meta.url).pathname;

/** The gateways' ports on the wire. */
export const gatewayPorts = [6790, 6791] as const;

/** Bytes that may wait in the gateway for one client. */
export const queueBytesMax = 65_536;

const policies = `
channels:
  - channel: "*"
    merge: { windowMilliseconds: 50 }
    history: { size: 5000, ttlSeconds: 900 }
    slowConsumer: { policy: DropOldest, queueBytesMax: ${queueBytesMax} }
`;

/** A real Redis, two gateways and a publisher in the namespace of the pool. */
export class Site {
  readonly gateways: readonly TestProcess[];
  /** By gateway: a port of the test's namespace that leads to it. */
  readonly #doors: readonly number[];
  /** A port of the test's namespace that leads to the publisher. */
  readonly publisherPort: number;

  private constructor(gateways: readonly TestProcess[], doors: readonly number[], publisherPort: number) {
    this.gateways = gateways;
    this.#doors = doors;
    this.publisherPort = publisherPort;
  }

  /** @param variables settings of the gateways */
  static async start({ site }: BadNetwork, variables: Readonly<Record<string, string>> = {}): Promise<Site> {
    await startRedis(site);
    const common = { BARRAGE_REDIS_URL: 'redis://127.0.0.1:6379', BARRAGE_POLICY_FILE: await policyFile(policies), ...variables };
    const gateways = gatewayPorts.map(
      (port) =>
        new TestProcess('gateway/main.ts', { ...common, BARRAGE_GATEWAY_HOST: siteAddress, BARRAGE_GATEWAY_PORT: String(port) }, site),
    );
    const publisher = new TestProcess('publisher/main.ts', { ...common, BARRAGE_PUBLISHER_PORT: '6789' }, site);
    await Promise.all([...gateways, publisher].map((each) => each.port()));
    const house = doorKeeper(site);
    const doors = [];
    for (const port of gatewayPorts) doors.push(await openDoor(house, siteAddress, port));
    const publisherPort = await openDoor(house, '127.0.0.1', 6789);
    for (const port of [...doors, publisherPort])
      await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200, 50);
    return new Site(gateways, doors, publisherPort);
  }

  /** The sum of a gateway's samples with this name and label. */
  async metric(gateway: number, name: string, label = ''): Promise<number> {
    const { samples } = await scrape(this.#doors[gateway]!);
    const found = samples.filter((each) => each.name === name && (label === '' || Object.values(each.labels).includes(label)));
    return found.reduce((sum, { value }) => sum + value, 0);
  }

  /** Resident memory of a gateway, in bytes. */
  async residentBytes(gateway: number): Promise<number> {
    const status = await readFile(`/proc/${this.gateways[gateway]!.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }
}

async function startRedis([program = '', ...args]: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'barrage-redis-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const settings = ['--port', '6379', '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const redis = spawn(program, [...args, 'redis-server', ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => end(redis));
  let said = '';
  redis.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until(() => said.includes('Ready to accept connections'), 10);
}

function doorKeeper([program = '', ...args]: readonly string[]): ChildProcess {
  const options = { env: { ...neutralEnvironment() }, execPath: program, execArgv: [...args, process.execPath] };
  const keeper = fork(doorMain, [], options);
  onTestFinished(() => end(keeper));
  return keeper;
}

async function openDoor(keeper: ChildProcess, host: string, port: number): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const outside = (server.address() as AddressInfo).port;
  const opened = once(keeper, 'message');
  keeper.send({ host, port }, server);
  await opened;
  // The keeper listens on: here the socket is only in the way.
  server.close();
  return outside;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

import { execFile, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { neutralEnvironment } from '../../support/environment.ts';
import { until } from '../../support/websocket.ts';
import type { WireRules } from './wire-rules.ts';

const run = promisify(execFile);
const wireMain = new URL('wire-main.ts', import.meta.url).pathname;

/** Where the pool's side of the wire is, and the clients'. */
export const siteAddress = '10.9.0.1';
const awayAddress = '10.9.0.2';
/** The underlay of the VXLAN devices, and the process that is the wire. */
const groundAddress = '10.8.0.1';
const wireAddress = '10.8.0.2';

/** Ends a program with the process that started it, however that one ends. */
const withParent = ['setpriv', '--pdeathsig', 'KILL'] as const;

/** Packets that the wire has carried, and has not, under some rules. */
export interface WireCount {
  readonly passed: number;
  readonly lost: number;
}

/**
 * Two network namespaces, `site` for the pool and `away` for clients, with a wire between them that a test makes bad.
 * TCP is the kernel's own on both sides: real retransmissions, real half-open connections. The wire is a process
 * instead of `tc netem`, which many kernels come without, and whose losses can't be repeated.
 *
 * Namespaces have no names. They end with the last process in them, and each of these processes ends with the test's,
 * even after SIGKILL.
 */
export class BadNetwork {
  /** Programs with arguments that run a command in a namespace. */
  readonly site: readonly string[];
  readonly away: readonly string[];
  readonly #wire: ChildProcess;

  private constructor(site: readonly string[], away: readonly string[], wire: ChildProcess) {
    this.site = site;
    this.away = away;
    this.#wire = wire;
  }

  /** @param seed of the wire's losses @throws Error that says what to type, where the machine lacks something */
  static async start(seed = 1): Promise<BadNetwork> {
    if (process.platform !== 'linux' || process.getuid?.() !== 0)
      throw new Error('these tests make network namespaces, which needs Linux and root. Run them with: sudo npm run network');
    const [ground, middle, site, away] = await Promise.all([namespace(), namespace(), namespace(), namespace()]);
    await inside(ground, `ip link add ground type veth peer name wire`);
    await inside(ground, `ip link set wire netns ${middle}`);
    await inside(ground, `ip addr add ${groundAddress}/24 dev ground`);
    await inside(ground, `ip link set ground up`);
    await inside(middle, `ip addr add ${wireAddress}/24 dev wire`);
    await inside(middle, `ip link set wire up`);
    await layEnd(ground, { pid: site, name: 'site', address: siteAddress, devicePort: 5001, port: 6001 });
    await layEnd(ground, { pid: away, name: 'away', address: awayAddress, devicePort: 5002, port: 6002 });
    const [program = '', ...args] = through(middle);
    const wire = fork(wireMain, [wireAddress, groundAddress, String(seed)], {
      env: { ...neutralEnvironment() },
      execPath: program,
      execArgv: [...args, process.execPath],
    });
    onTestFinished(() => end(wire));
    await once(wire, 'message');
    return new BadNetwork(through(site), through(away), wire);
  }

  /** From now on the wire is like this. Resolves with what it carried since the last call. */
  async be(rules: WireRules): Promise<WireCount> {
    const counted = once(this.#wire, 'message');
    this.#wire.send(rules);
    return (await counted)[0] as WireCount;
  }
}

/** A command that runs its arguments in the namespace of a process. */
function through(pid: number): readonly string[] {
  return ['nsenter', `--net=/proc/${pid}/ns/net`, '--', ...withParent];
}

async function inside(pid: number, command: string): Promise<void> {
  const [program = '', ...args] = [...through(pid), ...command.split(' ')];
  await run(program, args);
}

/** A new namespace with its loopback up. @returns the process that holds it */
async function namespace(): Promise<number> {
  const [program, ...args] = withParent;
  const holder = spawn(program, [...args, 'unshare', '--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  onTestFinished(() => end(holder));
  const pid = holder.pid ?? 0;
  await until(() => netOf(pid) !== netOf(process.pid), 10);
  await inside(pid, 'ip link set lo up');
  return pid;
}

function netOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}

interface End {
  readonly pid: number;
  readonly name: string;
  readonly address: string;
  readonly devicePort: number;
  readonly port: number;
}

/** A VXLAN device in a namespace, whose datagrams go over the ground to the wire. Each segment is one packet. */
async function layEnd(ground: number, { pid, name, address, devicePort, port }: End): Promise<void> {
  await inside(ground, `ip link add ${name} type vxlan id 1 dstport ${devicePort} nolearning`).catch((error: unknown) => {
    throw new Error('these tests need VXLAN devices (CONFIG_VXLAN of the kernel). Load them with: sudo modprobe vxlan', { cause: error });
  });
  await inside(ground, `ip link set ${name} netns ${pid}`);
  await inside(pid, `bridge fdb append 00:00:00:00:00:00 dev ${name} dst ${wireAddress} port ${port}`);
  await inside(pid, `ip addr add ${address}/24 dev ${name}`);
  await inside(pid, `ip link set ${name} mtu 1400 gso_max_segs 1 up`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

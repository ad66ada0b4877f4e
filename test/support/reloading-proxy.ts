import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { neutralEnvironment } from './environment.ts';

const startWithinMs = 10_000;

/** A port and a folder that a proxy has for itself. */
export interface Own {
  readonly port: number;
  readonly folder: string;
}

/** How a proxy's program is started and told to reload. */
export interface ProxyProgram {
  readonly name: string;
  /** Writes its files. @returns its arguments */
  readonly prepare: (own: Own) => Promise<readonly string[]>;
  readonly reloadSignal: NodeJS.Signals;
}

/**
 * A real proxy of another maker: a master with workers, and its files in a temporary folder. `stop` it in any case; it
 * ends with the test process.
 */
export class ReloadingProxy {
  readonly port: number;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #reloadSignal: NodeJS.Signals;
  readonly #killAtExit = (): void => void this.#child.kill('SIGTERM');

  private constructor({ port, folder }: Own, child: ChildProcess, reloadSignal: NodeJS.Signals) {
    this.port = port;
    this.#folder = folder;
    this.#child = child;
    this.#reloadSignal = reloadSignal;
    process.on('exit', this.#killAtExit);
  }

  /** @throws Error with what the program said, where it does not listen */
  static async start({ name, prepare, reloadSignal }: ProxyProgram): Promise<ReloadingProxy> {
    const own = { port: await freePort(), folder: await mkdtemp(join(tmpdir(), `barrage-${name}-`)) };
    const child = spawn(name, await prepare(own), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...neutralEnvironment(), PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` },
    });
    const proxy = new ReloadingProxy(own, child, reloadSignal);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
    const startedAt = Date.now();
    while (Date.now() - startedAt < startWithinMs && child.exitCode === null) {
      if (await listens(own.port)) return proxy;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await proxy.stop();
    throw new Error(`${name} did not start on port ${own.port}:\n${output}`);
  }

  /** Process ids of the workers, those of earlier configurations among them. */
  async workers(): Promise<readonly number[]> {
    const { pid } = this.#child;
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  }

  /** Reloads: a new worker listens, and the old one serves its connections for as long as it may. */
  reload(): void {
    this.#child.kill(this.#reloadSignal);
  }

  async stop(): Promise<void> {
    process.off('exit', this.#killAtExit);
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await exited;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Whether something listens on a port of loopback. */
async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Certificates } from './certificates.ts';
import { askRedis } from './redis-command.ts';
import { freePort } from './free-port.ts';

/**
 * What a stopped Redis leaves behind: 'kept' = all its data, 'as-saved' = its last `SAVE`, as after a crash, 'gone' =
 * nothing.
 */
export type DataFate = 'kept' | 'as-saved' | 'gone';

export type RedisKind = 'single' | 'sentinel' | 'cluster-node';

export interface RedisServerOptions {
  /** Path of the server's program, also Valkey's; default: redis-server. */
  readonly program?: string;
  readonly kind?: RedisKind;
  /** Further settings, as on redis-server's command line. */
  readonly settings?: readonly string[];
  /** Of the default user, and towards its master. */
  readonly password?: string;
  /** Serve by TLS too, and speak to other servers by it. */
  readonly tls?: Certificates;
}

const startWithinMs = 10_000;

/**
 * A real redis-server on a port of its own, with its data in a temporary folder. `dispose` it in any case; should a
 * test process end without that, the server is killed with it.
 */
export class RedisServer {
  readonly host = '127.0.0.1';
  readonly #folder: string;
  readonly #program: string;
  readonly #kind: RedisKind;
  readonly #settings: readonly string[];
  readonly #password: string | undefined;
  readonly #tls: Certificates | undefined;
  #port = 0;
  #tlsPort = 0;
  #clusterPort = 0;
  #process: ChildProcess | undefined;
  readonly #killAtExit = (): void => void this.#process?.kill('SIGKILL');

  private constructor(program: string, folder: string, options: RedisServerOptions) {
    this.#program = program;
    this.#folder = folder;
    this.#kind = options.kind ?? 'single';
    this.#password = options.password;
    this.#tls = options.tls;
    const towardsMaster = options.password === undefined || options.kind === 'sentinel' ? [] : ['--masterauth', options.password];
    const login = options.password === undefined ? [] : ['--requirepass', options.password];
    this.#settings = [...login, ...towardsMaster, ...(options.settings ?? [])];
    process.on('exit', this.#killAtExit);
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'barrage-redis-'));
    const server = new RedisServer(options.program ?? findRedisServer(), folder, options);
    for (let attempt = 1; ; attempt++) {
      server.#port = await freePort();
      server.#tlsPort = await freePort();
      server.#clusterPort = await freePort();
      try {
        await server.start();
        return server;
      } catch (error) {
        // Between our finding it free and Redis taking it, a port can be lost.
        if (attempt < 5) continue;
        await server.dispose();
        throw error;
      }
    }
  }

  /** The port that other servers and the bus use. */
  get port(): number {
    return this.#tls === undefined ? this.#port : this.#tlsPort;
  }

  /** Process id of the running server. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Of that port; `rediss://` where it serves by TLS. */
  get url(): string {
    return `${this.#tls === undefined ? 'redis' : 'rediss'}://127.0.0.1:${this.port}`;
  }

  /** Where the other nodes of a Cluster meet this one. */
  get clusterPort(): number {
    return this.#clusterPort;
  }

  /** Starts it again on the same port, with what data there is. */
  async start(): Promise<void> {
    const child = spawn(this.#program, await this.#arguments(), { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = child;
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
    const startedAt = Date.now();
    while (Date.now() - startedAt < startWithinMs && child.exitCode === null) {
      const answer = await this.command('PING').catch(() => '');
      if (answer === '+PONG' && child.exitCode === null) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill('SIGKILL');
    throw new Error(`redis-server did not start on port ${this.#port}:\n${output}`);
  }

  async #arguments(): Promise<readonly string[]> {
    const common = ['--port', `${this.#port}`, '--bind', '127.0.0.1', '--dir', this.#folder];
    if (this.#tls !== undefined) {
      const { keyFile, certificateFile, caFile } = this.#tls;
      common.push('--tls-port', `${this.#tlsPort}`, '--tls-auth-clients', 'no', '--tls-replication', 'yes');
      common.push('--tls-key-file', keyFile, '--tls-cert-file', certificateFile, '--tls-ca-cert-file', caFile);
      if (this.#kind === 'cluster-node') common.push('--tls-cluster', 'yes');
    }
    if (this.#kind === 'sentinel') {
      const file = join(this.#folder, 'sentinel.conf');
      // A Sentinel writes what it learns into its file: it is kept when it starts again.
      await writeFile(file, '', { flag: 'a' });
      return [file, '--sentinel', ...common, ...this.#settings];
    }
    const data = ['--save', '3600 1', '--appendonly', 'no', '--repl-diskless-sync-delay', '0'];
    const node = ['--cluster-enabled', 'yes', '--cluster-port', `${this.#clusterPort}`, '--cluster-node-timeout', '1000'];
    return [...common, ...data, ...(this.#kind === 'cluster-node' ? node : []), ...this.#settings];
  }

  async stop(data: DataFate): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    if (data === 'kept') {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
    } else {
      child.kill('SIGKILL');
    }
    await exited;
    if (data === 'gone') await rm(join(this.#folder, 'dump.rdb'), { force: true });
  }

  async restart(data: DataFate): Promise<void> {
    await this.stop(data);
    await this.start();
  }

  /** Hangs the server: its connections stay, nothing is answered. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** Sends one command and returns the raw reply as lines joined by a space. */
  async command(...words: string[]): Promise<string> {
    const password = this.#password === undefined ? {} : { password: this.#password };
    return askRedis({ host: this.host, port: this.#port, ...password }, words);
  }

  async dispose(): Promise<void> {
    await this.stop('gone');
    process.off('exit', this.#killAtExit);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function findRedisServer(): string {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin']) {
    const program = join(folder, 'redis-server');
    try {
      accessSync(program, constants.X_OK);
      return program;
    } catch {
      // Look on.
    }
  }
  throw new Error('these tests need redis-server 7 or newer; install it with: sudo apt-get install -y redis-server');
}

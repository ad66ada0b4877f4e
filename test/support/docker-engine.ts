import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { until } from './websocket.ts';

/** How a container is run: what `docker run` takes, in the words of the Engine's API. */
export interface ContainerOptions {
  readonly image: string;
  readonly command: readonly string[];
  /** Ports that are published under the same number, as `-p PORT:PORT` does. */
  readonly ports?: readonly number[];
}

/** The image of a restricted container: no writable root, no capability, no way to more rights. */
const restricted = { ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] };

/**
 * A real Docker Engine in a network namespace of its own: its bridge, its rules and the ports that it publishes are
 * there, and the machine's network stays as it is. It is asked by its API, as the command `docker` asks it.
 * https://docs.docker.com/reference/api/engine/
 */
export class DockerEngine {
  readonly #process: ChildProcess;
  readonly #socket: string;
  #log = '';

  private constructor(process: ChildProcess, socket: string) {
    this.#process = process;
    this.#socket = socket;
    for (const stream of [process.stdout, process.stderr]) stream?.on('data', (chunk: Buffer) => (this.#log += chunk.toString()));
  }

  /** Starts it for as long as the test lasts. @throws Error with its log where it ends */
  static async start(): Promise<DockerEngine> {
    const folder = await mkdtemp(join(tmpdir(), 'barrage-docker-'));
    const socket = join(folder, 'docker.sock');
    const places = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')];
    const dockerd = ['dockerd', ...places, '-H', `unix://${socket}`].join(' ');
    // It ends with the test, also where that is killed: the kernel sees to it.
    const own = ['--pdeathsig', 'SIGTERM', 'unshare', '--net', 'sh', '-c', `ip link set lo up && exec ${dockerd}`];
    const engine = new DockerEngine(spawn('setpriv', own, { stdio: ['ignore', 'pipe', 'pipe'] }), socket);
    onTestFinished(async () => {
      await engine.#end();
      await rm(folder, { recursive: true, force: true });
    });
    await until(async () => engine.#isOver || (await engine.#ask('GET', '/_ping').catch(() => '')) === 'OK', 50);
    if (engine.#isOver) throw new Error(`dockerd ended: ${engine.#log}`);
    return engine;
  }

  /** `docker load -i`. @returns the names of the images */
  async load(archive: string): Promise<readonly string[]> {
    const answer = await this.#ask('POST', '/images/load?quiet=1', createReadStream(archive), 'application/x-tar');
    return [...answer.matchAll(/Loaded image: ([^\\"]+)/g)].map(([, name = '']) => name);
  }

  /** `docker run --detach`, restricted. @returns its ID */
  async run({ image, command, ports = [] }: ContainerOptions): Promise<string> {
    const names = ports.map((port) => `${port}/tcp`);
    const bindings = Object.fromEntries(names.map((name, index) => [name, [{ HostPort: String(ports[index]) }]]));
    const exposed = Object.fromEntries(names.map((name) => [name, {}]));
    // With a terminal, as by `docker run -t`, logs come as they were written.
    const wish = { Image: image, Cmd: command, Tty: true, ExposedPorts: exposed, HostConfig: { ...restricted, PortBindings: bindings } };
    const { Id: id } = JSON.parse(await this.#ask('POST', '/containers/create', JSON.stringify(wish))) as { readonly Id: string };
    await this.#ask('POST', `/containers/${id}/start`);
    return id;
  }

  /** `docker logs`: standard output and standard error. */
  async logs(id: string): Promise<string> {
    return this.#ask('GET', `/containers/${id}/logs?stdout=1&stderr=1`);
  }

  /** Waits for its end. @returns its exit status */
  async ended(id: string): Promise<number> {
    const { StatusCode: status } = JSON.parse(await this.#ask('POST', `/containers/${id}/wait`)) as { readonly StatusCode: number };
    return status;
  }

  /** `docker stop`: SIGTERM, and SIGKILL ten seconds later. @returns its exit status */
  async stop(id: string): Promise<number> {
    await this.#ask('POST', `/containers/${id}/stop`);
    return this.ended(id);
  }

  /** CPU time that a container took so far, in milliseconds. */
  async cpuMs(id: string): Promise<number> {
    const figures = JSON.parse(await this.#ask('GET', `/containers/${id}/stats?stream=0&one-shot=1`)) as {
      readonly cpu_stats: { readonly cpu_usage: { readonly total_usage: number } };
    };
    return figures.cpu_stats.cpu_usage.total_usage / 1_000_000;
  }

  /** Begins a program where the published ports are. It ends with the test. */
  begin(program: string, ...args: readonly string[]): ChildProcess {
    const inside = ['--pdeathsig', 'SIGKILL', 'nsenter', `--net=/proc/${this.#process.pid}/ns/net`, program, ...args];
    const child = spawn('setpriv', inside, { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  }

  /** What `curl` with these arguments prints there. */
  async curl(...args: readonly string[]): Promise<string> {
    return text(this.begin('curl', '--silent', '--show-error', ...args).stdout!);
  }

  get #isOver(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  async #end(): Promise<void> {
    if (this.#isOver) return;
    for (const { Id: id } of JSON.parse(await this.#ask('GET', '/containers/json')) as readonly { readonly Id: string }[])
      await this.#ask('DELETE', `/containers/${id}?force=1`);
    this.#process.kill('SIGTERM');
    await once(this.#process, 'exit');
  }

  /** @throws Error with the Engine's words where it refuses */
  async #ask(method: string, path: string, body?: string | Readable, type = 'application/json'): Promise<string> {
    const asked = request({
      socketPath: this.#socket,
      method,
      path,
      agent: false,
      headers: body === undefined ? {} : { 'content-type': type },
    });
    if (body === undefined || typeof body === 'string') asked.end(body);
    else body.pipe(asked);
    const [response] = await once(asked, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const answer = Buffer.concat(chunks).toString();
    if (response.statusCode >= 300 && response.statusCode !== 304) throw new Error(`${method} ${path}: ${response.statusCode} ${answer}`);
    return answer;
  }
}

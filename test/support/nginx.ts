import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { neutralEnvironment } from './environment.ts';
import { freePort } from './redis-server.ts';

const startWithinMs = 10_000;

/** A real nginx with its files in a temporary folder. `stop` it in any case; it is killed with the test process. */
export class Nginx {
  readonly port: number;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #killAtExit = (): void => void this.#child.kill('SIGTERM');

  private constructor(folder: string, port: number, child: ChildProcess) {
    this.#folder = folder;
    this.port = port;
    this.#child = child;
    process.on('exit', this.#killAtExit);
  }

  /** @param http what stands in the context `http`, for a port and a folder of its own */
  static async start(http: (own: { readonly port: number; readonly folder: string }) => string): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'barrage-nginx-'));
    const port = await freePort();
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
    const user = process.getuid?.() === 0 ? 'user root;\n' : '';
    const around = `${user}daemon off;\nworker_processes 1;\npid ${folder}/pid;\nerror_log stderr warn;\nevents { worker_connections 1024; }\n`;
    const text = `${around}http {\naccess_log off;\nkeepalive_requests 10000000;\n${temporary.join('\n')}\n${http({ port, folder })}\n}\n`;
    await writeFile(join(folder, 'nginx.conf'), text);
    const child = spawn('nginx', ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...neutralEnvironment(), PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` },
    });
    const nginx = new Nginx(folder, port, child);
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
    const startedAt = Date.now();
    while (Date.now() - startedAt < startWithinMs && child.exitCode === null) {
      if (await listens(port)) return nginx;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await nginx.stop();
    throw new Error(`nginx did not start on port ${port}:\n${output}`);
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

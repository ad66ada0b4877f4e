import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** One of the product's commands as a process of its own, on the Node of the project. Ends with the test that uses it. */
export class BarrageProcess {
  readonly child: ChildProcess;
  /** Exit status; `null` where a signal ended it. */
  readonly exited: Promise<number | null>;
  #errors = '';

  constructor(command: 'gateway' | 'publisher' | 'standalone', environment: Readonly<Record<string, string>>) {
    this.child = spawn(join(root, 'node_modules/.bin/node'), [join(root, command, 'main.ts')], {
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child.stderr?.on('data', (data: Buffer) => (this.#errors += data.toString()));
    this.exited = once(this.child, 'close').then(([code]) => code as number | null);
  }

  /** What it wrote to standard error so far. */
  get errors(): string {
    return this.#errors;
  }

  /** The port that it listens on, once it says so. */
  async port(): Promise<number> {
    await expect.poll(() => this.#errors, { timeout: 30_000 }).toContain('listens');
    const line = this.#errors.split('\n').find((text) => text.includes('listens')) ?? '';
    return (JSON.parse(line) as { port: number }).port;
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}

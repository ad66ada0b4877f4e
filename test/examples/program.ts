import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished, vi } from 'vitest';
import { neutralEnvironment } from '../support/environment.ts';

interface ProgramOptions {
  readonly cwd?: string;
  readonly variables?: Readonly<Record<string, string>>;
}

/** A program of an example. It does not outlive the test. */
export class Program {
  readonly #child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(program: string, args: readonly string[], { cwd, variables }: ProgramOptions = {}) {
    this.#child = spawn(program, args, { cwd, env: { ...neutralEnvironment(), ...variables }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.#child.on('error', (error) => (this.stderr += error.message));
    onTestFinished(async () => {
      if (this.#isOver || this.#child.pid === undefined) return;
      this.#child.kill('SIGKILL');
      await once(this.#child, 'exit');
    });
  }

  get #isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** The complete lines of its output, which are JSON. */
  events(): readonly Readonly<Record<string, unknown>>[] {
    const whole = this.stdout.slice(0, this.stdout.lastIndexOf('\n') + 1);
    return whole
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Waits until it listens. A program of this size takes many seconds to load where many begin at once. */
  async serves(url: string): Promise<void> {
    const answers = (): Promise<boolean> =>
      fetch(url).then(
        () => true,
        () => this.#isOver,
      );
    await vi.waitUntil(answers, { timeout: 60_000, interval: 50 });
    if (this.#isOver) throw new Error(`it ended: ${this.stderr}`);
  }

  /** Its exit status; `null` where a signal ended it. */
  async ended(): Promise<number | null> {
    await vi.waitUntil(() => this.#isOver, { timeout: 60_000, interval: 20 });
    return this.#child.exitCode;
  }
}

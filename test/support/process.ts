import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished, vi } from 'vitest';
import { neutralEnvironment } from './environment.ts';
import { until } from './websocket.ts';

/** The log line with which a process says where it listens. */
const listening = /"port":(\d+)[^\n]*listens/;

/** A command of the repository as its own process, run by the Node that runs the test. It does not outlive the test. */
export class TestProcess {
  readonly #child: ChildProcess;
  stdout = '';
  stderr = '';

  /** @param through program with arguments that runs the command, such as one that enters a network namespace */
  constructor(main: string, variables: Readonly<Record<string, string>>, through: readonly string[] = []) {
    const [program, ...args] = [...through, process.execPath, main];
    this.#child = spawn(program, args, {
      env: { ...neutralEnvironment(), ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    onTestFinished(async () => {
      if (this.#isOver) return;
      this.#child.kill('SIGKILL');
      await once(this.#child, 'exit');
    });
  }

  get #isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Whether it has ended, however that came. */
  get hasEnded(): boolean {
    return this.#isOver;
  }

  /** Waits for words on its standard output, and returns what the groups matched. */
  async said(words: RegExp): Promise<readonly string[]> {
    await until(() => words.test(this.stdout) || this.#isOver, 20);
    const match = words.exec(this.stdout);
    if (match === null) throw new Error(`it ended: ${this.stderr}`);
    return match.slice(1);
  }

  /** The port that a gateway or publisher says it listens on. */
  async port(): Promise<number> {
    // A program of this size takes many seconds to load where many begin at once on few cores.
    const isKnown = (): boolean => listening.test(this.stderr) || this.#isOver;
    const waited = await vi.waitUntil(isKnown, { timeout: 60_000, interval: 30 }).catch((error: unknown) => error);
    const port = listening.exec(this.stderr)?.[1];
    if (port === undefined) throw new Error(`it ${waited === true ? 'ended' : 'does not listen'}: ${this.stderr}`);
    return Number(port);
  }

  /** Ends it without a warning. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await until(() => this.#isOver, 20);
  }

  terminate(signal: 'SIGTERM' | 'SIGINT' | 'SIGSTOP' | 'SIGCONT' = 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  /** The exit status; `null` where a signal ended it. */
  async ended(): Promise<number | null> {
    await until(() => this.#isOver, 20);
    return this.#child.exitCode;
  }
}

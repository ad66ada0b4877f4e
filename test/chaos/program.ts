import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { neutralEnvironment } from '../support/environment.ts';

/** Only ends a broken run: a program may need a minute to load where many begin at once on few cores. */
const readyWithinMs = 180_000;

/** They end with this process. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

interface ProgramOptions {
  readonly main: string;
  /** The tree that it runs from. */
  readonly folder: string;
  readonly port: number;
  readonly variables: Readonly<Record<string, string>>;
  /** File to which its log is appended. */
  readonly logFile: string;
}

/** A gateway or a publisher as a process of its own, at a port that it has again when it is started again. */
export class Program {
  readonly port: number;
  readonly #child: ChildProcess;
  #isWanted = true;

  constructor({ main, folder, port, variables, logFile }: ProgramOptions) {
    this.port = port;
    const log = openSync(logFile, 'a');
    this.#child = spawn(process.execPath, [main], {
      cwd: folder,
      env: { ...neutralEnvironment(), ...variables },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const child = this.#child;
    running.add(child);
    child.on('exit', () => running.delete(child));
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Whether it ended though nobody had told it to. */
  get hasFailed(): boolean {
    return this.hasEnded && this.#isWanted;
  }

  /** Whether nobody has told it to end. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Asks one of its endpoints; `undefined` where there is no answer within two seconds. */
  async ask(path: string): Promise<{ readonly status: number; readonly text: string } | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.port}${path}`, { signal: AbortSignal.timeout(2_000) });
      return { status: response.status, text: await response.text() };
    } catch {
      return undefined;
    }
  }

  /** Waits until it is ready, or has ended. */
  async ready(withinMs = readyWithinMs): Promise<boolean> {
    const since = performance.now();
    while (performance.now() - since < withinMs && !this.hasEnded) {
      if ((await this.ask('/readyz'))?.status === 200) return true;
      await pause(100);
    }
    return false;
  }

  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** Ends it at once, or in order. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#isWanted = false;
    if (this.hasEnded) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    if (signal === 'SIGKILL') this.#child.kill('SIGCONT');
    await exited;
  }
}

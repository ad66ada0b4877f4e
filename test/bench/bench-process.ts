import assert from 'node:assert/strict';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** A child did not do what it was asked in time, or ended. */
export class BenchProcessFailed extends Error {
  override readonly name = 'BenchProcessFailed';
}

const alive = new Set<BenchProcess>();

/** Ends every child at once: for the harness's own end. */
export function killAll(): void {
  for (const child of alive) child.kill();
}

/** A server or a sink: told by lines on its standard input, answering in lines, observed through /proc. */
export class BenchProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #name: string;
  readonly #lines: string[] = [];
  #ended = false;
  #changed: () => void = () => {};

  constructor(options: {
    readonly name: string;
    readonly command: readonly string[];
    readonly cpu: number | undefined;
    readonly variables?: Readonly<Record<string, string>>;
  }) {
    // taskset replaces itself by the command: the pid is the command's.
    const [program, ...args] = options.cpu === undefined ? options.command : ['taskset', '-c', String(options.cpu), ...options.command];
    assert(program !== undefined);
    this.#name = options.name;
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...options.variables } });
    this.#child.stdin.on('error', () => {});
    const end = (): void => {
      this.#ended = true;
      alive.delete(this);
      this.#changed();
    };
    this.#child.on('error', end);
    this.#child.on('close', end);
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#lines.push(line);
      this.#changed();
    });
    alive.add(this);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /**
   * The next line of its output.
   * @throws BenchProcessFailed when it ends, or the deadline passes, before there is one
   */
  async line(deadlineMs: number): Promise<string> {
    const deadline = AbortSignal.timeout(deadlineMs);
    while (this.#lines.length === 0) {
      if (this.#ended) throw new BenchProcessFailed(`${this.#name} ended early`);
      if (deadline.aborted) throw new BenchProcessFailed(`${this.#name} did not answer within ${deadlineMs} ms`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    const [line] = this.#lines.splice(0, 1);
    assert(line !== undefined);
    return line;
  }

  /**
   * Of all its threads so far, as the scheduler counted it: time on a CPU, and time spent waiting for one, in
   * nanoseconds.
   */
  schedule(): { readonly cpu: number; readonly waiting: number } {
    const tasks = `/proc/${this.#child.pid}/task`;
    let cpu = 0;
    let waiting = 0;
    for (const task of readdirSync(tasks)) {
      const [ran = 0, waited = 0] = readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ').map(Number);
      cpu += ran;
      waiting += waited;
    }
    return { cpu, waiting };
  }

  /** Resident set size in bytes. */
  residentBytes(): number {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'))?.[1];
    assert(kilobytes !== undefined);
    return Number(kilobytes) * 1024;
  }

  /** Ends it by the end of its input; by force after 5 s. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    const ended = new Promise<void>((resolve) => {
      this.#child.once('close', () => resolve());
    });
    const force = setTimeout(() => this.kill(), 5000);
    this.#child.stdin.end();
    await ended;
    clearTimeout(force);
  }
}

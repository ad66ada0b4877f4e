import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { buildCommandLine } from '../../cli/build.ts';
import { neutralEnvironment } from '../support/environment.ts';
import { until } from '../support/websocket.ts';

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. It does not outlive the test. */
export class RunningCommand {
  readonly #child: ChildProcessWithoutNullStreams;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    onTestFinished(() => void child.kill('SIGKILL'));
  }

  /** Waits for words on one of its outputs. */
  async said(words: RegExp): Promise<void> {
    await until(() => words.test(this.stdout) || words.test(this.stderr) || this.#child.exitCode !== null, 30);
    if (!words.test(this.stdout) && !words.test(this.stderr)) throw new Error(`it never said ${words}: ${this.stdout}${this.stderr}`);
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  async ended(): Promise<Ended> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close');
    return { status: this.#child.exitCode, stdout: this.stdout, stderr: this.stderr };
  }
}

/** The built file in a folder of its own, under all of its names, as somebody would put it on the PATH. */
export class InstalledCommandLine {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async install(): Promise<InstalledCommandLine> {
    const folder = await mkdtemp(join(tmpdir(), 'barrage-cli-'));
    await buildCommandLine(folder);
    // A copy of one file: nothing beside it counts.
    await rm(join(folder, 'package.json'));
    for (const name of ['barrage', 'kubectl_complete-barrage']) symlinkSync('kubectl-barrage', join(folder, name));
    return new InstalledCommandLine(folder);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }

  /** Starts a program, with the installed file and this Node first on the PATH. */
  start(
    program: string,
    args: readonly string[],
    variables: Readonly<Record<string, string>> = {},
    input: string | Uint8Array = '',
  ): RunningCommand {
    const path = [this.folder, dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
    const child = spawn(program, args, { env: { ...neutralEnvironment(), PATH: path, ...variables }, stdio: 'pipe' });
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
    return new RunningCommand(child);
  }

  async run(
    program: string,
    args: readonly string[],
    variables: Readonly<Record<string, string>> = {},
    input: string | Uint8Array = '',
  ): Promise<Ended> {
    return this.start(program, args, variables, input).ended();
  }
}

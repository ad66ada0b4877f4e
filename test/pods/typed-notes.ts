import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { expect } from 'vitest';
import { findProgram } from '../cluster/programs.ts';
import type { Cluster } from '../support/cluster.ts';
import { neutralEnvironment } from '../support/environment.ts';
import { freePort } from '../support/free-port.ts';

/**
 * A shell into which the commands of the quickstart's notes are typed as they stand there. Only the ports of this
 * machine are others, since those of the notes may be taken.
 */
export class TypedNotes {
  readonly viewersPort: number;
  /** The address that the notes say to open. */
  readonly page: string;
  readonly #commands: readonly string[];
  readonly #shell: ChildProcessByStdio<Writable, Readable, Readable>;
  #output = '';

  /** @param printed what helm printed */
  static async open(printed: string, cluster: Cluster): Promise<TypedNotes> {
    const notes = printed.slice(printed.indexOf('NOTES:'));
    const [viewers, publish] = [await freePort(), await freePort()];
    const moved = notes
      .replaceAll(/\b6790:6790\b/g, `${viewers}:6790`)
      .replaceAll(/\b6789:6789\b/g, `${publish}:6789`)
      .replaceAll('localhost:6790', `localhost:${viewers}`)
      .replaceAll('localhost:6789', `localhost:${publish}`);
    const path = `${dirname(await findProgram('kubectl'))}:${process.env['PATH'] ?? ''}`;
    return new TypedNotes(moved, viewers, { ...neutralEnvironment(), KUBECONFIG: cluster.kubeconfig, PATH: path });
  }

  private constructor(notes: string, viewersPort: number, env: Readonly<Record<string, string>>) {
    const indented = notes.split('\n').flatMap((line) => (line.startsWith('  ') ? [line.trim()] : []));
    this.#commands = indented.filter((line) => /^(?:kubectl|KEY=|curl) ?/.test(line));
    this.page = indented.find((line) => line.startsWith('http://')) ?? '';
    this.viewersPort = viewersPort;
    // A group of its own: the commands in the background end with it.
    this.#shell = spawn('sh', [], { detached: true, env, stdio: ['pipe', 'pipe', 'pipe'] });
    for (const stream of [this.#shell.stdout, this.#shell.stderr]) stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
  }

  /** Types everything up to the last port-forward. */
  typeUntilForwarded(): void {
    const last = this.#commands.findLastIndex((command) => command.includes('port-forward'));
    this.#type(this.#commands.slice(0, last + 1));
  }

  /** Types what reads the key and publishes. */
  typePublication(): void {
    this.#type(this.#commands.filter((command) => /^(?:KEY=|curl )/.test(command)));
  }

  #type(commands: readonly string[]): void {
    expect(commands.length, this.#output).toBeGreaterThan(1);
    for (const command of commands) this.#shell.stdin.write(`${command}\n`);
  }

  /** Waits until the shell has shown it. @returns all that the shell has shown */
  async said(words: RegExp): Promise<string> {
    await expect.poll(() => this.#output, { timeout: 300_000, interval: 20 }).toMatch(words);
    return this.#output;
  }

  async close(): Promise<void> {
    const ended = once(this.#shell, 'close');
    if (this.#shell.pid !== undefined) process.kill(-this.#shell.pid, 'SIGKILL');
    await ended;
  }
}

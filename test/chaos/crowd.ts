import { fork, type ChildProcess } from 'node:child_process';
import { neutralEnvironment } from '../support/environment.ts';
import type { Collected, ViewerAnswers, ViewerQuestion, ViewerState, ViewerWish } from './viewer-messages.ts';

/** Viewers in processes of their own. */
export class Crowd {
  readonly #processes: readonly ViewerProcess[];
  readonly #homes = new Map<string, ViewerProcess>();
  readonly #wishes = new Map<string, ViewerWish>();
  #next = 0;

  constructor(processes: number) {
    this.#processes = Array.from({ length: processes }, () => new ViewerProcess());
  }

  get size(): number {
    return this.#homes.size;
  }

  get names(): readonly string[] {
    return [...this.#homes.keys()];
  }

  /** Viewers of a channel, as gateways count them: who pulls is no member. */
  members(channel: string): number {
    return [...this.#wishes.values()].filter(({ channels, transport }) => transport !== 'pull' && channels.includes(channel)).length;
  }

  async add(wishes: readonly ViewerWish[]): Promise<void> {
    const parts = new Map<ViewerProcess, ViewerWish[]>();
    for (const wish of wishes) {
      const home = this.#processes[this.#next++ % this.#processes.length]!;
      this.#homes.set(wish.name, home);
      this.#wishes.set(wish.name, wish);
      parts.set(home, [...(parts.get(home) ?? []), wish]);
    }
    await Promise.all([...parts].map(([home, viewers]) => home.ask({ op: 'add', viewers })));
  }

  async remove(names: readonly string[]): Promise<void> {
    await Promise.all(names.map(async (name) => await this.#homes.get(name)?.ask({ op: 'remove', names: [name] })));
    for (const name of names) {
      this.#homes.delete(name);
      this.#wishes.delete(name);
    }
  }

  async states(): Promise<readonly ViewerState[]> {
    return (await Promise.all(this.#processes.map((each) => each.ask({ op: 'states' })))).flat();
  }

  async collect(): Promise<readonly Collected[]> {
    return await Promise.all(this.#processes.map((each) => each.ask({ op: 'collect' })));
  }

  /** What one viewer of each process is told of a channel's members. */
  async counts(channel: string): Promise<readonly (number | undefined)[]> {
    return await Promise.all(this.#processes.map((each) => each.ask({ op: 'counts', channel })));
  }

  /** The process that this number chooses. */
  process(index: number): ViewerProcess {
    return this.#processes[index % this.#processes.length]!;
  }

  get hasFailed(): boolean {
    return this.#processes.some(({ hasEnded }) => hasEnded);
  }

  end(): void {
    for (const each of this.#processes) each.end();
  }
}

/** One process of viewers. */
class ViewerProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #next = 0;

  constructor() {
    this.#child = fork(new URL('viewer-process.ts', import.meta.url), { env: neutralEnvironment(), serialization: 'advanced' });
    this.#child.on('message', ({ id, answer }: { readonly id: number; readonly answer: unknown }) => {
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async ask<Question extends ViewerQuestion>(question: Question): Promise<ViewerAnswers[Question['op']]> {
    const id = this.#next++;
    return await new Promise((resolve, reject) => {
      if (this.hasEnded) {
        reject(new Error('a process of viewers has ended'));
        return;
      }
      this.#waiting.set(id, resolve as (answer: unknown) => void);
      this.#child.send({ id, question });
    });
  }

  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { neutralEnvironment } from '../../support/environment.ts';
import type { Published } from '../outage/account.ts';
import type { Answered, Answers, Asked, Census, CrowdAccount, Question, Return } from './questions.ts';
import type { ClientPlan } from './spectator.ts';

const main = new URL('crowd-main.ts', import.meta.url).pathname;

export interface CrowdOptions {
  /** Processes that the clients are dealt out to. */
  readonly processes?: number;
  /** Clients opened in a second, by all processes together. */
  readonly perSecond?: number;
  /** Program with arguments that runs the processes, such as one that enters a network namespace. */
  readonly through?: readonly string[];
}

/** Clients in processes of their own. They do not outlive the test. */
export class Crowd {
  readonly #processes: readonly CrowdProcess[];

  private constructor(processes: readonly CrowdProcess[]) {
    this.#processes = processes;
  }

  /** Opens the clients; does not wait until they are subscribed. */
  static async open(plans: readonly ClientPlan[], { processes = 1, perSecond = 1000, through = [] }: CrowdOptions = {}): Promise<Crowd> {
    const crowd = new Crowd(Array.from({ length: processes }, () => new CrowdProcess(through)));
    await Promise.all(
      crowd.#processes.map((each, index) => {
        const own = plans.filter((_, place) => place % processes === index);
        return each.ask({ kind: 'open', plans: own, perSecond: perSecond / processes });
      }),
    );
    return crowd;
  }

  async census(): Promise<Census> {
    const all = await this.#askAll({ kind: 'census' });
    const sum = (of: (each: Census) => number): number => all.reduce((total, each) => total + of(each), 0);
    return {
      clients: sum(({ clients }) => clients),
      subscribed: sum(({ subscribed }) => subscribed),
      absences: sum(({ absences }) => absences),
      away: sum(({ away }) => away),
      heardLeast: Math.min(...all.map(({ heardLeast }) => heardLeast)),
    };
  }

  async account(published: readonly Published[]): Promise<CrowdAccount> {
    const all = await this.#askAll({ kind: 'account', published });
    const sum = (of: (each: CrowdAccount) => number): number => all.reduce((total, each) => total + of(each), 0);
    return {
      received: sum(({ received }) => received),
      twice: sum(({ twice }) => twice),
      refused: sum(({ refused }) => refused),
      disordered: sum(({ disordered }) => disordered),
      untold: sum(({ untold }) => untold),
      missed: sum(({ missed }) => missed),
      leftOut: sum(({ leftOut }) => leftOut),
      gaps: sum(({ gaps }) => gaps),
      examples: all.flatMap(({ examples }) => examples),
    };
  }

  /** The last absence of each client that was away and is back. */
  async returns(published: readonly Published[]): Promise<readonly Return[]> {
    return (await this.#askAll({ kind: 'returns', published })).flat();
  }

  /** Times from the acceptance of these publications until each client had them, in milliseconds. */
  async delays(published: readonly Published[]): Promise<readonly number[]> {
    return (await this.#askAll({ kind: 'delays', published })).flat();
  }

  /** The clients leave in order. */
  async leave(): Promise<void> {
    await this.#askAll({ kind: 'close' });
  }

  /** Stops the processes where they stand, as a closed lid does, or lets them go on. */
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    for (const each of this.#processes) each.signal(name);
  }

  async #askAll<Kind extends Question['kind']>(question: Question & { readonly kind: Kind }): Promise<readonly Answers[Kind][]> {
    return await Promise.all(this.#processes.map((each) => each.ask<Kind>(question)));
  }
}

class CrowdProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { readonly resolve: (answer: never) => void; readonly reject: (error: Error) => void }>();
  #lastId = 0;

  constructor([program, ...args]: readonly string[]) {
    const way = program === undefined ? {} : { execPath: program, execArgv: [...args, process.execPath] };
    this.#child = fork(main, [], { env: { ...neutralEnvironment() }, serialization: 'advanced', execArgv: [], ...way });
    this.#child.on('message', ({ id, answer }: Answered) => {
      this.#waiting.get(id)?.resolve(answer as never);
      this.#waiting.delete(id);
    });
    this.#child.on('error', () => {});
    this.#child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the process of the clients has ended'));
    });
    onTestFinished(async () => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
      this.#child.kill('SIGKILL');
      await once(this.#child, 'exit');
    });
  }

  async ask<Kind extends Question['kind']>(question: Question & { readonly kind: Kind }): Promise<Answers[Kind]> {
    const id = ++this.#lastId;
    return await new Promise<Answers[Kind]>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, question } satisfies Asked, (error) => error !== null && reject(error));
    });
  }

  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#child.kill(name);
  }
}

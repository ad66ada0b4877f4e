import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Standalone } from '../../standalone/standalone.ts';
import { Balancer } from '../support/balancer.ts';
import { launchChromium } from '../support/chromium.ts';
import { neutralEnvironment } from '../support/environment.ts';
import { askPublisher, startForTest } from '../support/standalone.ts';
import { until } from '../support/websocket.ts';

/** Where the examples look for a gateway. */
const gatewayOfExamples = 'localhost:6790';

/**
 * What the tests of examples play in: an all-in-one process on any ports, a browser that finds it at `localhost:6790`,
 * and the servers of the examples.
 */
export class ExampleStage {
  readonly #standalones: Standalone[] = [];
  readonly #balancer: Balancer;
  readonly #browser: Browser;
  readonly #context: BrowserContext;
  readonly #children: ChildProcess[] = [];

  private constructor(balancer: Balancer, browser: Browser, context: BrowserContext) {
    this.#balancer = balancer;
    this.#browser = browser;
    this.#context = context;
  }

  static async open(variables: Readonly<Record<string, string>> = {}): Promise<ExampleStage> {
    const balancer = await Balancer.start([]);
    const browser = await launchChromium([`--host-resolver-rules=MAP ${gatewayOfExamples} 127.0.0.1:${balancer.port}`]);
    const stage = new ExampleStage(balancer, browser, await browser.newContext());
    await stage.serve(variables);
    return stage;
  }

  /** Starts an all-in-one process; from now on it is the one at `localhost:6790`. */
  async serve(variables: Readonly<Record<string, string>>): Promise<void> {
    const standalone = await startForTest(variables);
    this.#standalones.push(standalone);
    this.#balancer.backends = [standalone.gatewayPort];
  }

  get publisherUrl(): string {
    return `http://127.0.0.1:${this.#standalones.at(-1)?.publisherPort}`;
  }

  /** Publishes as a backend does. @returns the members that it was for */
  async publish(channel: string, payload: object | string): Promise<number> {
    const body = { c: channel, d: typeof payload === 'string' ? payload : JSON.stringify(payload) };
    const answer = await askPublisher(this.#standalones.at(-1)?.publisherPort ?? 0, '/v1/mesh/publish', body);
    if (answer.r === undefined) throw new Error(JSON.stringify(answer));
    return answer.r.s;
  }

  /** Cuts off every client, does something meanwhile, and lets them come back. */
  async whileCutOff(meanwhile: () => Promise<unknown>): Promise<void> {
    const { backends } = this.#balancer;
    this.#balancer.backends = [];
    this.#balancer.cut();
    await meanwhile();
    this.#balancer.backends = backends;
  }

  /** Opens a page. Its errors, and what it writes to the console as one, are collected. */
  async page(url: string): Promise<{ readonly page: Page; readonly faults: readonly string[] }> {
    const page = await this.#context.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(url);
    return { page, faults };
  }

  /**
   * Starts a program, which ends with the stage.
   * @param says what it says when it is ready: the first group is its port
   * @returns the address of its pages
   */
  async run(
    command: readonly [program: string, ...args: string[]],
    says: RegExp,
    { folder = '.', variables = {} }: { readonly folder?: string; readonly variables?: Readonly<Record<string, string>> } = {},
  ): Promise<string> {
    const [program, ...args] = command;
    const child = spawn(program, args, { cwd: folder, env: { ...neutralEnvironment(), ...variables }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.push(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(() => says.test(said) || child.exitCode !== null, 30);
    const port = says.exec(said)?.[1];
    if (port === undefined) throw new Error(`${command.join(' ')} ended: ${said}`);
    return `http://localhost:${port}/`;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill();
      await once(child, 'exit');
    }
    await this.#balancer[Symbol.asyncDispose]();
    await Promise.all(this.#standalones.map((standalone) => standalone.close()));
  }
}

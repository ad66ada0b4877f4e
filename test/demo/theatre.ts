import type { Browser, Page } from 'playwright-core';
import type { Standalone } from '../../standalone/standalone.ts';
import { launchChromium } from '../support/chromium.ts';
import { askPublisher, startForTest } from '../support/standalone.ts';

/** What a page tells of itself, for watching that it stays bounded. */
export interface Inside {
  readonly flying: number;
  readonly waiting: number;
  readonly spare: number;
  readonly backlog: number;
  readonly feed: number;
  readonly subscribed: boolean;
  readonly held: number;
  readonly tally: { readonly publications: number; readonly likes: number; readonly notShown: number; readonly gaps: number };
}

/** The whole platform in this process, and a browser before it: what the demo's tests play in. */
export class Theatre {
  #standalone: Standalone;
  readonly #browser: Browser;

  #pages: Page[] = [];

  private constructor(standalone: Standalone, browser: Browser) {
    this.#standalone = standalone;
    this.#browser = browser;
  }

  /** @param policyFile path of a policy file; none: the all-in-one's own policies, where the pages may publish. */
  static async open(policyFile = ''): Promise<Theatre> {
    const standalone = await startForTest({ BARRAGE_POLICY_FILE: policyFile });
    try {
      return new Theatre(standalone, await launchChromium());
    } catch (error) {
      await standalone.close();
      throw error;
    }
  }

  get url(): string {
    return `http://localhost:${this.#standalone.gatewayPort}`;
  }

  /**
   * Opens a page in a context of its own and waits until it is connected (the screen: subscribed).
   * Errors of the page are collected on `faults`: a test ends with none.
   */
  async page(
    path: string,
    options: {
      readonly width?: number;
      readonly height?: number;
      readonly reducedMotion?: 'reduce';
      /** Called before the page is opened. */
      readonly before?: (page: Page) => Promise<void>;
    } = {},
  ): Promise<{ readonly page: Page; readonly faults: string[] }> {
    const { width = 1280, height = 800, reducedMotion } = options;
    const page = await this.#browser.newPage({ viewport: { width, height }, ...(reducedMotion === undefined ? {} : { reducedMotion }) });
    const faults: string[] = [];
    this.#pages.push(page);
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(this.url)) faults.push(`the page asked for ${request.url()}`);
    });
    await options.before?.(page);
    await page.goto(`${this.url}${path}`);
    await page.locator('#status[data-state=open]').waitFor();
    return { page, faults };
  }

  /** Publishes as a backend does; resolves with the members that the publication was for. */
  async publish(payload: object | string, channel = 'video:1'): Promise<number> {
    const body = { c: channel, d: typeof payload === 'string' ? payload : JSON.stringify(payload) };
    const answer = await askPublisher(this.#standalone.publisherPort, '/v1/mesh/publish', body);
    if (answer.r === undefined) throw new Error(JSON.stringify(answer));
    return answer.r.s;
  }

  /** Publishes many, so many at a time, in order within each lane. */
  async publishAll(payloads: readonly (object | string)[], lanes = 16): Promise<void> {
    const left = payloads.values();
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        for (const payload of left) await this.publish(payload);
      }),
    );
  }

  /** Publishes until the screen has joined the channel: its members are counted by the answer. */
  async awaitMembers(count: number): Promise<void> {
    const response = async (): Promise<number> => this.publish({ like: true });
    while ((await response()) !== count) await new Promise((resolve) => setTimeout(resolve, 25));
  }

  /** Ends the whole platform, and starts it again on the same ports after `between`. */
  async restart(between: () => Promise<void>): Promise<void> {
    const { gatewayPort, publisherPort } = this.#standalone;
    await this.#standalone.close();
    await between();
    this.#standalone = await startForTest({ BARRAGE_GATEWAY_PORT: String(gatewayPort), BARRAGE_PUBLISHER_PORT: String(publisherPort) });
  }

  /** Closes every page: the next test has the channel to itself. */
  async clear(): Promise<void> {
    await Promise.all(this.#pages.map((page) => page.close()));
    this.#pages = [];
    while ((await this.publish({ like: true })) > 0) await new Promise((resolve) => setTimeout(resolve, 25));
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#standalone.close();
  }
}

/** For `expect.poll`: the machine may be busy. */
export const within = { timeout: 15_000 } as const;

export function inside(page: Page): Promise<Inside> {
  return page.evaluate(() => (globalThis as unknown as { barrageDemo: { inside(): Inside } }).barrageDemo.inside());
}

/** Waits until what the page tells of itself fulfils a condition. */
export async function until(page: Page, condition: (state: Inside) => boolean): Promise<Inside> {
  for (;;) {
    const state = await inside(page);
    if (condition(state)) return state;
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

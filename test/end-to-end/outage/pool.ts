import { onTestFinished } from 'vitest';
import { TestProcess } from '../../support/process.ts';
import { policyFile } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';
import { Backend } from '../backend.ts';
import type { Published } from './account.ts';
import { PlainViewer, SdkViewer, type Viewer } from './viewers.ts';

/** Channels without a history, and with one. */
export const channels = ['live:1', 'live:2', 'kept:1', 'kept:2'] as const;
const policies = `
channels:
  - channel: live:*
    merge: { windowMilliseconds: 50 }
  - channel: kept:*
    merge: { windowMilliseconds: 50 }
    history: { size: 5000, ttlSeconds: 600 }
  - channel: held:*
    limits: { publishHoldMs: 10000 }
`;

/** Settings by which a process reaches Redis. */
export type Way = Readonly<Record<string, string>>;

/** Gateways and publishers as processes, with clients of both kinds on each gateway and a backend at each publisher. */
export class Pool {
  readonly #backend = new Backend();
  readonly gateways: readonly TestProcess[];
  readonly viewersOf: readonly (readonly Viewer[])[];
  readonly #publishers: readonly number[];
  readonly #processes: readonly TestProcess[];
  readonly #adminPorts: readonly number[];
  readonly #questions = new Set<Promise<void>>();
  /** Answers of `/livez` other than 200, and questions without an answer. */
  readonly unalive: string[] = [];
  #stop = (): void => {};

  private constructor(parts: {
    readonly gateways: readonly TestProcess[];
    readonly publishers: readonly TestProcess[];
    readonly ports: readonly number[];
    readonly viewersOf: readonly (readonly Viewer[])[];
  }) {
    const { gateways, publishers, ports, viewersOf } = parts;
    this.gateways = gateways;
    this.viewersOf = viewersOf;
    this.#publishers = ports.slice(gateways.length);
    this.#processes = [...gateways, ...publishers];
    this.#adminPorts = ports;
  }

  /** Starts a gateway and a publisher for each way, and waits until every client is subscribed. */
  static async start(ways: { readonly gateways: readonly Way[]; readonly publishers: readonly Way[] }): Promise<Pool> {
    const common = {
      BARRAGE_GATEWAY_PORT: '0',
      BARRAGE_PUBLISHER_PORT: '0',
      BARRAGE_POLICY_FILE: await policyFile(policies),
    };
    const start = (main: string) => (way: Way) => new TestProcess(main, { ...common, ...way });
    const gateways = ways.gateways.map(start('gateway/main.ts'));
    const publishers = ways.publishers.map(start('publisher/main.ts'));
    const ports = await Promise.all([...gateways, ...publishers].map((each) => each.port()));
    const viewersOf = await Promise.all(
      gateways.map(async (_, index) => [
        ...Array.from({ length: 4 }, () => new SdkViewer(ports[index]!, channels)),
        ...(await Promise.all(Array.from({ length: 2 }, () => PlainViewer.open(ports[index]!, channels)))),
      ]),
    );
    const pool = new Pool({ gateways, publishers, ports, viewersOf });
    onTestFinished(() => pool.stop());
    await until(() => pool.viewers.every(({ isSubscribed }) => isSubscribed), 20);
    return pool;
  }

  get published(): readonly Published[] {
    return this.#backend.published;
  }

  get viewers(): readonly Viewer[] {
    return this.viewersOf.flat();
  }

  /** A client comes to the first gateway. It is not one of the viewers. */
  join(wanted: readonly string[] = channels): Viewer {
    return new SdkViewer(this.#adminPorts[0]!, wanted);
  }

  /** Processes that have ended. */
  get ended(): number {
    return this.#processes.filter(({ hasEnded }) => hasEnded).length;
  }

  /** Starts the load, and waits until everybody gets something of every channel. */
  async flow(perSecond: number): Promise<void> {
    this.#load(perSecond);
    await until(() => this.viewers.every((viewer) => channels.every((channel) => viewer.told(channel).length > 5)), 20);
  }

  /** Publishes to all channels in turn at each publisher, and asks each process whether it is alive, until `stop`. */
  #load(perSecond: number): void {
    for (const port of this.#publishers) this.#backend.load({ perSecond, channels, port });
    const timer = setInterval(() => {
      for (const port of this.#adminPorts) this.#questions.add(this.#ask(port));
    }, 500);
    this.#stop = (): void => clearInterval(timer);
  }

  /** Publishes the next number; resolves with what was answered. */
  async publish(channel: string): Promise<Published> {
    return await this.#backend.publish(channel, this.#publishers[0]!);
  }

  /** Ends the load, and waits for the answers. */
  async stop(): Promise<void> {
    this.#stop();
    await this.#backend.stop();
    await Promise.all(this.#questions);
  }

  async #ask(port: number): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${port}/livez`).then(({ status }) => String(status), String);
    if (answer !== '200') this.unalive.push(answer);
  }
}

import { onTestFinished } from 'vitest';
import { Barrage, type Gap, type Subscription } from '../../client/barrage.ts';
import { readAdminStatus, type AdminStatus } from '../../core/pool/admin-status.ts';
import { signCommand } from '../../core/pool/drain-command.ts';
import { policiesHash, signDocument, type PoolBus } from '../../core/pool/pool-document.ts';
import { isOrderOf, type Position } from '../../core/publication.ts';
import { openPolicies } from '../support/gateway-pool.ts';
import { gatewayNamed, poolDocument, poolKeys } from '../support/pool-document.ts';
import { TestProcess } from '../support/process.ts';
import { until } from '../support/websocket.ts';

export const channel = 'video:1';
/** Time between two looks at all processes, in milliseconds. */
const lookMs = 50;

/** The way to a bus, as values of BARRAGE_REDIS_URL and so on. */
export type BusAccess = Readonly<Partial<Record<'URL' | 'MODE' | 'PREFIX', string>>>;

function variablesOf(beginning: 'BARRAGE_REDIS' | 'BARRAGE_PREVIOUS_REDIS', access: BusAccess): Record<string, string> {
  return Object.fromEntries(Object.entries(access).map(([name, value]) => [`${beginning}_${name}`, value]));
}

/** A gateway or publisher as a process of its own, in a pool whose operator is the test. */
export class PoolProcess {
  readonly name: string;
  readonly role: 'gateway' | 'publisher';
  readonly process: TestProcess;
  port = 0;
  adminPort = 0;

  constructor(role: 'gateway' | 'publisher', name: string, variables: Readonly<Record<string, string>>) {
    this.role = role;
    this.name = name;
    this.process = new TestProcess(`${role}/main.ts`, {
      BARRAGE_GATEWAY_PORT: '0',
      BARRAGE_PUBLISHER_PORT: '0',
      BARRAGE_ADMIN_PORT: '0',
      BARRAGE_GATEWAY_NAME: name,
      BARRAGE_POD_UID: `uid-${name}`,
      BARRAGE_DRAIN_MS: '0',
      BARRAGE_BACKOFF_BASE_MS: '50',
      BARRAGE_BACKOFF_CAP_MS: '500',
      ...variables,
    });
  }

  async listens(): Promise<this> {
    this.port = await this.process.port();
    this.adminPort = Number(/"adminPort":(\d+)/.exec(this.process.stderr)?.[1]);
    return this;
  }

  async status(): Promise<AdminStatus> {
    const text = await this.#ask('admin/v1/status');
    const status = readAdminStatus(text);
    if (status === undefined) throw new Error(`no status: ${text}`);
    return status;
  }

  /** A sample of `/metrics`. */
  async metric(sample: string): Promise<number> {
    const line = (await this.#ask('metrics')).split('\n').find((each) => each.startsWith(`${sample} `));
    return Number(line?.slice(sample.length));
  }

  async put(path: 'pool' | 'drain', body: string): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}/admin/v1/${path}`, { method: 'PUT', body });
    if (response.status !== 200) throw new Error(await response.text());
  }

  async #ask(path: string): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.adminPort}/${path}`)).text();
  }
}

/** A pool whose test tells its processes of a change from bus `a` to bus `b`. */
export class ChangingPool {
  readonly #keys = poolKeys();
  readonly #a: BusAccess;
  readonly #b: BusAccess;
  #epoch = 0;
  processes: readonly PoolProcess[] = [];

  constructor(a: BusAccess, b: BusAccess) {
    this.#a = a;
    this.#b = b;
  }

  /** @param age 'old': made before the change, with `a` alone */
  async start(role: 'gateway' | 'publisher', name: string, age: 'old' | 'new'): Promise<PoolProcess> {
    const process = new PoolProcess(role, name, {
      BARRAGE_POOL_PUBLIC_KEY: this.#keys.publicKeyPem,
      ...variablesOf('BARRAGE_REDIS', age === 'old' ? this.#a : this.#b),
      BARRAGE_BUS: age === 'old' ? 'a' : 'b',
      ...(age === 'old' ? {} : { BARRAGE_PREVIOUS_BUS: 'a', ...variablesOf('BARRAGE_PREVIOUS_REDIS', this.#a) }),
    });
    await process.listens();
    this.processes = [...this.processes, process];
    return process;
  }

  /** Tells the processes one after the other, so that some follow while others do not yet. */
  async tell(bus: PoolBus, options: { readonly pauseMs?: number; readonly draining?: readonly PoolProcess[] } = {}): Promise<void> {
    const epoch = ++this.#epoch;
    const gateways = this.processes
      .filter(({ role }) => role === 'gateway')
      .map(({ name, port }) => {
        const isDraining = options.draining?.some((process) => process.name === name) === true;
        return gatewayNamed(name, { url: `ws://127.0.0.1:${port}/`, state: isDraining ? 'draining' : 'serving' });
      });
    const document = poolDocument({ epoch, gateways, policies: { hash: policiesHash([openPolicies]), parts: 1 }, bus });
    const body = JSON.stringify({ envelope: signDocument(document, this.#keys.privateKeyPem), policies: [openPolicies] });
    for (const process of this.processes) {
      await process.put('pool', body);
      await sleep(options.pauseMs ?? 0);
    }
  }

  /** Moves the clients of a gateway to the others. */
  async drain(gateway: PoolProcess): Promise<void> {
    const command = { command: 'drain', gateway: `uid-${gateway.name}`, issuedAt: Date.now(), connectionsPerSecond: 100 } as const;
    await gateway.put('drain', signCommand({ ...command, deadlineSeconds: 60 }, this.#keys.privateKeyPem));
    await until(async () => (await gateway.status()).drain.state === 'drained', lookMs);
  }

  async remove(...gone: readonly PoolProcess[]): Promise<void> {
    this.processes = this.processes.filter((process) => !gone.includes(process));
    await Promise.all(gone.map(({ process }) => process.kill()));
  }

  /** Waits as an operator does before the next stage. */
  async untilAll(condition: (status: AdminStatus) => boolean): Promise<void> {
    await until(async () => (await Promise.all(this.processes.map((process) => process.status()))).every(condition), lookMs);
  }

  untilUpOn(id: string): Promise<void> {
    return this.untilAll(({ bus }) => bus?.listening.some((each) => each.id === id && each.up) === true);
  }

  untilPublishingTo(id: string): Promise<void> {
    return this.untilAll(({ bus }) => bus?.publishTo === id);
  }
}

interface Published {
  readonly text: string;
  readonly epoch: string;
  readonly offset: number;
  /** Members that the publisher counted; absent for a client's publication. */
  readonly members?: number;
}

/** Publishes 200 times a second, by all publishers in turn, and by clients besides. */
export class Load {
  readonly published: Published[] = [];
  readonly failures: string[] = [];
  publishers: readonly PoolProcess[];
  writers: readonly Barrage[] = [];
  #count = 0;
  readonly #underWay = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;

  constructor(publishers: readonly PoolProcess[]) {
    this.publishers = publishers;
    this.#timer = setInterval(() => {
      for (let each = 0; each < 5; each++) this.#start(this.#publish(`p${this.#count++}`));
      for (const writer of this.writers) this.#start(this.#write(writer, `w${this.#count++}`));
    }, 25);
    onTestFinished(() => clearInterval(this.#timer));
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
  }

  #start(work: Promise<void>): void {
    const ended = work.catch((error: unknown) => void this.failures.push(String(error))).finally(() => this.#underWay.delete(ended));
    this.#underWay.add(ended);
  }

  async #publish(text: string): Promise<void> {
    const publisher = this.publishers[this.#count % this.publishers.length]!;
    const r = await ask(publisher, 'publish', { c: channel, d: text });
    this.published.push({ text, epoch: r['epoch'] as string, offset: r['offset'] as number, members: r['s'] as number });
  }

  async #write(writer: Barrage, text: string): Promise<void> {
    this.published.push({ text, ...(await writer.publish(channel, text)) });
  }
}

/** Asks a publisher. @throws with its answer where it refuses */
export async function ask(
  publisher: PoolProcess,
  method: 'publish' | 'send',
  body: Readonly<Record<string, string>>,
): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${publisher.port}/v1/mesh/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const { r, E } = (await response.json()) as { readonly r?: Record<string, unknown>; readonly E: unknown };
  if (r === undefined) throw new Error(`${publisher.name}: ${JSON.stringify(E)}`);
  return r;
}

/** A client with the SDK that keeps what it is told. */
export class Viewer {
  readonly barrage: Barrage;
  readonly name: string;
  readonly heard = new Map<string, number>();
  readonly gaps: Gap[] = [];
  readonly direct: string[] = [];
  id = '';
  /** Publications from this index on were made after it had subscribed. */
  since = 0;
  readonly #subscription: Subscription;

  private constructor(name: string, port: number) {
    this.name = name;
    this.barrage = new Barrage(`ws://127.0.0.1:${port}/`);
    onTestFinished(() => this.barrage.close());
    this.barrage.on('hello', ({ client }) => (this.id = client));
    this.barrage.on('direct', ({ data }) => this.direct.push(String(data)));
    this.barrage.on('error', () => undefined);
    this.barrage.on('gap', (gap) => this.gaps.push(gap));
    this.#subscription = this.barrage.subscribe(channel);
    this.#subscription.on('publication', ({ data }) => this.heard.set(String(data), (this.heard.get(String(data)) ?? 0) + 1));
  }

  static async open(name: string, gateway: PoolProcess): Promise<Viewer> {
    const viewer = new Viewer(name, gateway.port);
    await until(() => viewer.#subscription.state === 'subscribed');
    return viewer;
  }

  /** Of these publications: those that it did not get, and of them those that lie in no gap that it was told of. */
  account(published: readonly Published[]): {
    readonly missing: readonly string[];
    readonly hidden: readonly string[];
    readonly doubles: number;
  } {
    const missing = published.filter(({ text }) => !this.heard.has(text));
    const told = toldSpans(this.gaps);
    const hidden = missing.filter(
      ({ epoch, offset }) => !told.some((span) => isOrderOf(span, epoch) && offset > span.offset && offset <= span.upto),
    );
    let doubles = 0;
    for (const count of this.heard.values()) doubles += count - 1;
    return { missing: missing.map(({ text }) => text), hidden: hidden.map(({ text }) => text), doubles };
  }

  /** The gaps in short. */
  get told(): readonly string[] {
    return this.gaps.map(
      ({ from, to, reason }) => `${reason} ${from?.epoch.slice(0, 4)}:${from?.offset}→${to.epoch.slice(0, 4)}:${to.offset}`,
    );
  }
}

/**
 * The spans (offset, upto] that gaps tell of. A gap to another order leaves its own order open at the end: the span
 * ends where a later gap leads back to that order.
 */
function toldSpans(gaps: readonly Gap[]): readonly (Position & { readonly upto: number })[] {
  const left = new Map<string, number>();
  const spans: (Position & { readonly upto: number })[] = [];
  for (const { from, to } of gaps) {
    const isSameOrder = from !== undefined && isOrderOf(from, to.epoch);
    if (from !== undefined && !isSameOrder) left.set(from.epoch, from.offset);
    const offset = isSameOrder ? from.offset : (left.get(to.epoch) ?? 0);
    left.delete(to.epoch);
    spans.push({ epoch: to.epoch, offset, upto: to.offset });
  }
  for (const [epoch, offset] of left) spans.push({ epoch, offset, upto: Infinity });
  return spans;
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Barrage } from '../../../client/barrage.ts';
import { formVariable } from '../../suite.ts';
import { until } from '../../support/websocket.ts';
import { recordDials, type Dial } from './dials.ts';
import { haproxyEdge, nginxEdge, trustedCertificates, type Edge } from './edges.ts';
import { channel, startSite, Viewer, type Site } from './last-mile-pool.ts';

const isLong = process.env[formVariable] === 'long';
/** Clients behind each proxy. */
const clients = isLong ? 300 : 20;
/** Time after a reload at which a proxy that has a limit cuts what is left, in seconds. */
const limitSeconds = isLong ? 60 : 8;
/** Nobody is connected for longer, where the gateways have a greatest age: it ends before the limit does. */
const ageSeconds = limitSeconds / 2;
/** In the short form, a process that stands still for seconds reaches the limit before its clients have left. */
const tolerated = isLong ? 0 : clients / 2;
const podUrls = { a: 'ws://192.0.2.1:6790/', b: 'ws://192.0.2.2:6790/' };

/** What one reload did to the clients of one proxy. */
interface Effect {
  /** Times that a client had no connection. A client that was moving has another one already. */
  readonly cut: number;
  readonly codes: readonly number[];
  /** First and last cut after the reload, in milliseconds. */
  readonly cutAfterMs: readonly [number, number] | undefined;
  /** Without a connection, in milliseconds. */
  readonly backP50Ms: number | undefined;
  readonly backP99Ms: number | undefined;
  /** End of the last worker from before the reload, in milliseconds after it. */
  readonly endedAfterMs: number | undefined;
}

/** A proxy with its clients, before and after a reload. */
class Scene {
  readonly name: string;
  /** Whether the proxy cuts everybody at its limit. */
  readonly isCut: boolean;
  readonly hasLimit: boolean;
  /** A gateway behind the proxy. */
  readonly gatewayPort: number;
  readonly viewers: Viewer[] = [];
  readonly #edge: Edge;
  readonly #dials: readonly Dial[];
  #reloadedAt = 0;
  #former: readonly number[] = [];
  #endedAfterMs: number | undefined;

  constructor(of: { name: string; edge: Edge; dials: readonly Dial[]; isCut: boolean; hasLimit: boolean; gatewayPort: number }) {
    this.name = of.name;
    this.isCut = of.isCut;
    this.hasLimit = of.hasLimit;
    this.gatewayPort = of.gatewayPort;
    this.#edge = of.edge;
    this.#dials = of.dials;
  }

  /** Lets the clients come, and waits until they are there. */
  async gather(): Promise<void> {
    while (this.viewers.length < clients) {
      this.viewers.push(...Array.from({ length: Math.min(50, clients - this.viewers.length) }, () => new Viewer(this.#url)));
      await expect.poll(() => this.areAllThere, { timeout: 60_000, interval: 50 }).toBe(true);
    }
  }

  get areAllThere(): boolean {
    return this.viewers.every(({ isSubscribed }) => isSubscribed);
  }

  async reload(): Promise<void> {
    this.#former = await this.#edge.workers();
    this.#reloadedAt = performance.now();
    this.#edge.reload();
  }

  /** Whether the workers from before the reload have ended: they hold no client any more. */
  async hasFormerEnded(): Promise<boolean> {
    if (this.#endedAfterMs !== undefined) return true;
    const workers = await this.#edge.workers();
    if (this.#former.some((pid) => workers.includes(pid))) return false;
    this.#endedAfterMs = performance.now() - this.#reloadedAt;
    return true;
  }

  close(): void {
    for (const { client } of this.viewers) client.close();
  }

  get #url(): string {
    return `wss://localhost:${this.#edge.port}/`;
  }

  /** Connections that were open at the reload or later, and that did not end in order. */
  get effect(): Effect {
    const mine = this.#dials.filter(({ url }) => url === this.#url);
    const cuts = mine.flatMap(({ end }) => (end?.wasOpen === true && end.code !== 1000 ? [end] : []));
    const after = cuts.map(({ at }) => at - this.#reloadedAt);
    const back = this.viewers.flatMap(({ absences }) => absences.map(({ ms }) => ms ?? Infinity));
    return {
      cut: back.length,
      codes: back.length === 0 ? [] : [...new Set(cuts.map(({ code }) => code))],
      cutAfterMs: back.length === 0 ? undefined : [Math.min(...after), Math.max(...after)],
      backP50Ms: quantile(back, 0.5),
      backP99Ms: quantile(back, 0.99),
      endedAfterMs: this.#endedAfterMs,
    };
  }
}

function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}

/** Publishes one after the other until it is stopped; says how many. */
function startWriting(port: number): () => Promise<number> {
  const writer = new Barrage(`ws://127.0.0.1:${port}/`);
  onTestFinished(() => writer.close());
  let isWriting = true;
  const writing = (async (): Promise<number> => {
    await until(() => writer.state === 'open', 50);
    let last = 0;
    while (isWriting) {
      // A writer that moves for its age repeats what was not answered.
      const answer = await writer.publish(channel, 'x', { idempotencyKey: `number-${last}` }).catch(() => undefined);
      last = answer?.offset ?? last;
      await pause(100);
    }
    return last;
  })();
  return async () => {
    isWriting = false;
    return writing;
  };
}

/** Reloads the proxies of these scenes together, and waits until their limits are over and everybody is back. */
async function reloadAll(scenes: readonly Scene[]): Promise<void> {
  for (const scene of scenes) await scene.gather();
  const gatewayPorts = [...new Set(scenes.map(({ gatewayPort }) => gatewayPort))];
  const writings = new Map(gatewayPorts.map((port) => [port, startWriting(port)]));
  for (const scene of scenes) await scene.reload();
  const haveFormerEnded = (): Promise<readonly boolean[]> => Promise.all(scenes.map((scene) => scene.hasFormerEnded()));
  const limitAt = performance.now() + 1_000 * limitSeconds;
  while (performance.now() < limitAt) {
    await haveFormerEnded();
    await pause(250);
  }
  // Workers without a limit go on, with their clients. The others have ended, and hold nobody who could yet be cut.
  await expect.poll(haveFormerEnded, { timeout: 60_000, interval: 250 }).toEqual(scenes.map(({ hasLimit }) => hasLimit));
  const cut = scenes.filter(({ isCut }) => isCut);
  const left = (): readonly number[] => cut.map(({ viewers }) => viewers.filter(({ absences }) => absences.length === 0).length);
  await expect.poll(left, { timeout: 60_000, interval: 100 }).toEqual(cut.map(() => 0));
  await expect.poll(() => scenes.every(({ areAllThere }) => areAllThere), { timeout: 60_000, interval: 100 }).toBe(true);
  for (const [port, stop] of writings) {
    const last = await stop();
    for (const scene of scenes.filter(({ gatewayPort }) => gatewayPort === port)) {
      await until(() => scene.viewers.every(({ offsets }) => offsets.at(-1) === last), 20);
      process.stdout.write(`${scene.name}: ${JSON.stringify(scene.effect)}\n`);
      expect(scene.viewers.flatMap(({ gaps }) => gaps)).toEqual([]);
      expect(scene.viewers.reduce((sum, viewer) => sum + viewer.faultsUpTo(last), 0)).toBe(0);
      if (!scene.isCut) expect(scene.effect.cut, scene.name).toBeLessThanOrEqual(scene.hasLimit ? tolerated : 0);
    }
  }
  for (const scene of scenes) scene.close();
}

test(
  'a reload cuts nobody, or everybody at the limit of the proxy, or nobody where connections have an age below it; nothing is missed',
  { timeout: 180_000 + 12_000 * limitSeconds },
  async () => {
    const certificates = await trustedCertificates();
    const dials = recordDials();
    const site = await startSite(podUrls);
    const young = await startSite(podUrls, {}, { connectionAgeMaxSeconds: ageSeconds });
    const limits = { nginx: `worker_shutdown_timeout ${limitSeconds}s;`, haproxy: `hard-stop-after ${limitSeconds}s` };
    const scene = async (proxy: 'nginx' | 'haproxy', of: Site, hasLimit: boolean): Promise<Scene> => {
      const behind = { ...of, idleSeconds: 75, ...(hasLimit ? { more: limits[proxy] } : {}) };
      const edge = await (proxy === 'nginx' ? nginxEdge : haproxyEdge)(certificates, behind);
      const name = `${proxy}${hasLimit ? `, ${limits[proxy]}` : ''}${of === young ? `, age of ${ageSeconds} s` : ''}`;
      return new Scene({ name, edge, dials, isCut: hasLimit && of === site, hasLimit, gatewayPort: of.gateways[0].port });
    };
    const proxies = ['nginx', 'haproxy'] as const;
    const groups: Scene[][] = [];
    for (const [of, hasLimit] of [
      [site, false],
      [site, true],
      [young, true],
    ] as const) {
      const group = [];
      for (const proxy of proxies) group.push(await scene(proxy, of, hasLimit));
      groups.push(group);
    }
    // Hundreds of clients at a time are enough for one process.
    for (const group of isLong ? groups : [groups.flat()]) await reloadAll(group);
  },
);

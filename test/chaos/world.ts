import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../support/free-port.ts';
import { channelPlans } from './channels.ts';
import { Crowd } from './crowd.ts';
import { Load } from './load.ts';
import { stall } from './explanation.ts';
import { deeds, isOnRedis, type Action, type Deed, type RedisDeed, type RedisMode } from './plan.ts';
import { PoolFolder } from './pool-folder.ts';
import { Program } from './program.ts';
import type { Incident, Publication } from './record.ts';
import { ClusterSite, SentinelSite } from './redis-masters.ts';
import { StandaloneSite, type RedisSite } from './redis-site.ts';
import { Turns } from './turns.ts';
import { stretchedRooms } from './witnesses.ts';
import { newViewers } from './wishes.ts';

const redisSites: Readonly<Record<RedisMode, { readonly start: () => Promise<RedisSite> }>> = {
  standalone: StandaloneSite,
  sentinel: SentinelSite,
  cluster: ClusterSite,
};

/** Something that takes longer than this stood still. */
const stallMs = 1_000;

/** What ends in the leaving of a gateway. */
const leaving: ReadonlySet<string> = new Set<Deed>(['gateway-leave', 'gateway-join', 'gateway-previous']);

/** What a world is made of. */
export interface WorldWishes {
  readonly mode: RedisMode;
  readonly seed: number;
  readonly gateways: number;
  readonly publishers: number;
  readonly viewers: number;
  readonly viewerProcesses: number;
  /** Tree of an earlier version, with its packages. */
  readonly previous: string;
}

/** A place for a gateway or a publisher: its port stays, its process may come and go. */
interface Place {
  readonly name: string;
  readonly kind: 'gateway' | 'publisher';
  readonly port: number;
  program: Program | undefined;
  /** Of gateways: the name of the process that is there, as the pool's document has it. */
  processName: string;
  lives: number;
  /** Whether it is to serve: a leaving gateway is not in the pool's document any more. */
  isServing: boolean;
  /** Whether a client can come to it. */
  isUp: boolean;
}

/** Real processes: gateways, publishers, Redis, viewers and the load on them. */
export class World {
  readonly incidents: Incident[] = [];
  /** When a gateway said that it had less CPU than it needs, in Unix milliseconds. */
  readonly overloads: number[] = [];
  /** Publications of earlier rounds. */
  readonly earlier: Publication[] = [];
  readonly crowd: Crowd;
  readonly load: Load;
  readonly #wishes: WorldWishes;
  readonly #folder: string;
  readonly #redis: RedisSite;
  readonly #pool: PoolFolder;
  readonly #places: readonly Place[];
  readonly #turns = new Turns();
  #nextViewer = 0;
  #hasEnded = false;
  readonly #watch = setInterval(() => void this.#lookForOverload(), 1_000);
  readonly #pulse = setInterval(() => this.#beat(), 100);
  #beatAt = Date.now();

  private constructor(
    wishes: WorldWishes,
    parts: { readonly folder: string; readonly redis: RedisSite; readonly places: readonly Place[] },
  ) {
    this.#wishes = wishes;
    this.#folder = parts.folder;
    this.#redis = parts.redis;
    this.#places = parts.places;
    this.#pool = new PoolFolder(join(parts.folder, 'pool'));
    this.crowd = new Crowd(wishes.viewerProcesses);
    this.load = new Load(
      parts.places.filter(({ kind }) => kind === 'publisher').map(({ port }) => port),
      wishes.seed,
    );
  }

  static async start(wishes: WorldWishes): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), 'barrage-chaos-'));
    await mkdir(join(folder, 'pool'));
    const place = async (kind: Place['kind'], index: number): Promise<Place> => {
      const name = `${kind}-${index}`;
      return { name, kind, port: await freePort(), program: undefined, processName: name, lives: 0, isServing: false, isUp: false };
    };
    // Two places more are for gateways that join for a while.
    const gateways = await Promise.all(Array.from({ length: wishes.gateways + 2 }, (_, index) => place('gateway', index)));
    const publishers = await Promise.all(Array.from({ length: wishes.publishers }, (_, index) => place('publisher', index)));
    const world = new World(wishes, { folder, redis: await redisSites[wishes.mode].start(), places: [...gateways, ...publishers] });
    try {
      await Promise.all([...gateways.slice(0, wishes.gateways), ...publishers].map((each) => world.#begin(each, '.')));
      await world.#addViewers(wishes.viewers);
      return world;
    } catch (error) {
      await world.dispose();
      throw error;
    }
  }

  /** Processes that ended though nobody had told them to. */
  get failed(): readonly string[] {
    const names = this.#places.filter(({ program }) => program?.hasFailed).map(({ name }) => name);
    return this.crowd.hasFailed ? [...names, 'viewers'] : names;
  }

  /** Running gateways. */
  get gateways(): readonly Program[] {
    return this.#running('gateway').map(({ program }) => program!);
  }

  get publisherPorts(): readonly number[] {
    return this.#places.filter(({ kind }) => kind === 'publisher').map(({ port }) => port);
  }

  /** Folder of the logs, and of the pool's document. */
  get folder(): string {
    return this.#folder;
  }

  /** Carries an action out, and writes it down. Resolves when the world is whole again. */
  async act(action: Action): Promise<void> {
    const { deed } = action;
    await this.#turns.take(this.#turnOf(action), async () => {
      if (this.#hasEnded) return;
      const incident: Incident = { what: deed, ...deeds[deed], from: Date.now(), to: Infinity };
      this.incidents.push(incident);
      await this.#do(action);
      incident.to = Date.now();
    });
  }

  /** Ends everything. @param keepLogs for people who look for a fault */
  async dispose(keepLogs = false): Promise<void> {
    this.#hasEnded = true;
    clearInterval(this.#watch);
    clearInterval(this.#pulse);
    this.crowd.end();
    await Promise.all(this.#places.map(async ({ program }) => await program?.end('SIGKILL')));
    await this.#redis.dispose();
    if (!keepLogs) await rm(this.#folder, { recursive: true, force: true });
  }

  /** What is done to one thing is done one after the other. */
  #turnOf({ deed, target }: Action): string {
    if (deed === 'gateway-join') return 'joining-0';
    if (deed === 'gateway-previous') return 'joining-1';
    if (deed.startsWith('gateway')) return `gateway-${Math.floor(target * this.#wishes.gateways)}`;
    if (deed.startsWith('publisher')) return `publisher-${Math.floor(target * this.#wishes.publishers)}`;
    return deed.startsWith('viewers')
      ? `viewers-${Math.floor(target * this.#wishes.viewerProcesses)}`
      : deed === 'policy-edit'
        ? deed
        : 'redis';
  }

  async #do(action: Action): Promise<void> {
    if (isOnRedis(action)) {
      const connected = this.#places.filter(({ program }) => program !== undefined);
      return await this.#redis.act(
        action,
        connected.map(({ name }) => name),
      );
    }
    const { deed, forMs, target } = action as Action & { readonly deed: Exclude<Deed, RedisDeed> };
    switch (deed) {
      case 'gateway-kill':
      case 'publisher-kill': {
        const place = this.#place(this.#turnOf(action));
        this.#isDown(place);
        await place.program?.end('SIGKILL');
        await pause(forMs);
        return await this.#begin(place, '.');
      }
      case 'gateway-pause':
      case 'publisher-pause': {
        const place = this.#place(this.#turnOf(action));
        this.#isDown(place);
        place.program?.pause();
        await pause(forMs);
        place.program?.resume();
        place.isUp = true;
        return;
      }
      case 'gateway-leave':
      case 'publisher-leave': {
        const place = this.#place(this.#turnOf(action));
        await this.#leave(place);
        return await this.#begin(place, '.');
      }
      case 'gateway-join':
      case 'gateway-previous': {
        const isPrevious = deed === 'gateway-previous';
        const place = this.#place(`gateway-${this.#wishes.gateways + (isPrevious ? 1 : 0)}`);
        await this.#begin(place, isPrevious ? this.#wishes.previous : '.');
        await pause(forMs);
        await this.#leave(place);
        place.program = undefined;
        return;
      }
      case 'viewers-pause': {
        const process = this.crowd.process(Math.floor(target * this.#wishes.viewerProcesses));
        process.pause();
        await pause(forMs);
        return process.resume();
      }
      case 'viewers-change': {
        const names = this.crowd.names.filter((_, index) => index % 11 === Math.floor(target * 11));
        await this.crowd.remove(names);
        return await this.#addViewers(names.length, 10);
      }
      case 'policy-edit':
        return await this.#pool.edit();
    }
  }

  async #lookForOverload(): Promise<void> {
    const since = Date.now();
    const up = this.#places.filter(({ kind, isUp }) => kind === 'gateway' && isUp);
    const stretched = await Promise.all(up.map(async ({ program }) => await stretchedRooms(program!)));
    if (stretched.some((rooms) => rooms > 0)) this.overloads.push(Date.now());
    if (up.every(({ isUp }) => isUp)) this.#noteStall(since);
  }

  /** This process has the proxies in it: they stand still when it does. */
  #beat(): void {
    this.#noteStall(this.#beatAt);
    this.#beatAt = Date.now();
  }

  #noteStall(from: number): void {
    const to = Date.now();
    if (to - from > stallMs) this.incidents.push({ what: stall, connections: true, bus: true, data: false, from, to });
  }

  #place(name: string): Place {
    return this.#places.find((place) => place.name === name)!;
  }

  #running(kind: Place['kind']): readonly Place[] {
    return this.#places.filter(({ kind: own, program }) => own === kind && program?.hasEnded === false);
  }

  async #begin(place: Place, folder: string): Promise<void> {
    const { kind, name, port } = place;
    place.processName = kind === 'gateway' ? `${name}-${place.lives}` : name;
    place.lives++;
    place.isServing = true;
    await this.#tellPool();
    const own = kind === 'gateway' ? 'GATEWAY' : 'PUBLISHER';
    place.program = new Program({
      main: `${kind}/main.ts`,
      folder,
      port,
      logFile: join(this.#folder, `${name}.log`),
      variables: {
        ...(await this.#redis.variablesFor(name)),
        ...this.#pool.variables,
        [`BARRAGE_${own}_PORT`]: String(port),
        BARRAGE_GATEWAY_NAME: place.processName,
        BARRAGE_POD_UID: `uid-${place.processName}`,
        // A connection that is half open is found within seconds.
        BARRAGE_PING_INTERVAL_MS: '4000',
        BARRAGE_IDLE_TIMEOUT_MS: '12000',
        BARRAGE_BACKOFF_CAP_MS: '4000',
        BARRAGE_DRAIN_MS: '4000',
        // Tests beside this one take the CPU: what is left out for want of it is counted, and proves little.
        BARRAGE_FAN_OUT_PERCENT: '95',
      },
    });
    if (!(await place.program.ready()) && !this.#hasEnded) throw new Error(`${place.processName} does not become ready: ${this.#folder}`);
    place.isUp = true;
  }

  /**
   * A gateway takes nobody any more. Where no other is left, clients of those that leave have nowhere to go: they lose
   * their connections.
   */
  #isDown(place: Place): void {
    place.isUp = false;
    if (this.#places.some(({ kind, isUp }) => kind === 'gateway' && isUp)) return;
    for (const incident of this.incidents) if (incident.to === Infinity && leaving.has(incident.what)) incident.connections = true;
  }

  async #leave(place: Place): Promise<void> {
    place.isServing = false;
    this.#isDown(place);
    const ended = place.program?.end('SIGTERM');
    await this.#tellPool();
    await ended;
  }

  /** Writes the document of the gateways that serve, those among them that have just been killed. */
  async #tellPool(): Promise<void> {
    const serving = this.#places.filter(({ kind, isServing }) => kind === 'gateway' && isServing);
    await this.#pool.serve(serving.map(({ processName, port }) => ({ name: processName, port })));
  }

  async #addViewers(count: number, rewind?: number): Promise<void> {
    const ports = this.#places
      .filter(({ kind }) => kind === 'gateway')
      .slice(0, this.#wishes.gateways)
      .map(({ port }) => port);
    const wishes = newViewers({ first: this.#nextViewer, count, ports, channels: channelPlans });
    this.#nextViewer += count;
    await this.crowd.add(rewind === undefined ? wishes : wishes.map((wish) => ({ ...wish, rewind })));
  }
}

import { Backoff } from '../../client/backoff.ts';
import type { BackoffBounds } from '../../core/backoff.ts';
import { Placement } from '../../core/pool/placement.ts';
import { Reception } from '../../gateway/connections/reception.ts';
import { answerConnect } from '../../gateway/moving/connect-answer.ts';
import { gatewayNamed } from '../support/pool-document.ts';
import { Random } from './random.ts';
import { Timeline } from './timeline.ts';

export interface CrowdOptions {
  readonly seed: number;
  readonly clients: number;
  readonly acceptsPerSecond: number;
  readonly survivors: readonly SurvivorOptions[];
  /**
   * What the clients were told by the gateway that died. By default what a gateway with so many clients and so many
   * others tells.
   */
  readonly told?: BackoffBounds;
  /** The channel of each client, by which it is placed. By default a balancer sends each dial anywhere. */
  readonly channelOf?: (client: number) => string;
  /** Whether a client whose dial failed asks `GET /v1/connect`. */
  readonly asks: boolean;
}

export interface SurvivorOptions {
  /** Connections that it has before the crowd comes. */
  readonly connections?: number;
  readonly connectionsMax?: number;
  readonly isDraining?: boolean;
}

const least: BackoffBounds = { baseMs: 500, capMs: 20_000 };
/** Between a dial, or a question, and its arrival: at most this, in milliseconds. */
const wayMsMax = 50;

/** Longer than a connection has to last for its end to be no failure, in milliseconds. */
const lastedMs = 60_000;

interface Client {
  readonly number: number;
  readonly backoff: Backoff;
  /** Where the next dial goes, by the last answer. */
  urls: readonly string[];
}

class Survivor {
  readonly url: string;
  readonly uid: string;
  readonly isDraining: boolean;
  readonly reception: Reception;
  readonly clients = new Set<Client>();
  readonly dials: number[] = [];
  readonly accepts: number[] = [];
  isAlive = true;

  constructor(
    name: string,
    options: SurvivorOptions,
    world: { readonly timeline: Timeline; readonly acceptsPerSecond: number; readonly others: number },
  ) {
    const { timeline, acceptsPerSecond, others } = world;
    const { connections = 0, connectionsMax = 200_000, isDraining = false } = options;
    ({ url: this.url, uid: this.uid } = gatewayNamed(name));
    this.isDraining = isDraining;
    const settings = { acceptsPerSecond, connectionsMax, backoffBaseMs: least.baseMs, backoffCapMs: least.capMs };
    const clock = { monotonic: (): number => timeline.now };
    this.reception = new Reception({ settings, clock, connections: () => connections + this.clients.size });
    this.reception.others = others;
  }
}

/**
 * The clients of a killed gateway on their way to the others: receptions, placement and the SDK's back-off are the
 * product's own, network and time are not.
 */
export class Crowd {
  readonly #options: CrowdOptions;
  readonly #timeline = new Timeline();
  readonly #random: Random;
  readonly #placement: Placement;
  readonly survivors: readonly Survivor[];
  refusals = 0;
  /** When the last client was back, in milliseconds after the death. */
  lastBackAt = 0;

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    const { clients, acceptsPerSecond, survivors } = options;
    const names = survivors.map((_, index) => `survivor-${index}`);
    const world = { timeline: this.#timeline, acceptsPerSecond, others: survivors.length };
    this.survivors = survivors.map((each, index) => new Survivor(names[index] ?? '', each, world));
    // The document still has all of them: the operator has not seen the death yet.
    this.#placement = new Placement({ gateways: names.map((name) => gatewayNamed(name)), hashSeed: options.seed, overrides: [] });
    const told = options.told ?? new Survivor('dead', { connections: clients }, world).reception.backoff;
    for (let number = 0; number < clients; number++) this.#lose(number, told);
  }

  /** Kills one of the survivors after this time, with these connections of its own besides those that came. */
  killLater(index: number, atMs: number): void {
    this.#timeline.after(atMs, () => {
      const victim = this.survivors[index];
      if (victim === undefined) return;
      victim.isAlive = false;
      const bounds = victim.reception.backoff;
      const ownClients = this.#options.survivors[index]?.connections ?? 0;
      for (const { number } of victim.clients) this.#lose(number, bounds);
      for (let number = 0; number < ownClients; number++) this.#lose(number, bounds);
      victim.clients.clear();
    });
  }

  run(): void {
    this.#timeline.run();
  }

  get back(): number {
    return this.survivors.reduce((sum, { clients }) => sum + clients.size, 0);
  }

  /** The connection of a client ends that was told these bounds. */
  #lose(number: number, told: BackoffBounds): void {
    const { now } = this.#timeline;
    const client: Client = { number, backoff: new Backoff(), urls: [] };
    client.backoff.opened(told, now - lastedMs);
    this.#timeline.after(client.backoff.failed(now, this.#random.fraction), () => this.#dial(client));
  }

  #dial(client: Client): void {
    const survivor = this.#destination(client);
    this.#timeline.after(this.#random.below(wayMsMax), () => this.#arrive(client, survivor));
  }

  #destination(client: Client): Survivor {
    const alive = this.survivors.filter(({ isAlive }) => isAlive);
    const anyone = this.#random.pick(alive);
    if (this.#options.channelOf === undefined) return anyone;
    if (client.urls.length === 0) client.urls = this.#ask(client, anyone).urls;
    // A dead gateway refuses at once: its URL costs no wait, the next one is tried.
    const found = client.urls.map((url) => alive.find((each) => each.url === url)).find((each) => each !== undefined);
    return found ?? anyone;
  }

  #arrive(client: Client, survivor: Survivor): void {
    const { now } = this.#timeline;
    survivor.dials.push(now);
    if (survivor.isAlive && this.#isAdmitted(survivor)) {
      survivor.accepts.push(now);
      survivor.clients.add(client);
      this.lastBackAt = now;
      return;
    }
    this.refusals++;
    client.backoff.failed(now, this.#random.fraction);
    if (this.#options.asks && survivor.isAlive) {
      const { urls, backoff } = this.#ask(client, survivor);
      client.urls = urls;
      client.backoff.told(backoff);
    }
    this.#timeline.after(this.#random.below(wayMsMax) + client.backoff.waitMs, () => this.#dial(client));
  }

  #isAdmitted({ reception, isDraining }: Survivor): boolean {
    const state = { isUnready: isDraining, isLoopback: false, origins: [] };
    return reception.admit({ host: 'a', origin: undefined }, state, this.#random.fraction()).kind === 'admitted';
  }

  #ask(
    { number }: Client,
    { reception, uid, isDraining }: Survivor,
  ): { readonly urls: readonly string[]; readonly backoff: BackoffBounds } {
    const channel = this.#options.channelOf?.(number) ?? 'video:1';
    const { body } = answerConnect(
      { method: 'GET', url: `/v1/connect?channel=${channel}`, headers: { host: 'a' }, socket: {} },
      {
        placement: this.#placement,
        epoch: 1,
        backoff: reception.dialBackoff,
        uid,
        isCrowded: reception.isCrowded || isDraining,
      },
    );
    if ('error' in body) throw new Error(body.error.message);
    return body;
  }
}

/** The most of these moments that lie within one second. */
export function busiestSecond(moments: readonly number[]): number {
  const sorted = moments.toSorted((a, b) => a - b);
  let most = 0;
  let first = 0;
  for (const [index, moment] of sorted.entries()) {
    while (moment - (sorted[first] ?? 0) >= 1000) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

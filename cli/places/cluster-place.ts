import { childNames, names, ports } from '../../operator/desired/labels.ts';
import type { BarrageChannel } from '../../operator/api/barrage-channel.ts';
import type { GatewayPool } from '../../operator/api/gateway-pool.ts';
import { observeGateway, observePoll, type PoolPod } from '../../operator/reconcile/pod-view.ts';
import { bounds } from '../bounds.ts';
import { CommandFault } from '../fault.ts';
import { ApiRefusal, type ApiCall, type KubeAccess } from '../kube/access.ts';
import { LoopbackDoor } from '../kube/loopback-door.ts';
import { TunnelAgent, type TunnelEnd } from '../kube/tunnel.ts';
import { readPool, type PoolEvent } from '../view/observation.ts';
import type { ProcessAnswer, ProcessReading } from '../view/reading.ts';
import { inParallel } from './ask.ts';
import { questionProcess } from './process-question.ts';
import { expectedCertificate, type CertifiedPod } from './pod-certificate.ts';
import type { PublisherEnd } from './publishing.ts';
import type { Secret } from './url-place.ts';

const group = '/apis/barrage.dev/v1alpha1';
/** The host name in requests through tunnels. Nobody resolves it. */
const loopback = '127.0.0.1';

interface Listed<T> {
  readonly items?: readonly T[];
  readonly metadata?: { readonly continue?: string };
}

interface StoredEvent {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly count?: number;
  readonly eventTime?: string | null;
  readonly lastTimestamp?: string | null;
  readonly series?: { readonly count?: number; readonly lastObservedTime?: string };
  readonly metadata?: { readonly creationTimestamp?: string };
}

/** A pod with the fields that the operator does not read. */
export interface ListedPod extends PoolPod {
  readonly spec?: PoolPod['spec'] & CertifiedPod['spec'] & { readonly nodeName?: string };
}

interface KeptTunnel {
  /** Name of the pod's pool. */
  readonly owner: string;
  readonly uid: string;
  readonly agent: TunnelAgent;
}

/** Pools in a namespace, reached through the API server. */
export class ClusterPlace {
  readonly kind = 'cluster';
  readonly access: KubeAccess;
  /** Kept tunnels, by the pod's uid and port. */
  readonly #agents = new Map<string, KeptTunnel>();
  readonly #doors: LoopbackDoor[] = [];

  constructor(access: KubeAccess) {
    this.access = access;
  }

  get namespace(): string {
    return this.access.namespace;
  }

  async pools(): Promise<readonly GatewayPool[]> {
    const items = await this.#list<object>(`${group}/namespaces/${encode(this.namespace)}/gatewaypools`, 'gatewaypools.barrage.dev');
    return items.map(readPool);
  }

  /**
   * The pool of a name, or the only one of the namespace.
   * @throws CommandFault `missing`, with the names that there are; `usage` where several are possible
   */
  async pool(name: string | undefined): Promise<GatewayPool> {
    if (name === undefined) {
      const pools = await this.pools();
      const [only] = pools;
      const known = pools.map(({ metadata }) => metadata.name).join(', ');
      if (only === undefined)
        throw new CommandFault(
          'missing',
          `the namespace ${this.namespace} has no GatewayPool: choose another with -n (kubectl get gatewaypools -A)`,
        );
      if (pools.length > 1)
        throw new CommandFault('usage', `the namespace ${this.namespace} has several pools (${known}): name one with --pool`);
      return only;
    }
    try {
      const path = `${group}/namespaces/${encode(this.namespace)}/gatewaypools/${encode(name)}`;
      return readPool(await this.access.json<object>({ ...this.#about('get', 'gatewaypools.barrage.dev'), path }));
    } catch (error) {
      if (!(error instanceof ApiRefusal) || error.status !== 404 || !/".*" not found/.test(error.words)) throw error;
      const known = await this.pools().then(
        (pools) => pools.map(({ metadata }) => metadata.name).join(', ') || 'none',
        () => 'unknown',
      );
      throw new CommandFault(
        'missing',
        `the namespace ${this.namespace} has no pool ${name}. It has: ${known}. Another namespace is chosen with -n`,
        {
          cause: error,
        },
      );
    }
  }

  async channels(pool: GatewayPool): Promise<readonly BarrageChannel[]> {
    const path = `${group}/namespaces/${encode(this.namespace)}/barragechannels`;
    const channels = await this.#list<BarrageChannel>(path, 'barragechannels.barrage.dev');
    return channels.filter(({ spec }) => spec.poolRef.name === pool.metadata.name);
  }

  /** The events about a pool; in words, where they can't be read. */
  async events(pool: GatewayPool): Promise<readonly PoolEvent[] | string> {
    const fieldSelector = `involvedObject.kind=GatewayPool,involvedObject.name=${pool.metadata.name}`;
    const path = `/api/v1/namespaces/${encode(this.namespace)}/events?${new URLSearchParams({ fieldSelector }).toString()}`;
    try {
      return (await this.#list<StoredEvent>(path, 'events')).map(readEvent);
    } catch (error) {
      if (error instanceof ApiRefusal && error.status === 403) return error.message;
      throw error;
    }
  }

  /** The pods of a pool: its gateways, and its publishers. */
  async pods(pool: GatewayPool): Promise<readonly ListedPod[]> {
    const labelSelector = `${names.label.pool}=${pool.metadata.name}`;
    const path = `/api/v1/namespaces/${encode(this.namespace)}/pods?${new URLSearchParams({ labelSelector }).toString()}`;
    const pods = await this.#list<ListedPod>(path, 'pods');
    // Anybody may write labels. A gateway's controller is the pool.
    return pods.filter(
      (pod) =>
        roleOf(pod) === 'publisher' ||
        pod.metadata.ownerReferences?.some(({ uid, controller }) => controller === true && uid === pool.metadata.uid) === true,
    );
  }

  /**
   * Asks the pods of a pool through tunnels.
   * @param now Unix milliseconds, read when each answer is there
   */
  async readings(
    pool: GatewayPool,
    now: () => number,
    roles: readonly ProcessReading['role'][] = ['gateway'],
  ): Promise<readonly ProcessReading[]> {
    const all = await this.pods(pool);
    this.#forget(pool, new Set(all.map(({ metadata }) => metadata.uid)));
    const pods = all.filter((pod) => roles.includes(roleOf(pod)));
    let asked = 0;
    return inParallel(pods, bounds.tunnelsMax, async (pod) => {
      const running = pod.status?.phase === 'Running';
      const isAsked = running && asked < bounds.podsAskedMax && roleOf(pod) === 'gateway';
      if (isAsked) asked += 1;
      const answer: ProcessAnswer = isAsked
        ? await questionProcess({ url: urlOf(ports.admin), agent: this.#agent(pod, { port: ports.admin }), name: pod.metadata.name }, now)
        : { kind: 'silent', why: running ? `not asked: only ${bounds.podsAskedMax} pods are` : 'not running' };
      const polled = answer.kind === 'told' && answer.status !== undefined ? observePoll(answer.status, answer.at) : undefined;
      return {
        name: pod.metadata.name,
        role: roleOf(pod),
        pool: `${this.namespace}/${pool.metadata.name}`,
        node: pod.spec?.nodeName,
        observed: observeGateway(pod, polled),
        restarts: restartsOf(pod),
        answer,
      };
    });
  }

  /**
   * A publisher of a pool. The key is the given one, or the first of the pool's Secret.
   * @throws CommandFault where no publisher is ready, or the Secret can't be read
   */
  async publisher(pool: GatewayPool, key: Secret | undefined): Promise<PublisherEnd> {
    const isAlone = pool.spec.bus.type === 'Memory';
    const ready = (await this.pods(pool)).filter((pod) => roleOf(pod) === (isAlone ? 'gateway' : 'publisher') && isReady(pod));
    const pod = ready[Math.floor(Math.random() * ready.length)];
    if (pod === undefined)
      throw new CommandFault(
        'unreachable',
        `no publisher of ${pool.metadata.name} is ready: kubectl barrage status ${pool.metadata.name} says why`,
      );
    const used = key ?? (await this.#apiKey(pool));
    return {
      url: urlOf(ports.publish),
      agent: this.#agent(pod, {
        port: ports.publish,
        certificate: await expectedCertificate(this.access, pod, childNames.publish(pool)),
      }),
      name: pod.metadata.name,
      key: used.value,
      keySource: used.source,
    };
  }

  /**
   * A door to the ready gateways, for WebSocket clients. It speaks TLS to those that end TLS, and plain to its clients.
   * Each connection gets one of those that are ready then.
   */
  async openDoor(pool: GatewayPool): Promise<{ readonly url: string; readonly door: LoopbackDoor }> {
    const choose = async (): Promise<TunnelEnd> => {
      const ready = (await this.pods(pool)).filter((pod) => roleOf(pod) === 'gateway' && isReady(pod));
      const pod = ready[Math.floor(Math.random() * ready.length)];
      if (pod === undefined)
        throw new CommandFault(
          'unreachable',
          `no gateway of ${pool.metadata.name} is ready: kubectl barrage status ${pool.metadata.name} says why`,
        );
      const certificate = await expectedCertificate(this.access, pod, childNames.clients(pool));
      return { namespace: this.namespace, pod: pod.metadata.name, port: ports.clients, certificate };
    };
    // A pool without a ready gateway is told at once, and not at the first attempt to connect.
    await choose();
    const door = new LoopbackDoor(this.access, choose);
    this.#doors.push(door);
    return { url: `ws://${loopback}:${await door.open()}/`, door };
  }

  /**
   * Evicts a pod, as `kubectl drain` does: the budget of the pool is asked, and the pod gets its whole grace period.
   * @throws CommandFault `refused` with the budget's words
   */
  async evict(pod: ListedPod): Promise<void> {
    const { name, uid } = pod.metadata;
    const path = `/api/v1/namespaces/${encode(this.namespace)}/pods/${encode(name)}/eviction`;
    const metadata = { name, namespace: this.namespace };
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata, deleteOptions: { preconditions: { uid } } };
    try {
      await this.access.json({ ...this.#about('create', 'pods/eviction'), method: 'POST', path, body });
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      if (error.status === 429)
        throw new CommandFault(
          'refused',
          `the budget of the pool allows no gateway to leave now: ${error.words} Wait until all gateways are ready (kubectl barrage status), or raise spec.disruption.maxUnavailable`,
          { cause: error },
        );
      if (error.status === 404 || error.status === 409) throw new CommandFault('missing', `${name} is gone meanwhile`, { cause: error });
      throw error;
    }
  }

  /** One pod; `undefined` where it, or this very pod, is gone. */
  async findPod(name: string, uid?: string): Promise<ListedPod | undefined> {
    try {
      const path = `/api/v1/namespaces/${encode(this.namespace)}/pods/${encode(name)}`;
      const pod = await this.access.json<ListedPod>({ ...this.#about('get', 'pods'), path });
      return uid === undefined || pod.metadata.uid === uid ? pod : undefined;
    } catch (error) {
      if (error instanceof ApiRefusal && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Asks one gateway; the answer of another pod that has its name counts as none. */
  async questionPod(pod: ListedPod, now: () => number): Promise<ProcessAnswer> {
    return questionProcess({ url: urlOf(ports.admin), agent: this.#agent(pod, { port: ports.admin }), name: pod.metadata.name }, now);
  }

  /** The log of a pod's container as it arrives, from `sinceSeconds` ago. `previous`: of its last run. */
  async log(
    pod: string,
    { sinceSeconds, previous }: { readonly sinceSeconds: number; readonly previous: boolean },
  ): Promise<AsyncIterable<Buffer>> {
    const query = new URLSearchParams({
      container: names.container,
      sinceSeconds: String(sinceSeconds),
      ...(previous ? { previous: 'true' } : {}),
    });
    const path = `/api/v1/namespaces/${encode(this.namespace)}/pods/${encode(pod)}/log?${query.toString()}`;
    return this.access.stream({ ...this.#about('get', 'pods/log'), path });
  }

  close(): void {
    for (const door of this.#doors) door.close();
    for (const { agent } of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  async #apiKey(pool: GatewayPool): Promise<Secret> {
    const name = pool.spec.auth.apiKeysSecret?.name ?? `${pool.metadata.name}-api-key`;
    const path = `/api/v1/namespaces/${encode(this.namespace)}/secrets/${encode(name)}`;
    const another = 'Or give a key in BARRAGE_API_KEY or with --key-file.';
    try {
      const { data = {} } = await this.access.json<{ readonly data?: Readonly<Record<string, string>> }>({
        ...this.#about('get', 'secrets'),
        path,
      });
      const [first] = Object.entries(data).toSorted(([one], [other]) => (one < other ? -1 : 1));
      if (first === undefined) throw new CommandFault('missing', `the Secret ${name} holds no key. ${another}`);
      return { value: Buffer.from(first[1], 'base64').toString().trim(), source: `${first[0]} of the Secret ${name}` };
    } catch (error) {
      if (error instanceof ApiRefusal)
        throw new CommandFault(error.kind, `the pool's key can't be read: ${error.message} ${another}`, { cause: error });
      throw error;
    }
  }

  /** Ends the kept tunnels to pods of a pool that are gone. */
  #forget(pool: GatewayPool, uids: ReadonlySet<string>): void {
    for (const [key, { owner, uid, agent }] of this.#agents) {
      if (owner !== pool.metadata.name || uids.has(uid)) continue;
      agent.destroy();
      this.#agents.delete(key);
    }
  }

  #agent({ metadata: { name, uid, labels } }: ListedPod, end: Pick<TunnelEnd, 'port' | 'certificate'>): TunnelAgent {
    const key = `${uid}:${end.port}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known.agent;
    const agent = new TunnelAgent(this.access, { namespace: this.namespace, pod: name, ...end });
    this.#agents.set(key, { owner: labels?.[names.label.pool] ?? '', uid, agent });
    return agent;
  }

  #about(verb: string, resource: string): Pick<ApiCall, 'verb' | 'resource' | 'namespace'> {
    return { verb, resource, namespace: this.namespace };
  }

  async #list<T>(path: string, resource: string): Promise<readonly T[]> {
    const items: T[] = [];
    for (let next = ''; ;) {
      const query = new URLSearchParams({ limit: '500', ...(next === '' ? {} : { continue: next }) });
      const page = await this.access.json<Listed<T>>({
        ...this.#about('list', resource),
        path: `${path}${path.includes('?') ? '&' : '?'}${query.toString()}`,
      });
      items.push(...(page.items ?? []));
      next = page.metadata?.continue ?? '';
      if (next === '' || items.length >= bounds.objectsMax) return items.slice(0, bounds.objectsMax);
    }
  }
}

/** Whether a pod of a pool is a gateway; on a memory bus the gateway publishes too. */
export function roleOf({ metadata }: ListedPod): ProcessReading['role'] {
  return metadata.labels?.[names.label.component] === 'publisher' ? 'publisher' : 'gateway';
}

export function isReady({ metadata, status }: ListedPod): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    status?.conditions?.some(({ type, status: state }) => type === 'Ready' && state === 'True') === true
  );
}

function restartsOf({ status }: ListedPod): number {
  const containers = (status?.containerStatuses ?? []) as readonly { readonly name: string; readonly restartCount?: number }[];
  return containers.find(({ name }) => name === names.container)?.restartCount ?? 0;
}

function readEvent({ type = '', reason = '', message = '', count, eventTime, lastTimestamp, series, metadata }: StoredEvent): PoolEvent {
  const last = series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata?.creationTimestamp ?? '';
  return { at: Date.parse(last) || 0, type, reason, message, times: series?.count ?? count ?? 1 };
}

function urlOf(port: number): URL {
  return new URL(`http://${loopback}:${port}/`);
}

function encode(part: string): string {
  return encodeURIComponent(part);
}

import type { BarrageChannel } from '../api/barrage-channel.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import { withDefaults } from '../api/stored-objects.ts';
import type { ObservedChild } from '../decide/obsolete-children.ts';
import { poolKeyOf } from '../decide/policies.ts';
import { poolSpecFaults } from '../decide/spec-faults.ts';
import { childNames, names } from '../desired/labels.ts';
import type { OperatorJournal } from '../kube/log-lines.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ClientMetrics } from '../kube/client-metrics.ts';
import { Partitions } from '../kube/partitions.ts';
import { Reflector, withoutManagedFields } from '../kube/reflector.ts';
import { resources } from '../kube/resources.ts';
import { PartitionedStore } from '../kube/partitioned-store.ts';
import { Store } from '../kube/store.ts';
import type { Clock } from '../../core/clock.ts';
import type { KubeObject, Resource, Selection } from '../runtime/kube-api.ts';
import { isOfService, slimSlice, type EndpointSlice } from './endpoints.ts';
import { withOwnFields } from './own-fields.ts';
import { isPoolPod } from './pod-owner.ts';
import { namedSecrets } from './pool-secrets.ts';
import type { PoolPod } from './pod-view.ts';

export interface StoresOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: () => number;
  readonly journal: OperatorJournal;
  readonly metrics: ClientMetrics;
  /** Empty: every namespace. */
  readonly namespaces: readonly string[];
}

const ours = { labelSelector: 'app.kubernetes.io/managed-by=barrage-operator' };
/** Kinds that pools own, pods aside. */
const childResources = [
  resources.service,
  resources.configMap,
  resources.secret,
  resources.deployment,
  resources.horizontalPodAutoscaler,
  resources.podDisruptionBudget,
  resources.networkPolicy,
  resources.controllerRevision,
] as const;

/** The operator's view of the API server, kept up to date by watches. */
export class Stores {
  readonly #options: StoresOptions;
  /** Namespaces that were read whole, routes aside. */
  readonly partitions: Partitions;
  readonly #reflectors: NamedReflector[] = [];
  /** A cluster may lack this kind: no start waits for it. */
  readonly #routeReflectors: NamedReflector[] = [];
  readonly #routesWanted = Promise.withResolvers<void>();
  readonly #children = new Map<string, PartitionedStore<KubeObject>>();
  readonly pools: PartitionedStore<KubeObject & GatewayPool>;
  readonly channels: PartitionedStore<KubeObject & BarrageChannel>;
  /** Every pod with our labels, whoever owns it. */
  readonly pods: PartitionedStore<PoolPod>;
  readonly #slices: PartitionedStore<EndpointSlice>;
  readonly #secrets: PartitionedStore<KubeObject>;

  constructor(options: StoresOptions) {
    this.#options = options;
    this.partitions = new Partitions(this.#namespaces, options.journal);
    this.pools = this.#watch({
      resource: resources.gatewayPool,
      selection: {},
      keep: (pool) => withDefaults('GatewayPool', pool),
      indexes: { secret: (pool) => (poolSpecFaults(pool).length > 0 ? [] : namedSecrets(pool)) },
    });
    this.channels = this.#watch({
      resource: resources.barrageChannel,
      selection: {},
      keep: (channel) => withDefaults('BarrageChannel', channel),
      indexes: { pool: (channel) => [poolKeyOf(channel)] },
    });
    this.pods = this.#watch<PoolPod>({ resource: resources.pod, selection: ours, indexes: { pool: byPool, owner: byOwner } });
    // A slice carries the labels of its Service.
    this.#slices = this.#watch<EndpointSlice>({
      resource: resources.endpointSlice,
      selection: ours,
      keep: slimSlice,
      indexes: { pool: byPool },
    });
    for (const resource of childResources)
      this.#children.set(resource.kind, this.#watch({ resource, selection: ours, keep: withOwnFields, indexes: { pool: byPool } }));
    // Pools may name any Secret. Of each only the version is kept; contents and annotations stay in the API server.
    this.#secrets = this.#watch({ resource: resources.secret, selection: {}, isMetadataOnly: true, keep: versionOnly });
    const routes = { resource: resources.httpRoute, selection: ours, keep: withOwnFields, indexes: { pool: byPool } };
    this.#children.set(routes.resource.kind, this.#watch({ ...routes, reflectors: this.#routeReflectors }));
    this.pools.onChange((change) => {
      if (!('current' in change) || poolSpecFaults(change.current).length > 0) return;
      if (change.current.spec.exposure.type === 'HTTPRoute') this.#routesWanted.resolve();
    });
  }

  /** Kinds that have not been read yet, each with its reason in words. Empty once the operator can begin. */
  waitingFor(): readonly string[] {
    if (this.partitions.isEnough) return [];
    const unread = this.#reflectors.filter(({ reflector }) => reflector.waitingFor !== undefined);
    const [first] = unread;
    if (first === undefined) return [];
    return [`the API server to tell of ${unread.map(({ name }) => name).join(', ')} (${first.reflector.waitingFor})`];
  }

  /** A child in the store; `undefined` where it is missing or its kind is not watched. */
  child({ kind }: Resource, namespace: string, name: string): KubeObject | undefined {
    return this.#children.get(kind)?.get(`${namespace}/${name}`);
  }

  /** `resourceVersion` of any Secret; `undefined`: there is none. */
  secretVersion(namespace: string, name: string): string | undefined {
    return this.#secrets.get(`${namespace}/${name}`)?.metadata.resourceVersion;
  }

  /** The pods of all pools, without pods of others that carry our labels. */
  poolPods(): readonly PoolPod[] {
    return this.pools.all().flatMap(({ metadata: { namespace, name } }) => this.podsOf(`${namespace}/${name}`));
  }

  /**
   * The gateways and publishers of one pool, without pods of others that carry our labels.
   * @param pool `namespace/name`
   */
  podsOf(pool: string): readonly PoolPod[] {
    const owner = this.pools.get(pool);
    if (owner === undefined) return [];
    const publisher = this.child(resources.deployment, owner.metadata.namespace, childNames.publisher(owner));
    return this.pods.withIndex('pool', pool).filter((pod) => isPoolPod(pod, { pool: owner, publisher }));
  }

  /**
   * The EndpointSlices of one of a pool's Services.
   * @param pool `namespace/name`
   */
  slicesOf(pool: string, service: string): readonly EndpointSlice[] {
    return this.#slices.withIndex('pool', pool).filter((slice) => isOfService(slice, service));
  }

  /**
   * A pool's children, pods aside.
   * @param pool `namespace/name`
   */
  childrenOf(pool: string): readonly (ObservedChild & { readonly resource: Resource })[] {
    return [...childResources, resources.httpRoute].flatMap((resource) =>
      (this.#children.get(resource.kind)?.withIndex('pool', pool) ?? []).map(({ metadata }) => ({
        resource,
        kind: resource.kind,
        name: metadata.name ?? '',
        uid: metadata.uid ?? '',
        owner: metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid,
        isGoing: metadata.deletionTimestamp !== undefined,
      })),
    );
  }

  /**
   * The ControllerRevisions that carry a pool's label, whoever owns them.
   * @param pool `namespace/name`
   */
  revisionsOf(pool: string): readonly KubeObject[] {
    return this.#children.get(resources.controllerRevision.kind)?.withIndex('pool', pool) ?? [];
  }

  /** Calls back with `namespace/name` of a pool after a change of anything that is the pool's. */
  onPoolChange(changed: (pool: string) => void): void {
    this.pools.onChange(({ key }) => changed(key));
    this.#secrets.onChange(({ key }) => {
      for (const { metadata } of this.pools.withIndex('secret', key)) changed(`${metadata.namespace}/${metadata.name}`);
    });
    this.channels.onChange((change) => {
      changed(poolKeyOf('current' in change ? change.current : change.previous));
    });
    for (const store of [this.pods, this.#slices, ...this.#children.values()] as readonly PartitionedStore<KubeObject>[]) {
      store.onChange((change) => {
        // A changed pool label concerns the old pool and the new one.
        const seen = [...('current' in change ? [change.current] : []), ...('previous' in change ? [change.previous] : [])];
        for (const pool of new Set(seen.flatMap(byPool))) changed(pool);
      });
    }
  }

  /** Watches until the signal. Resolves when every watch has ended. */
  async run(signal: AbortSignal): Promise<void> {
    this.partitions.follow();
    this.#options.metrics.watchNamespaces(() => this.partitions.refusals());
    await Promise.all([this.#runAll(this.#reflectors, signal), this.#runRoutes(signal)]);
  }

  async #runAll(reflectors: readonly NamedReflector[], signal: AbortSignal): Promise<void> {
    for (const { name, reflector } of reflectors) this.#options.metrics.watchReflector(name, () => reflector.figures());
    await Promise.all(reflectors.map(({ reflector }) => reflector.run(signal)));
  }

  async #runRoutes(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#routeReflectors.map((each) => this.#runRoutesOf(each, signal)));
  }

  /**
   * Routes are read at the start, wanted or not: a pool may have got another exposure while no operator ran. A cluster
   * without that kind has no routes, and is asked again once a pool wants some.
   */
  async #runRoutesOf({ name, reflector }: NamedReflector, signal: AbortSignal): Promise<void> {
    const unreadable = new AbortController();
    void reflector.unreadable.then(() => unreadable.abort());
    const isWatched = Promise.race([reflector.synced, this.#routesWanted.promise]);
    void isWatched.then(() => this.#options.metrics.watchReflector(name, () => reflector.figures()));
    await reflector.run(AbortSignal.any([signal, unreadable.signal]));
    const over = Promise.withResolvers<void>();
    if (signal.aborted) return;
    signal.addEventListener('abort', () => over.resolve(), { once: true });
    await Promise.race([this.#routesWanted.promise, over.promise]);
    await reflector.run(signal);
  }

  get #namespaces(): readonly (string | undefined)[] {
    const { namespaces } = this.#options;
    return namespaces.length === 0 ? [undefined] : [...new Set(namespaces)];
  }

  #watch<T extends KubeObject>(watched: Watched<T>): PartitionedStore<T> {
    return new PartitionedStore(new Map(this.#namespaces.map((namespace) => [namespace, this.#watchOne(watched, namespace)])));
  }

  #watchOne<T extends KubeObject>(watched: Watched<T>, namespace: string | undefined): Store<T> {
    const { client, clock, random, journal } = this.#options;
    const { resource, selection, keep, indexes, isMetadataOnly = false, reflectors = this.#reflectors } = watched;
    const failed = (error: unknown): void =>
      journal.writeTrouble('listener-threw', resource.kind, error, { kind: resource.kind, err: error });
    const store = new Store<T>({ ...(indexes === undefined ? {} : { indexes }), failed });
    const kept = (object: T): T => withoutManagedFields((keep === undefined ? object : keep(object)) as T);
    const where = namespace === undefined ? selection : { ...selection, namespace };
    const reflector = new Reflector<T>({ resource, selection: where, client, store, clock, random, journal, keep: kept, isMetadataOnly });
    const what = isMetadataOnly ? `${resource.kind} metadata` : resource.kind;
    const name = namespace === undefined ? what : `${what} in ${namespace}`;
    if (reflectors === this.#reflectors) this.partitions.add(namespace, reflector);
    reflectors.push({ name, reflector: reflector as unknown as Reflector<KubeObject> });
    return store;
  }
}

interface Watched<T> {
  readonly resource: Resource;
  readonly selection: Selection;
  readonly keep?: (object: T) => object;
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
  /** Whether only the metadata is read. Absent: the whole objects are. */
  readonly isMetadataOnly?: boolean;
  /** The list that gets its reflectors. Absent: those that always run. */
  readonly reflectors?: NamedReflector[];
}

interface NamedReflector {
  /** Name in the metrics. */
  readonly name: string;
  readonly reflector: Reflector<KubeObject>;
}

function byPool({ metadata }: KubeObject): readonly string[] {
  const pool = metadata.labels?.[names.label.pool];
  return pool === undefined ? [] : [`${metadata.namespace}/${pool}`];
}

/** `namespace/uid` of the controller. */
function byOwner({ metadata: { namespace, ownerReferences = [] } }: KubeObject): readonly string[] {
  return ownerReferences.flatMap(({ controller, uid }) => (controller === true ? [`${namespace}/${uid}`] : []));
}

function versionOnly({ apiVersion, kind, metadata: { namespace, name, uid, resourceVersion } }: KubeObject): object {
  return { apiVersion, kind, metadata: { namespace, name, uid, resourceVersion } };
}

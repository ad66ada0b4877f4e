import { decideBusChange, type BusChange, type BusMemory, type BusUser } from '../decide/bus-change.ts';
import { silentMs, type ObservedGateway, type ObservedPool, type StoredBudget } from '../decide/observed.ts';
import { withOwnWrites } from '../decide/own-writes.ts';
import { podDifference } from '../decide/pod-difference.ts';
import { withSteadyTimes } from '../decide/steady-times.ts';
import { gatewayRevision, gatewayTemplate } from '../desired/gateway-pod.ts';
import { readRevision, type KeptRevision } from '../desired/kept-revision.ts';
import { childNames, names } from '../desired/labels.ts';
import type { PodIngredients } from '../desired/pod-template.ts';
import { resources } from '../kube/resources.ts';
import type { Clock } from '../../core/clock.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import type { KubeObject } from '../runtime/kube-api.ts';
import { isOlder } from '../runtime/resource-version.ts';
import { controllerOf, type Children } from './children.ts';
import type { DocumentKeeper } from './document-keeper.ts';
import type { StoredDocument } from './stored-document.ts';
import { isEndpointReady } from './endpoints.ts';
import type { PoolSecrets, SecretNeeds } from './pool-secrets.ts';
import { observeGateway, observePoll, trustedKeyOf, type PoolPod } from './pod-view.ts';
import { unixTimeOf, type Polls } from './polls.ts';
import type { PoolMemory } from './pool-memories.ts';
import type { Stores } from './stores.ts';

/** Gathers what a plan is made from: the stores, the polls and what this operator remembers of the pool. */
export class PoolObserver {
  readonly #stores: Stores;
  readonly #polls: Polls;
  readonly #documents: DocumentKeeper;
  readonly #children: Children;
  readonly #clock: Clock;

  constructor(options: {
    readonly stores: Stores;
    readonly polls: Polls;
    readonly documents: DocumentKeeper;
    readonly children: Children;
    readonly clock: Clock;
  }) {
    this.#stores = options.stores;
    this.#polls = options.polls;
    this.#documents = options.documents;
    this.#children = options.children;
    this.#clock = options.clock;
  }

  /**
   * The revision that was complete last. Of two the present one counts: the other is about to be removed.
   * @param bus id of the bus whose gateways are a replacement now, by `readRevision`
   */
  keptRevision(pool: GatewayPool, ingredients: PodIngredients, bus: string | undefined): KeptRevision | undefined {
    const { namespace, name, uid } = pool.metadata;
    const owned = this.#stores.revisionsOf(`${namespace}/${name}`).filter((object) => controllerOf(object) === uid);
    const read = owned.flatMap((object) => readRevision(object, ingredients, bus) ?? []);
    return read.find(({ revision }) => revision === gatewayRevision(ingredients)) ?? read[0];
  }

  observe(pool: GatewayPool & KubeObject, ingredients: PodIngredients, memory: PoolMemory): Omit<ObservedPool, 'keptRevision'> {
    const key = `${pool.metadata.namespace}/${pool.metadata.name}`;
    const stores = this.#stores;
    const clock = this.#clock;
    const pods = stores.pods.withIndex('pool', key);
    // Their labels may have been changed by hand. Any pod of this owner is a gateway.
    const inStore = stores.pods.withIndex('owner', `${pool.metadata.namespace}/${pool.metadata.uid}`);
    const known = withOwnWrites<PoolPod>(inStore, memory.writes, {
      isOlder,
      heard: stores.pods.heard(key),
      now: clock.monotonic(),
    });
    memory.writes = known.pending;
    const owned = known.objects;
    const owners = new Set([pool.metadata.uid, ...owned.map(({ metadata }) => metadata.uid)]);
    this.#children.forgetAllBut(key, owners);
    const template = gatewayTemplate(ingredients);
    const updateRevision = gatewayRevision(ingredients);
    const old = owned.find((pod) => pod.metadata.labels?.[names.label.revision] !== updateRevision);
    const newest = this.newestDocument(pool, ingredients.publicKey);
    const slices = stores.slicesOf(key, childNames.clients(pool));
    const moment = { now: clock.wall(), monotonic: clock.monotonic() };
    const gateways = owned.map((pod) => this.#observeGateway(pod, slices));
    const steady = withSteadyTimes(gateways, memory.times, moment);
    memory.times = steady.memory;
    return {
      ...moment,
      pool,
      updateRevision,
      updateDifference: old === undefined ? undefined : podDifference(template, old),
      gateways: steady.gateways,
      foreignNames: pods.filter((pod) => !isOwned(pod, pool.metadata.uid)).map(({ metadata }) => metadata.name),
      document: newest === undefined ? undefined : { memberUids: newest.document.gateways.map(({ uid }) => uid) },
      budget: storedBudget(stores.child(resources.podDisruptionBudget, pool.metadata.namespace, childNames.gateways(pool))),
      scaling: memory.scaling,
      faults: memory.faults,
      refusedPods: [...memory.refusals.keys()],
    };
  }

  #observeGateway(pod: PoolPod, slices: Parameters<typeof isEndpointReady>[0]): ObservedGateway {
    const { uid } = pod.metadata;
    const poll = this.#polls.of(uid);
    const polled = poll === undefined ? undefined : observePoll(poll.status, unixTimeOf(this.#clock, poll.at));
    const silentSince = this.#polls.unansweredSince(uid);
    return observeGateway(pod, polled, {
      endpointReady: isEndpointReady(slices, uid),
      unansweredSince: silentSince === undefined ? undefined : unixTimeOf(this.#clock, silentSince),
    });
  }

  /** What the pool's living pods need of its Secrets. A pod without an owner may be about to get one. */
  secretNeeds(pool: GatewayPool, { writes }: PoolMemory): SecretNeeds {
    const written = writes.flatMap(({ result }) => (result === 'deleted' ? [] : [result]));
    const labelled = this.#stores.pods.withIndex('pool', `${pool.metadata.namespace}/${pool.metadata.name}`);
    const own = this.#podsOf(pool);
    const pods = [...own, ...written, ...labelled.filter((pod) => controllerOf(pod) === undefined)];
    const known = pods.map(({ metadata: { annotations = {} } }) => annotations);
    return {
      trusted: new Set(pods.map(trustedKeyOf)),
      buses: new Set(known.flatMap((each) => [each[names.annotation.bus] ?? [], each[names.annotation.previousBus] ?? []].flat())),
      hasPodsOfOneBus: [...own, ...written].some(({ metadata }) => metadata.annotations?.[names.annotation.bus] === undefined),
    };
  }

  /** The next step of a change of the pool's bus. */
  busChange(pool: GatewayPool, { publicKey, bus, buses }: PoolSecrets, memory: BusMemory): BusChange {
    return decideBusChange({
      wanted: bus?.id,
      stored: this.newestDocument(pool, publicKey)?.document.bus,
      known: new Set(buses.map(({ id }) => id)),
      users: this.#podsOf(pool).flatMap((pod) => this.#busUser(pod)),
      memory,
      now: this.#clock.monotonic(),
    });
  }

  /** A pod as a user of buses; nothing for a pod that does not run, or is lost. */
  #busUser(pod: PoolPod): readonly BusUser[] {
    const { name, uid } = pod.metadata;
    const { isRunning, isTerminating, containersReady } = observeGateway(pod, undefined);
    const since = this.#polls.unansweredSince(uid);
    const isSilent = since !== undefined && this.#clock.monotonic() - since >= silentMs;
    if (!isRunning || (isSilent && (isTerminating || !containersReady))) return [];
    const { bus, waitingFor = [] } = this.#polls.of(uid)?.status ?? {};
    const isCutOff = waitingFor.some((each) => each.startsWith('the bus'));
    return [{ name, publishTo: bus?.publishTo, listening: bus?.listening ?? [], isCutOff }];
  }

  #podsOf({ metadata: { namespace, name } }: GatewayPool): readonly PoolPod[] {
    return this.#stores.podsOf(`${namespace}/${name}`);
  }

  /** The pool's newest document, which the ConfigMap may not have yet. */
  newestDocument(pool: GatewayPool, publicKey: string): StoredDocument | undefined {
    const object = this.#stores.child(resources.configMap, pool.metadata.namespace, childNames.document(pool));
    return this.#documents.newest(pool, object, publicKey);
  }
}

function isOwned(pod: PoolPod, poolUid: string): boolean {
  return controllerOf(pod) === poolUid;
}

/** A budget that somebody wrote otherwise says nothing: it is about to be written again. */
function storedBudget(object: KubeObject | undefined): StoredBudget | undefined {
  const { spec, status } = (object ?? {}) as {
    readonly spec?: { readonly minAvailable?: unknown };
    readonly status?: { readonly currentHealthy?: unknown };
  };
  const { minAvailable, currentHealthy } = { ...spec, ...status };
  return typeof minAvailable === 'number' && typeof currentHealthy === 'number' ? { minAvailable, currentHealthy } : undefined;
}

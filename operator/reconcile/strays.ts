import type { GatewayPool } from '../api/gateway-pool.ts';
import type { ActionEvent } from '../decide/actions.ts';
import { claimedGateway } from '../desired/labels.ts';
import { resources } from '../kube/resources.ts';
import type { Clock } from '../../core/clock.ts';
import type { KubeApi, KubeObject, KubeReader } from '../runtime/kube-api.ts';
import type { PodWrite } from './action-shell.ts';
import type { Attempts } from './attempts.ts';
import { controllerOf } from './children.ts';
import type { PoolPod } from './pod-view.ts';
import type { Stores } from './stores.ts';

/** Selects every pod that the stores do not watch. */
const unlabelled = 'app.kubernetes.io/managed-by!=barrage-operator';

/** A pod that was brought back. The store has not heard of it yet. */
export interface Returned {
  readonly write: PodWrite;
  readonly event: ActionEvent;
}

/**
 * Gateways that the stores do not show as their pool's, although clients are on them. Some have lost the label by which
 * pods are watched, and some were left by an earlier pool of this name.
 */
export class Strays {
  readonly #api: KubeApi & KubeReader;
  readonly #stores: Stores;
  readonly #clock: Clock;
  /** Names of pods that may have lost our label, by the pool's uid. */
  readonly #lost = new Map<string, Set<string>>();
  /** Namespaces whose pods without our label were listed. */
  readonly #listed = new Set<string>();

  constructor({ api, stores, clock }: { readonly api: KubeApi & KubeReader; readonly stores: Stores; readonly clock: Clock }) {
    this.#api = api;
    this.#stores = stores;
    this.#clock = clock;
    stores.pods.onChange((change) => {
      // A pod that is deleted as usual is marked first. Otherwise one read tells whether it is gone.
      if (change.kind === 'deleted' && change.previous.metadata.deletionTimestamp === undefined) this.#note(change.previous);
    });
    stores.pools.onChange((change) => {
      if (change.kind === 'deleted') this.#lost.delete(change.previous.metadata.uid);
    });
  }

  /**
   * Gives the pool's gateways without our labels their labels. Such pods are listed once for each namespace, by their
   * metadata; later ones are those that left the store.
   * @throws ApiError without an answer of the API server
   */
  async lost(pool: GatewayPool & KubeObject, attempts: Attempts, signal: AbortSignal): Promise<readonly Returned[]> {
    const { namespace, uid } = pool.metadata;
    await attempts.run(`Pods of ${namespace}`, () => this.#listOnce(namespace, signal));
    const names = this.#lost.get(uid) ?? new Set<string>();
    const returned: Returned[] = [];
    for (const name of names) {
      const pod = await attempts.run(`Pod ${name}`, async () => {
        const found = await this.#api.get<PoolPod>(resources.pod, { namespace, name }, signal);
        const isGone = found === undefined || controllerOf(found) !== uid || found.metadata.deletionTimestamp !== undefined;
        return isGone ? undefined : this.#claim(pool, found, signal);
      });
      if (pod === 'failed') continue;
      names.delete(name);
      if (pod === undefined) continue;
      const message = `${name}: labels that somebody removed are restored`;
      returned.push(this.#returned(pod, { type: 'Warning', reason: 'PodLabelsRestored', message }));
    }
    return returned;
  }

  /**
   * Takes over gateways that an earlier pool of this name left without an owner. Anybody may write labels on a pod, so
   * only those count that the signed document names by their uid.
   * @param members uids in the newest document with the pool's signature
   * @throws ApiError without an answer of the API server
   */
  async orphaned(
    pool: GatewayPool & KubeObject,
    members: ReadonlySet<string>,
    { attempts, signal }: { readonly attempts: Attempts; readonly signal: AbortSignal },
  ): Promise<readonly Returned[]> {
    const pods = this.#stores.pods.withIndex('pool', `${pool.metadata.namespace}/${pool.metadata.name}`);
    const left = pods.filter((pod) => controllerOf(pod) === undefined && members.has(pod.metadata.uid));
    const returned: Returned[] = [];
    for (const each of left) {
      const { name, deletionTimestamp } = each.metadata;
      if (deletionTimestamp !== undefined) continue;
      const pod = await attempts.run(`Pod ${name}`, () => this.#claim(pool, each, signal));
      if (pod === 'failed') continue;
      const message = `${name}: an earlier pool of this name left it without an owner; this pool takes it over with its clients`;
      returned.push(this.#returned(pod, { type: 'Normal', reason: 'PodAdopted', message }));
    }
    return returned;
  }

  async #listOnce(namespace: string, signal: AbortSignal): Promise<void> {
    if (this.#listed.has(namespace)) return;
    for (const pod of await this.#api.listMetadata(resources.pod, { namespace, labelSelector: unlabelled }, signal)) this.#note(pod);
    this.#listed.add(namespace);
  }

  #note({ metadata: { namespace, name = '', ownerReferences = [] } }: KubeObject): void {
    const owner = ownerReferences.find(({ controller }) => controller === true);
    if (owner?.kind !== resources.gatewayPool.kind || this.#stores.pools.get(`${namespace}/${owner.name}`)?.metadata.uid !== owner.uid)
      return;
    const lost = this.#lost.get(owner.uid);
    if (lost === undefined) this.#lost.set(owner.uid, new Set([name]));
    else lost.add(name);
  }

  /** Labels and owner together: an apply takes back what an earlier one of ours set and this one leaves out. */
  async #claim(pool: GatewayPool & KubeObject, pod: PoolPod, signal: AbortSignal): Promise<PoolPod> {
    return await this.#api.apply(resources.pod, { metadata: claimedGateway(pool, pod.metadata) } as unknown as PoolPod, signal);
  }

  #returned(pod: PoolPod, event: ActionEvent): Returned {
    const write: PodWrite = { uid: pod.metadata.uid, result: pod, at: this.#clock.monotonic(), unix: this.#clock.wall() };
    return { write, event };
  }
}

import type { GatewayPool } from '../api/gateway-pool.ts';
import type { PoolPlan } from '../decide/actions.ts';
import { gatewayBlocker } from '../decide/blocker.ts';
import type { ObservedPool } from '../decide/observed.ts';
import type { PoolPolicies } from '../decide/policies.ts';
import { poolConditions, type PoolFacts } from '../decide/pool-conditions.ts';
import { poolStatus } from '../decide/status.ts';
import { gatewayTemplate } from '../desired/gateway-pod.ts';
import { childNames, names } from '../desired/labels.ts';
import type { JsonObject } from '../desired/objects.ts';
import { restrictedBreaches } from '../desired/pod-security.ts';
import type { PodIngredients } from '../desired/pod-template.ts';
import { publisherDeployment } from '../desired/publisher.ts';
import { resources } from '../kube/resources.ts';
import type { KubeApi, KubeObject } from '../runtime/kube-api.ts';
import { observeGateway } from './pod-view.ts';
import type { Stores } from './stores.ts';

/** What a status is made from. */
export interface PoolReport {
  readonly ingredients: PodIngredients;
  readonly observed: ObservedPool;
  readonly plan: PoolPlan;
  readonly policies: PoolPolicies;
  /** Epoch of the document in the ConfigMap; 0 before the first. */
  readonly epoch: number;
}

/** Writes a pool's status, and only when it says something else than what is stored. */
export class PoolStatusWriter {
  readonly #api: KubeApi;
  readonly #stores: Stores;

  constructor(options: { readonly api: KubeApi; readonly stores: Stores }) {
    this.#api = options.api;
    this.#stores = options.stores;
  }

  /** @throws ApiError */
  async write({ ingredients, observed, plan, policies, epoch }: PoolReport, signal: AbortSignal): Promise<void> {
    const { pool } = ingredients;
    const conditions = poolConditions({
      observed,
      plan,
      policies,
      publishers: this.#publishers(pool),
      samePrefix: this.#samePrefix(pool),
      securityBreaches: breachesOf(ingredients),
    });
    const decision = poolStatus({ pool, plan, updateRevision: observed.updateRevision, epoch, conditions, now: observed.now });
    if (decision.kind === 'same') return;
    const { namespace, name } = pool.metadata;
    await this.#api.applyStatus(resources.gatewayPool, { metadata: { namespace, name }, status: decision.status } as KubeObject, signal);
  }

  #publishers(pool: GatewayPool): PoolFacts['publishers'] {
    if (pool.spec.bus.type === 'Memory') return undefined;
    const { namespace, name } = pool.metadata;
    const deployment = this.#stores.child(resources.deployment, namespace, childNames.publisher(pool));
    const { spec, status } = (deployment ?? {}) as DeploymentView;
    const refusal = status?.conditions?.find((condition) => condition.type === 'ReplicaFailure' && condition.status === 'True')?.message;
    const pods = this.#stores.pods
      .withIndex('pool', `${namespace}/${name}`)
      .filter(({ metadata }) => metadata.labels?.[names.label.component] === 'publisher')
      .map((pod) => observeGateway(pod, undefined));
    return {
      wanted: spec?.replicas ?? pool.spec.publisher.minReplicas,
      available: status?.availableReplicas ?? 0,
      obstacle: refusal ?? gatewayBlocker(pods)?.message,
    };
  }

  #samePrefix(pool: GatewayPool): readonly string[] {
    const bus = busOf(pool);
    if (bus === undefined) return [];
    const others = this.#stores.pools.all().filter((other) => other.metadata.uid !== pool.metadata.uid && busOf(other) === bus);
    return others.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).toSorted();
  }
}

interface DeploymentView {
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly availableReplicas?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

/** Names a Redis with a key prefix. */
function busOf({ spec, metadata }: GatewayPool): string | undefined {
  const { redis } = spec.bus;
  return redis === undefined
    ? undefined
    : `${redis.addresses.toSorted().join()} ${redis.keyPrefix ?? `${metadata.namespace}/${metadata.name}`}`;
}

function breachesOf(ingredients: PodIngredients): readonly string[] {
  const publisher = publisherDeployment(ingredients)?.spec?.['template'] as JsonObject | undefined;
  const specs = [gatewayTemplate(ingredients).spec, ...(publisher === undefined ? [] : [publisher['spec'] as JsonObject])];
  return [...new Set(specs.flatMap((spec) => restrictedBreaches(spec)))];
}

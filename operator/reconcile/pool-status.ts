import type { GatewayPool } from '../api/gateway-pool.ts';
import type { GatewayPoolStatus } from '../api/gateway-pool-status.ts';
import type { PoolPlan } from '../decide/actions.ts';
import { gatewayBlocker } from '../decide/blocker.ts';
import { busIdentity } from '../desired/bus-identity.ts';
import type { BusChange } from '../decide/bus-change.ts';
import { complaintsOf, type Complaints } from '../decide/complaints.ts';
import type { ConditionDraft } from '../decide/conditions.ts';
import { isPublishing, type ObservedPool } from '../decide/observed.ts';
import type { PoolPolicies } from '../decide/policies.ts';
import { poolConditions, type PoolFacts } from '../decide/pool-conditions.ts';
import { poolSpecFaults } from '../decide/spec-faults.ts';
import { isProgress, progressPaceMs, poolStatus, unreadablePoolStatus, type StatusDecision } from '../decide/status.ts';
import { steadyConditions } from '../decide/steady-conditions.ts';
import { gatewayTemplate } from '../desired/gateway-pod.ts';
import { childNames, names } from '../desired/labels.ts';
import type { JsonObject } from '../desired/objects.ts';
import { overruled } from '../desired/overlay.ts';
import { restrictedBreaches } from '../desired/pod-security.ts';
import type { PodIngredients } from '../desired/pod-template.ts';
import { publisherDeployment } from '../desired/publisher.ts';
import { resources } from '../kube/resources.ts';
import { observeGateway } from './pod-view.ts';
import type { Polls } from './polls.ts';
import type { StatusApplier } from './status-applier.ts';
import type { Stores } from './stores.ts';

/** The input of a pool's status. */
export interface PoolReport {
  readonly ingredients: PodIngredients;
  readonly observed: ObservedPool;
  readonly plan: PoolPlan;
  readonly policies: PoolPolicies;
  /** Epoch of the document in the ConfigMap; 0 before the first. */
  readonly epoch: number;
  readonly busChange: BusChange;
}

/** The content of a pool's status, and its faults. */
export interface PoolVerdict extends Complaints {
  readonly conditions: readonly ConditionDraft[];
  /** Milliseconds until a flip that was held back must be judged again. */
  readonly reviewAfterMs: number | undefined;
}

/** Writes a pool's status when it differs from the stored one. */
export class PoolStatusWriter {
  readonly #statuses: StatusApplier;
  readonly #stores: Stores;
  readonly #polls: Polls;
  /** `busIdentity` of each stored pool. A stored pool never changes. */
  readonly #buses = new WeakMap<GatewayPool, string | undefined>();

  constructor(options: { readonly statuses: StatusApplier; readonly stores: Stores; readonly polls: Polls }) {
    this.#polls = options.polls;
    this.#statuses = options.statuses;
    this.#stores = options.stores;
  }

  judge({ ingredients, observed, plan, policies, busChange }: PoolReport): PoolVerdict {
    const { pool } = ingredients;
    const facts: PoolFacts = {
      observed,
      plan,
      policies,
      busChange,
      publishers: this.#publishers(pool, observed.now),
      samePrefix: this.#samePrefix(pool),
      securityBreaches: breachesOf(ingredients),
      overruled: overruledOf(ingredients),
    };
    const { conditions, reviewAfterMs } = steadyConditions(pool, poolConditions(facts), observed.now);
    return { conditions, reviewAfterMs, ...complaintsOf(facts, conditions) };
  }

  /**
   * @param pace when this pool's status was last written; the writer updates it
   * @returns milliseconds until the next look: the status only tells of progress and the last write is too young, or a
   * flip was held back
   * @throws ApiError
   */
  async write(
    { ingredients, observed, plan, epoch }: PoolReport,
    { conditions, reviewAfterMs }: PoolVerdict,
    { pace, signal }: { readonly pace: StatusPace; readonly signal: AbortSignal },
  ): Promise<number | undefined> {
    const { pool } = ingredients;
    const { now, updateRevision } = observed;
    const decision = poolStatus({ pool, plan, updateRevision, epoch, conditions, now });
    if (decision.kind === 'same') return reviewAfterMs;
    const waitMs = (pace.writtenAt ?? -Infinity) + progressPaceMs - now;
    if (waitMs > 0 && waitMs <= progressPaceMs && isProgress(pool.status ?? {}, decision.status))
      return Math.min(waitMs, reviewAfterMs ?? Infinity);
    pace.writtenAt = now;
    await this.#write(pool, decision, signal);
    return reviewAfterMs;
  }

  /**
   * Writes why the pool's spec can't be read.
   * @throws ApiError
   */
  async writeUnreadable(
    pool: GatewayPool,
    about: { readonly faults: readonly string[]; readonly now: number },
    signal: AbortSignal,
  ): Promise<void> {
    await this.#write(pool, unreadablePoolStatus(pool, about.faults, about.now), signal);
  }

  async #write(pool: GatewayPool, decision: StatusDecision<GatewayPoolStatus>, signal: AbortSignal): Promise<void> {
    if (decision.kind === 'same') return;
    const { status } = decision;
    const summary = status.conditions?.find(({ type }) => type === 'Ready')?.message ?? '';
    await this.#statuses.apply({ resource: resources.gatewayPool, object: pool, status, summary }, signal);
  }

  #publishers(pool: GatewayPool, now: number): PoolFacts['publishers'] {
    if (pool.spec.bus.type === 'Memory') return undefined;
    const { namespace, name } = pool.metadata;
    const deployment = this.#stores.child(resources.deployment, namespace, childNames.publisher(pool));
    const { status } = (deployment ?? {}) as DeploymentView;
    const refusal = status?.conditions?.find((condition) => condition.type === 'ReplicaFailure' && condition.status === 'True')?.message;
    const pods = this.#stores
      .podsOf(`${namespace}/${name}`)
      .filter(({ metadata }) => metadata.labels?.[names.label.component] === 'publisher')
      .map((pod) => observeGateway(pod, undefined));
    return {
      available: status?.availableReplicas ?? 0,
      obstacle: refusal ?? gatewayBlocker(pods, now)?.message,
      policiesHashes: pods.filter(isPublishing).map(({ uid }) => this.#polls.of(uid)?.status.policiesHash),
    };
  }

  #samePrefix(pool: GatewayPool): readonly string[] {
    const bus = busIdentity(pool);
    if (bus === undefined) return [];
    const others = this.#stores.pools.all().filter((other) => other.metadata.uid !== pool.metadata.uid && this.#busOf(other) === bus);
    return others.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).toSorted();
  }

  #busOf(pool: GatewayPool): string | undefined {
    if (!this.#buses.has(pool)) this.#buses.set(pool, poolSpecFaults(pool).length > 0 ? undefined : busIdentity(pool));
    return this.#buses.get(pool);
  }
}

/** When a pool's status was last written, in Unix milliseconds. A restart may forget it. */
export interface StatusPace {
  writtenAt: number | undefined;
}

interface DeploymentView {
  readonly status?: {
    readonly availableReplicas?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

function breachesOf(ingredients: PodIngredients): readonly string[] {
  const specs = [gatewayTemplate(ingredients).spec, ...publisherTemplates(ingredients).map((template) => template['spec'] as JsonObject)];
  return [...new Set(specs.flatMap((spec) => restrictedBreaches(spec)))];
}

function overruledOf(ingredients: PodIngredients): readonly string[] {
  const { template, publisher } = ingredients.pool.spec;
  return [
    ...overruled(template as JsonObject, gatewayTemplate(ingredients)).map((path) => `spec.template.${path}`),
    ...publisherTemplates(ingredients)
      .flatMap((made) => overruled(publisher.template as JsonObject, made))
      .map((path) => `spec.publisher.template.${path}`),
  ];
}

/** The publishers' pod template; none on a memory bus. */
function publisherTemplates(ingredients: PodIngredients): readonly JsonObject[] {
  const template = publisherDeployment(ingredients)?.spec?.['template'] as JsonObject | undefined;
  return template === undefined ? [] : [template];
}

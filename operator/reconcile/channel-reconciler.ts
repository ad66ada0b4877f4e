import type { GatewayPool } from '../api/gateway-pool.ts';
import { channelConditions, policyReach, type PolicyReach } from '../decide/channel-conditions.ts';
import type { ObservedGateway } from '../decide/observed.ts';
import { poolNotFound, type PoolPolicies } from '../decide/policies.ts';
import { nextHistory, type PolicyHistory } from '../decide/policy-history.ts';
import { poolSpecFaults } from '../decide/spec-faults.ts';
import { channelStatus } from '../decide/status.ts';
import { names } from '../desired/labels.ts';
import { resources } from '../kube/resources.ts';
import { ApiError } from '../runtime/api-error.ts';
import type { Clock } from '../../core/clock.ts';
import type { Outcome } from '../runtime/outcome.ts';
import type { KnownPolicies } from './known-policies.ts';
import { observeGateway, observePoll, type PoolPod } from './pod-view.ts';
import { unixTimeOf, type Polls } from './polls.ts';
import type { StatusApplier } from './status-applier.ts';
import type { Stores } from './stores.ts';

/** Milliseconds after which the pass over a pool's channels lets other work have its turn. */
const sliceMs = 20;

/**
 * Writes the status of all BarrageChannels of one pool; the key is the pool's. One channel's verdict depends on the
 * pool's other channels, so one pass judges all of them. The policies themselves reach the gateways with the pool
 * document, in the pool's reconcile.
 */
export class ChannelReconciler {
  readonly #stores: Stores;
  readonly #statuses: StatusApplier;
  readonly #polls: Polls;
  readonly #clock: Clock;
  readonly #policies: KnownPolicies;
  /** By pool (`namespace/name`), with the pool's uid. */
  readonly #histories = new Map<string, { readonly uid: string; readonly history: PolicyHistory }>();

  constructor(options: {
    readonly stores: Stores;
    readonly statuses: StatusApplier;
    readonly polls: Polls;
    readonly clock: Clock;
    readonly policies: KnownPolicies;
  }) {
    this.#policies = options.policies;
    this.#stores = options.stores;
    this.#statuses = options.statuses;
    this.#polls = options.polls;
    this.#clock = options.clock;
  }

  readonly reconcile = async (poolKey: string, signal: AbortSignal): Promise<Outcome> => {
    const pool = this.#stores.pools.get(poolKey);
    const channels = this.#stores.channels.withIndex('pool', poolKey);
    const exists = pool !== undefined && pool.metadata.deletionTimestamp === undefined;
    if (!exists) this.#histories.delete(poolKey);
    const policies = exists ? this.#policies.of(poolKey, channels) : undefined;
    const reach = exists && policies !== undefined ? this.#reach(poolKey, pool, policies) : undefined;
    const verdicts = policies?.verdicts ?? channels.map(poolNotFound);
    const refused: ApiError[] = [];
    let sliceBegan = this.#clock.monotonic();
    for (const verdict of verdicts) {
      if (this.#clock.monotonic() - sliceBegan >= sliceMs) {
        await new Promise<void>((resolve) => this.#clock.soon(resolve));
        sliceBegan = this.#clock.monotonic();
      }
      const conditions = channelConditions(verdict, reach);
      const decision = channelStatus(verdict.channel, conditions, this.#clock.wall());
      if (decision.kind === 'same') continue;
      const write = { resource: resources.barrageChannel, object: verdict.channel, status: decision.status, summary: verdict.message };
      try {
        await this.#statuses.apply(write, signal);
      } catch (error) {
        // A status that is refused does not keep the other channels from theirs.
        if (!(error instanceof ApiError) || error.isPassing) throw error;
        refused.push(error);
      }
    }
    if (refused[0] !== undefined) throw refused[0];
    return { kind: 'done' };
  };

  #reach(poolKey: string, pool: GatewayPool, policies: PoolPolicies): PolicyReach {
    const { uid } = pool.metadata;
    const known = this.#histories.get(poolKey);
    const history = nextHistory(known?.uid === uid ? known.history : undefined, policies);
    this.#histories.set(poolKey, { uid, history });
    const of = Object.groupBy(this.#stores.podsOf(poolKey), ({ metadata }) => metadata.labels?.[names.label.component] ?? '');
    const observed = (pods: readonly PoolPod[] = []): readonly ObservedGateway[] =>
      pods.map((pod) => {
        const poll = this.#polls.of(pod.metadata.uid);
        return observeGateway(pod, poll === undefined ? undefined : observePoll(poll.status, unixTimeOf(this.#clock, poll.at)));
      });
    const isPaused = poolSpecFaults(pool).length === 0 && pool.spec.paused;
    return policyReach(history, { gateways: observed(of['gateway']), publishers: observed(of['publisher']) }, isPaused);
  }
}

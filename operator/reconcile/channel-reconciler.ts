import { channelConditions } from '../decide/channel-conditions.ts';
import { poolNotFound, poolPolicies } from '../decide/policies.ts';
import { poolSpecFaults } from '../decide/spec-faults.ts';
import { channelStatus } from '../decide/status.ts';
import { names } from '../desired/labels.ts';
import { resources } from '../kube/resources.ts';
import { ApiError } from '../runtime/api-error.ts';
import type { Clock } from '../../core/clock.ts';
import type { Outcome } from '../runtime/outcome.ts';
import { observeGateway, observePoll } from './pod-view.ts';
import type { Polls } from './polls.ts';
import type { StatusApplier } from './status-applier.ts';
import type { Stores } from './stores.ts';

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

  constructor(options: { readonly stores: Stores; readonly statuses: StatusApplier; readonly polls: Polls; readonly clock: Clock }) {
    this.#stores = options.stores;
    this.#statuses = options.statuses;
    this.#polls = options.polls;
    this.#clock = options.clock;
  }

  readonly reconcile = async (poolKey: string, signal: AbortSignal): Promise<Outcome> => {
    const pool = this.#stores.pools.get(poolKey);
    const exists = pool !== undefined && pool.metadata.deletionTimestamp === undefined;
    const channels = this.#stores.channels.withIndex('pool', poolKey);
    const isPaused = exists && poolSpecFaults(pool).length === 0 && pool.spec.paused;
    const policies = exists ? poolPolicies(channels) : undefined;
    const verdicts = policies?.verdicts ?? channels.map(poolNotFound);
    const gateways = this.#stores
      .podsOf(poolKey)
      .filter(({ metadata }) => metadata.labels?.[names.label.component] === 'gateway')
      .map((pod) => {
        const poll = this.#polls.of(pod.metadata.uid);
        return observeGateway(pod, poll === undefined ? undefined : observePoll(poll.status, poll.at));
      });
    const refused: ApiError[] = [];
    for (const verdict of verdicts) {
      const conditions = channelConditions(verdict, gateways, { hash: policies?.hash, isPaused });
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
}

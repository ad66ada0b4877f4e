import type { GatewayCalls } from '../../core/bus/bus.ts';

/** `unknown`: a gateway has not reported, or the bus is away. A wrong count is not given out. */
export type MemberCount = { readonly kind: 'members'; readonly members: number } | { readonly kind: 'unknown' };

/**
 * Counts a channel's members in the whole pool, from the reports that gateways send once a second anyway. So a question
 * costs no other gateway anything, whatever the number of questions and channels.
 */
export class MemberCounter {
  readonly #calls: Pick<GatewayCalls, 'countMembers'>;
  readonly #onCount: (result: 'answered' | 'unknown') => void;

  constructor(options: { readonly calls: Pick<GatewayCalls, 'countMembers'>; readonly onCount: (result: 'answered' | 'unknown') => void }) {
    this.#calls = options.calls;
    this.#onCount = options.onCount;
  }

  readonly count = async (channel: string): Promise<MemberCount> => {
    const counts = await this.#calls.countMembers(channel);
    this.#onCount(counts === undefined ? 'unknown' : 'answered');
    return counts === undefined ? { kind: 'unknown' } : { kind: 'members', members: counts.ready + counts.full };
  };
}

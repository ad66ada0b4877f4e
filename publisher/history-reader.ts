import { BusUnavailable, type Bus } from '../core/bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import { isInOrder, reachOf, withoutExpired, type KeptPublication } from '../core/history.ts';
import type { Policies } from '../core/policy/policy.ts';
import { publisherBounds } from './bounds.ts';
import { refuse, temporarilyUnavailable, type Outcome } from './errors.ts';
import type { PublisherJournal } from './log-lines.ts';
import type { PublisherMetrics } from './metrics.ts';
import type { RequestLog } from './request-log.ts';
import { keptFields, readHistoryRequest } from './history-request.ts';
import { HistoryTurns, noTurn } from './history-turns.ts';

interface HistoryParts {
  readonly bus: Bus;
  readonly policies: () => Policies;
  readonly journal: PublisherJournal;
  readonly metrics: PublisherMetrics;
  readonly log: RequestLog;
  readonly clock: Pick<Clock, 'monotonic' | 'wall' | 'after'>;
}

/** Answers `GET /v1/channels/{channel}/history`. */
export class HistoryReader {
  readonly #parts: HistoryParts;
  readonly #reads: HistoryTurns;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
    this.#reads = new HistoryTurns(parts.clock, publisherBounds.historyReadsMax);
  }

  /** Answers one request; never rejects. */
  async answer(path: string, query: string): Promise<Outcome> {
    const { clock, metrics, log } = this.#parts;
    const startedAt = clock.monotonic();
    const outcome = await this.#read(path, query);
    if (outcome.kind === 'refused') log.refused('history', outcome);
    metrics.answered('history', outcome, clock.monotonic() - startedAt);
    return outcome;
  }

  /**
   * Reads kept publications of one channel. The result has `epoch` and `offset`, the end of the channel's order;
   * `publications`; and with `since` the `reach`: `whole`, `more` or `lost`, and with `more` the `next` offset to ask
   * from. What was recalled is left out.
   */
  async #read(path: string, query: string): Promise<Outcome> {
    const read = readHistoryRequest(path, query);
    if (read.kind === 'fault') return refuse('badArguments', read.message);
    const { channel, limit, since, epoch, reverse } = read.request;
    const { history, channel: pattern } = this.#parts.policies().of(channel);
    if (history === undefined)
      return refuse('noHistory', `channel "${channel}" keeps no history: set history in the policy for ${pattern}`);
    const isForward = since !== undefined && !reverse;
    const end = await this.#reads.take();
    if (end === undefined) return noTurn();
    try {
      const question = isForward ? { kind: 'after' as const, offset: since, limit } : { kind: 'newest' as const, before: since, limit };
      const page = await this.#parts.bus.log.history(channel, question);
      // Backwards, the last of what is asked for is the one before it: an order that ends there has all of that.
      const last = reverse ? Math.max(0, (since ?? 0) - 1) : (since ?? 0);
      const from = { epoch: epoch ?? page.position.epoch, offset: last };
      // Offsets of another order name other publications.
      const kept = isInOrder(page, from) ? withoutExpired(page.publications, history, this.#parts.clock.wall()) : [];
      const reach =
        since === undefined ? {} : { reach: isForward ? reachOf({ ...page, publications: kept }, from) : backwardReach(kept, since) };
      const publications = kept.filter(({ publication }) => publication.isRecalled !== true).map(keptFields);
      // The last of the page may have been recalled: it is not among the publications.
      const next = 'reach' in reach && reach.reach === 'more' ? { next: (isForward ? kept.at(-1) : kept[0])?.offset ?? since } : {};
      const result = { ...page.position, ...reach, ...next, publications: reverse ? publications.toReversed() : publications };
      return { kind: 'done', result };
    } catch (error) {
      if (error instanceof BusUnavailable) return temporarilyUnavailable(error);
      this.#parts.journal.write('request-failed', { operation: 'history', err: error });
      return refuse('internal', 'internal error; the publisher logged it');
    } finally {
      end();
    }
  }
}

/** Whether publications before an offset are there: `lost` where the one just before it is not. */
function backwardReach(kept: readonly KeptPublication[], before: number): 'more' | 'whole' | 'lost' {
  if (before <= 1 || kept[0]?.offset === 1) return 'whole';
  return kept.at(-1)?.offset === before - 1 ? 'more' : 'lost';
}

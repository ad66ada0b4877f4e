import type { ChannelOutcome, Delivered, History, KeptPublication, Published } from './api.ts';
import type { BarrageBackendError } from './errors.ts';
import { apiError, type ApiFault } from './failures.ts';
import { dataOf, type WirePayload } from './payload.ts';

/** The `r` of a publication. */
export interface PublishResult {
  readonly s: number;
  readonly f: number;
  readonly offset: number;
  readonly epoch: string;
  readonly replayed?: boolean;
  readonly dropped?: Readonly<Record<string, number>>;
  readonly pending?: number;
  readonly unanswered?: readonly string[];
}

/** What was published, as callers get it. */
export function publishedOf({ s, f, offset, epoch, replayed = false }: PublishResult): Published {
  return { epoch, offset, replayed, ready: s, full: f };
}

/** What was published and waited for, as callers get it. */
export function deliveredOf(result: PublishResult): Delivered {
  const { s, f, offset, epoch, replayed = false, dropped = {}, pending = 0, unanswered = [] } = result;
  return { epoch, offset, replayed, sent: s, notSent: f, dropped, pending, unanswered };
}

type BatchEntry = { readonly E: null; readonly r: PublishResult } | { readonly E: ApiFault };

/** The `r` of `POST /v1/publish`. */
export interface BatchResult {
  readonly results: readonly (BatchEntry | readonly BatchEntry[])[];
}

/** One entry for each publication and channel, in their order. */
export function outcomesOf(
  { results }: BatchResult,
  channels: readonly (readonly string[])[],
): readonly ChannelOutcome<BarrageBackendError>[] {
  return channels.flatMap((names, index) => {
    const entries = [results[index] ?? []].flat();
    return names.map((channel, place): ChannelOutcome<BarrageBackendError> => {
      const entry = entries[place];
      if (entry === undefined) throw new TypeError(`the answer has no result for publication ${index} in ${channel}`);
      return entry.E === null
        ? { index, channel, published: publishedOf(entry.r) }
        : { index, channel, error: apiError(entry.E, { status: 200 }) };
    });
  });
}

/** The first failure of a part after which a repetition of the whole request would do the rest. */
export function unfinishedOf({ results }: BatchResult): BarrageBackendError | undefined {
  const errors = results.flat().flatMap((entry) => (entry.E === null ? [] : [apiError(entry.E, { status: 200 })]));
  return errors.find(({ retry }) => retry);
}

/** The `r` of a history. */
export interface HistoryResult extends Omit<History, 'publications'> {
  readonly publications: readonly (Omit<KeptPublication, 'data'> & Partial<WirePayload>)[];
}

/** A history as callers get it: payloads as text or bytes. */
export function historyOf({ publications, ...end }: HistoryResult): History {
  return {
    ...end,
    publications: publications.map(({ d, t, ...publication }) =>
      d === undefined ? publication : { ...publication, data: dataOf(t === undefined ? { d } : { d, t }) },
    ),
  };
}

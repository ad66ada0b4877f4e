import type { HistoryBounds } from '../history.ts';
import type { AppendKeys } from '../idempotency-key.ts';
import type { Publication } from '../publication.ts';
import type { Span } from '../trace.ts';
import type { AppendResult, ChannelLog } from './bus.ts';

/**
 * Appends one publication, inside a span if its trace is sampled. Gateways go on with the trace as children of that
 * span.
 * @param parcel the publication, its key, and what the channel's history keeps
 * @param span the request's
 * @throws as `ChannelLog.append`
 */
export function appendTraced(log: ChannelLog, parcel: Parcel, span: Span | undefined): Promise<AppendResult> {
  // No promise of its own: nearly every publication goes this way.
  return span === undefined ? log.append(parcel.channel, [parcel.publication], parcel.keep, parcel.keys) : appendInside(log, parcel, span);
}

interface Parcel {
  readonly channel: string;
  readonly publication: Publication;
  readonly keep: HistoryBounds | undefined;
  readonly keys: AppendKeys | undefined;
}

async function appendInside(log: ChannelLog, { channel, publication, keep, keys }: Parcel, span: Span): Promise<AppendResult> {
  const append = span.child('append');
  try {
    const result = await log.append(channel, [{ ...publication, traceparent: append.traceparent }], keep, keys);
    const { batch } = result;
    if (batch !== undefined) {
      const attributes = { 'barrage.batch.publications': batch.publications, 'barrage.batch.bytes': batch.bytes };
      append.child('bus', { at: batch.sentAt, attributes }).end({ at: batch.answeredAt });
    }
    span.set({ 'barrage.offset': result.firstOffset });
    append.end();
    return result;
  } catch (error) {
    append.end({ fault: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

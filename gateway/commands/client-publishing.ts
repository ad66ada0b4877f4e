import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../../core/bounded-cache.ts';
import { BusUnavailable, KeysRefused, type AppendResult, type ChannelLog } from '../../core/bus/bus.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import { idempotencyKey, type AppendKeys } from '../../core/idempotency-key.ts';
import { limits } from '../../core/limits.ts';
import { appendTraced } from '../../core/bus/traced-append.ts';
import type { Publication } from '../../core/publication.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import type { Span } from '../../core/trace.ts';

export type PublishResult =
  | { readonly kind: 'published'; readonly result: AppendResult }
  | { readonly kind: 'slow_mode'; readonly waitMs: number }
  | { readonly kind: 'channel_rate' }
  /** The policy remembers no idempotency keys, the key was used for another publication, or too many are remembered. */
  | { readonly kind: 'keys_off' | 'key_reused' | 'keys_full' }
  /** The bus did not confirm it. `mayBeDone`: it may have been published all the same. */
  | { readonly kind: 'unavailable'; readonly mayBeDone: boolean };

/**
 * Most authors in slow mode, and most channels with a rate, that one gateway remembers. The longest unused is forgotten
 * first.
 */
const rememberedMax = 100_000;

/**
 * Publications of clients, if the policy allows them: slow mode for each author and channel, and the channel's rate on
 * this gateway. Access and size were checked before.
 */
export class ClientPublishing {
  readonly #log: ChannelLog;
  readonly #lastAt: LRUCache<string, number>;
  readonly #rates: LRUCache<string, TokenBucket>;

  /** @param remembered most authors, and most channels, whose last publications are known */
  constructor(log: ChannelLog, remembered = rememberedMax) {
    this.#log = log;
    this.#lastAt = boundedCache(remembered);
    this.#rates = boundedCache(remembered);
  }

  /** @param author the target of slow mode: the user, or the connection of a client without an identity */
  async publish(request: {
    readonly channel: string;
    readonly author: string;
    /** Absent: the publication has none. */
    readonly idempotencyKey?: string | undefined;
    readonly policy: ChannelPolicy;
    readonly publication: Publication;
    /** Milliseconds of a monotonic clock. */
    readonly now: number;
    /** The command's span; absent: not sampled. */
    readonly span?: Span | undefined;
  }): Promise<PublishResult> {
    const { channel, policy, publication, now, span } = request;
    if (request.idempotencyKey !== undefined && policy.idempotency.windowSeconds === 0) return { kind: 'keys_off' };
    const paced = `${channel} ${request.author}`;
    const lastAt = this.#lastAt.get(paced);
    const slow = slowModeWait(lastAt, policy.access.slowModeSeconds, now);
    if (slow > 0) return { kind: 'slow_mode', waitMs: slow };
    if (!this.#takeRate(channel, policy.limits.publicationsPerSecond, now)) return { kind: 'channel_rate' };
    if (policy.access.slowModeSeconds > 0) this.#lastAt.set(paced, now);
    try {
      const parcel = { channel, publication, keep: policy.history, keys: keysOf(request) };
      const result = await appendTraced(this.#log, parcel, span);
      // A repetition publishes nothing that could slow its author down.
      if (result.known !== undefined) this.#giveBack(paced, now, lastAt);
      return { kind: 'published', result };
    } catch (error) {
      // A client that is told to try again must not have to wait for having tried.
      this.#giveBack(paced, now, lastAt);
      if (error instanceof KeysRefused) return { kind: error.reason === 'full' ? 'keys_full' : 'key_reused' };
      if (error instanceof BusUnavailable) return { kind: 'unavailable', mayBeDone: error.mayBeDone };
      throw error;
    }
  }

  /** Forgets a publication that failed, unless the author has published again since, or was forgotten. */
  #giveBack(key: string, at: number, before: number | undefined): void {
    if (this.#lastAt.peek(key) !== at) return;
    if (before === undefined) this.#lastAt.delete(key);
    else this.#lastAt.set(key, before);
  }

  #takeRate(channel: string, perSecond: number | undefined, now: number): boolean {
    if (perSecond === undefined) return true;
    let bucket = this.#rates.get(channel);
    if (bucket === undefined) this.#rates.set(channel, (bucket = new TokenBucket(perSecond, now)));
    return bucket.tryTake(now, perSecond, perSecond);
  }
}

/**
 * The key of a client's publication. Users have keys of their own. Clients without an identity share theirs: such a
 * client is another author after each reconnect, and must find its key again.
 */
function keysOf(request: {
  readonly author: string;
  readonly idempotencyKey?: string | undefined;
  readonly policy: ChannelPolicy;
  readonly publication: Publication;
}): AppendKeys | undefined {
  const { author, idempotencyKey: text, policy, publication } = request;
  if (text === undefined) return undefined;
  const { windowSeconds } = policy.idempotency;
  const keyAuthor = author.startsWith('user ') ? author : 'client';
  return { windowSeconds, keysMax: limits.clientKeysMax, keys: [idempotencyKey(keyAuthor, text, publication)] };
}

/** Milliseconds until this author may publish again; 0 = now. */
export function slowModeWait(lastAt: number | undefined, slowModeSeconds: number, now: number): number {
  return lastAt === undefined ? 0 : Math.max(0, lastAt + slowModeSeconds * 1000 - now);
}

import { BusUnavailable, type AppendResult, type ChannelLog } from '../../core/bus/bus.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import type { Publication } from '../../core/publication.ts';
import { TokenBucket } from '../../core/token-bucket.ts';

export type PublishResult =
  | { readonly kind: 'published'; readonly result: AppendResult }
  | { readonly kind: 'slow_mode'; readonly waitMs: number }
  | { readonly kind: 'channel_rate' }
  | { readonly kind: 'unavailable' };

const trackedMax = 100_000;

/**
 * Publications of clients, where the policy allows them: slow mode for each author and channel, and the channel's rate on this gateway. Access
 * and size were checked before.
 */
export class ClientPublishing {
  readonly #log: ChannelLog;
  /** Insertion order is age: the oldest are forgotten first when there are too many. */
  readonly #lastAt = new Map<string, number>();
  readonly #rates = new Map<string, TokenBucket>();

  constructor(log: ChannelLog) {
    this.#log = log;
  }

  /** @param author who is slowed down: a user where there is one, else a connection */
  async publish(request: {
    readonly channel: string;
    readonly author: string;
    readonly policy: ChannelPolicy;
    readonly publication: Publication;
    /** Milliseconds of a monotonic clock. */
    readonly now: number;
  }): Promise<PublishResult> {
    const { channel, policy, publication, now } = request;
    const paced = `${channel} ${request.author}`;
    const lastAt = this.#lastAt.get(paced);
    const slow = slowModeWait(lastAt, policy.access.slowModeSeconds, now);
    if (slow > 0) return { kind: 'slow_mode', waitMs: slow };
    if (!this.#takeRate(channel, policy.limits.publicationsPerSecond, now)) return { kind: 'channel_rate' };
    if (policy.access.slowModeSeconds > 0) this.#remember(paced, now);
    try {
      return { kind: 'published', result: await this.#log.append(channel, [publication]) };
    } catch (error) {
      // Who is told to try again must not be told to wait for having tried.
      this.#giveBack(paced, now, lastAt);
      if (error instanceof BusUnavailable) return { kind: 'unavailable' };
      throw error;
    }
  }

  #remember(key: string, now: number): void {
    this.#lastAt.delete(key);
    this.#lastAt.set(key, now);
    if (this.#lastAt.size > trackedMax) this.#forgetOldest(this.#lastAt);
  }

  /** Undoes `remember`, unless the author has published again since, or was forgotten. */
  #giveBack(key: string, at: number, before: number | undefined): void {
    if (this.#lastAt.get(key) !== at) return;
    if (before === undefined) this.#lastAt.delete(key);
    else this.#lastAt.set(key, before);
  }

  #takeRate(channel: string, perSecond: number | undefined, now: number): boolean {
    if (perSecond === undefined) return true;
    let bucket = this.#rates.get(channel);
    if (bucket === undefined) {
      this.#rates.set(channel, (bucket = new TokenBucket(perSecond, now)));
      if (this.#rates.size > trackedMax) this.#forgetOldest(this.#rates);
    }
    if (bucket.available(now, perSecond, perSecond) < 1) return false;
    bucket.take(1);
    return true;
  }

  #forgetOldest(map: Map<string, unknown>): void {
    const oldest = map.keys().next();
    if (oldest.done !== true) map.delete(oldest.value);
  }
}

/** Milliseconds until this author may publish again; 0 = now. */
export function slowModeWait(lastAt: number | undefined, slowModeSeconds: number, now: number): number {
  return lastAt === undefined ? 0 : Math.max(0, lastAt + slowModeSeconds * 1000 - now);
}

import { createHash } from 'node:crypto';
import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../../core/bounded-cache.ts';
import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import type { AuthResult, Authenticate } from '../identity/identity.ts';

interface Verdict {
  readonly result: Promise<AuthResult>;
  /** Monotonic milliseconds; it holds while the check is under way. */
  until: number;
}

/**
 * Verdicts on tokens, which come with every request of a poller. Each is used again for some seconds, so that the auth
 * service is not asked at every poll; but not longer than the identity lasts. A check without a verdict is not kept.
 */
export class TokenVerdicts {
  readonly #authenticate: Authenticate;
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** By the digest: tokens are long, and secrets. */
  readonly #kept: LRUCache<string, Verdict> = boundedCache(limits.pullVerdictsMax);

  constructor(authenticate: Authenticate, clock: Pick<Clock, 'monotonic'>) {
    this.#authenticate = authenticate;
    this.#clock = clock;
  }

  /** Whose token it is; never rejects. */
  of(token: string): Promise<AuthResult> {
    const key = createHash('sha256').update(token).digest('base64');
    const kept = this.#kept.get(key);
    if (kept !== undefined && this.#clock.monotonic() < kept.until) return kept.result;
    const verdict: Verdict = { result: this.#authenticate(token), until: Number.POSITIVE_INFINITY };
    this.#kept.set(key, verdict);
    void verdict.result.then((result) => {
      const lastsMs = result.kind === 'user' ? (result.lastsMs ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
      verdict.until = result.kind === 'late' ? 0 : this.#clock.monotonic() + Math.min(limits.pullVerdictMs, lastsMs);
    });
    return verdict.result;
  }
}

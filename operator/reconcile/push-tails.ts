import { policyChangeBetween } from '../../core/pool/policy-change.ts';
import type { PoolPolicies } from '../decide/policies.ts';
import type { PlannedPush } from '../decide/push-plan.ts';

/** Policies as they are told. */
export type PolicyTexts = Pick<PoolPolicies, 'hash' | 'parts'>;

/** The end of a body for a pod that has the policies. */
const none = Buffer.from('[]}');

/** The ends of the bodies that push one set of policies: one buffer for each set that pods have. */
export class PushTails {
  readonly #policies: PolicyTexts;
  readonly #recent: readonly PolicyTexts[];
  readonly #whole: Buffer;
  /** By the hash of the policies before. */
  readonly #changes = new Map<string, Buffer>();

  /** @param recent policies that pods may have */
  constructor(policies: PolicyTexts, recent: readonly PolicyTexts[]) {
    this.#policies = policies;
    this.#recent = recent;
    this.#whole = Buffer.from(`${JSON.stringify(policies.parts)}}`);
  }

  get hash(): string {
    return this.#policies.hash;
  }

  /** With all policies, for a pod that lacks them. */
  wholeFor({ needsPolicies }: PlannedPush): Buffer {
    return needsPolicies ? this.#whole : none;
  }

  /** With the change since the pod's policies, where that is known and shorter than the whole. */
  shortFor({ to, needsPolicies }: PlannedPush): Buffer {
    return needsPolicies ? this.#changeSince(to.policiesHash) : none;
  }

  #changeSince(hash: string): Buffer {
    const known = this.#changes.get(hash);
    if (known !== undefined) return known;
    const before = this.#recent.find((policies) => policies.hash === hash);
    const change = before === undefined ? undefined : policyChangeBetween(before, this.#policies.parts);
    const text = change === undefined ? undefined : `${JSON.stringify(change)}}`;
    const tail = text === undefined || 2 * text.length > this.#whole.length ? this.#whole : Buffer.from(text);
    this.#changes.set(hash, tail);
    return tail;
  }
}

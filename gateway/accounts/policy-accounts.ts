import { limits } from '../../core/limits.ts';
import { Tally } from './tally.ts';

/** Label of the policies beyond `limits.policyLabelsMax`, together. */
export const otherPolicies = 'other';

type CountSent = (frames: number, bytes: number) => void;

/** What became of the publications of all channels under one policy. */
export class PolicyAccount {
  readonly tally = new Tally();
  readonly #ofProcess: CountSent;
  #bytes = 0;

  /** @param ofProcess counts for the whole process what is counted here */
  constructor(ofProcess: CountSent) {
    this.#ofProcess = ofProcess;
  }

  /** Bytes of publications handed to sockets, frame headers included. */
  get bytes(): number {
    return this.#bytes;
  }

  sent(frames: number, bytes: number): void {
    this.#bytes += bytes;
    this.#ofProcess(frames, bytes);
  }
}

/**
 * The accounts of policies by pattern, of at most `limits.policyLabelsMax` policies and one for all others. A room asks
 * for its account once in a while, and keeps it. The account of a deleted policy is forgotten when all are next read:
 * what its rooms still have under way is counted for the process alone.
 */
export class PolicyAccounts {
  readonly #accounts = new Map<string, PolicyAccount>();
  readonly #ofProcess: CountSent;
  /** Tells whether a pattern is in force. */
  isInForce = (_pattern: string): boolean => true;

  constructor(ofProcess: CountSent) {
    this.#ofProcess = ofProcess;
  }

  /** @param pattern the policy's `channel` */
  of(pattern: string): PolicyAccount {
    const known = this.#accounts.get(pattern);
    if (known !== undefined) return known;
    const labelled = this.#accounts.size - (this.#accounts.has(otherPolicies) ? 1 : 0);
    if (pattern !== otherPolicies && labelled >= limits.policyLabelsMax) return this.of(otherPolicies);
    const account = new PolicyAccount(this.#ofProcess);
    this.#accounts.set(pattern, account);
    return account;
  }

  /** The accounts that are left when those of deleted policies are forgotten. */
  read(): ReadonlyMap<string, PolicyAccount> {
    for (const pattern of this.#accounts.keys()) if (pattern !== otherPolicies && !this.isInForce(pattern)) this.#accounts.delete(pattern);
    return this.#accounts;
  }
}

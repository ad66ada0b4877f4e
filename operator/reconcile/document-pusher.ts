import type { PoolDocument } from '../../core/pool/pool-document.ts';
import { silentMs } from '../decide/observed.ts';
import type { PoolPolicies } from '../decide/policies.ts';
import { planPushes, type PlannedPush, type Recipient } from '../decide/push-plan.ts';
import type { StoredDocument } from './stored-document.ts';
import type { PoolSecrets } from './pool-secrets.ts';
import { PushHeads } from './push-heads.ts';
import { PushTails, type PolicyTexts } from './push-tails.ts';
import type { Pushes } from './pushes.ts';
import type { Told } from './told.ts';

/** A pod's answer to a push. */
export interface PushResult {
  readonly to: Recipient;
  readonly told: Told;
}

type PlannedResult = PlannedPush & PushResult;
type Body = readonly [head: Buffer, tail: Buffer];

/** Remembered documents, and sets of policies, of a pool. A pod with an older one gets the whole. */
const recentMax = 4;

/**
 * Pushes documents to pods: the change since the document that a pod has, where the pod can take it, and the policies,
 * or their change, where it lacks them.
 */
export class DocumentPusher {
  readonly #pushes: Pushes;
  /** The newest documents of each pool (`namespace/name`), the newest first. */
  readonly #recent = new Map<string, readonly PoolDocument[]>();
  /** The newest policies of each pool, the newest first. */
  readonly #recentPolicies = new Map<string, readonly PolicyTexts[]>();
  /** The ends of the bodies with the newest policies of each pool, encoded once for all pods and documents. */
  readonly #tails = new Map<string, PushTails>();

  constructor(pushes: Pushes) {
    this.#pushes = pushes;
  }

  /** @param pool `namespace/name` */
  forget(pool: string): void {
    this.#recent.delete(pool);
    this.#recentPolicies.delete(pool);
    this.#tails.delete(pool);
  }

  /** Whether any document of this pool (`namespace/name`) is remembered. */
  knows(pool: string): boolean {
    return this.#recent.has(pool);
  }

  /**
   * Notes what an earlier operator told the pods.
   * @param policies `undefined` where they are not known
   */
  recall(document: PoolDocument, policies: PolicyTexts | undefined): void {
    this.#recent.set(document.pool, [document]);
    if (policies !== undefined) this.#recentPolicies.set(document.pool, [policies]);
  }

  /** Number of pools whose documents are remembered. */
  get size(): number {
    return this.#recent.size;
  }

  /**
   * Pushes the document to every pod with a lower epoch, and the policies to those that lack them.
   * @param secrets the signing keys: each pod is told in the key that it trusts
   * @returns the answer of each of these pods
   */
  async push(
    stored: StoredDocument,
    { policies, secrets }: { readonly policies: PoolPolicies; readonly secrets: Pick<PoolSecrets, 'earlierKeys'> },
    recipients: readonly Recipient[],
  ): Promise<readonly PushResult[]> {
    const { epoch, pool } = stored.document;
    const planned = planPushes(recipients, { epoch, policiesHash: policies.hash }, silentMs);
    const recent = this.#remembered(stored.document);
    const tails = this.#tailsOf(pool, policies);
    if (planned.length === 0) return [];
    const heads = new PushHeads(stored, recent, secrets.earlierKeys);
    const short = (push: PlannedPush): Body => [heads.shortFor(push.to), tails.shortFor(push)];
    const whole = (push: PlannedPush): Body => [heads.wholeFor(push.to), tails.wholeFor(push)];
    const isShort = (push: PlannedPush): boolean => short(push).some((piece, index) => piece !== whole(push)[index]);
    const first = await this.#carryOut(short, planned);
    // A pod of another version may not understand a change. One that has restarted since its last answer has neither
    // the document before nor policies.
    const second = await this.#again(first, isShort, (lacking) => this.#carryOut(whole, lacking));
    return await this.#again(
      second,
      ({ needsPolicies, told }) => !needsPolicies && told.kind === 'refused' && told.status === 400,
      (lacking) =>
        this.#carryOut(
          whole,
          lacking.map(({ to }) => ({ to, needsPolicies: true })),
        ),
    );
  }

  /** Repeats the pushes that were refused for a lack, and puts the new answers in the place of the old ones. */
  async #again(
    results: readonly PlannedResult[],
    mayLack: (result: PlannedResult) => boolean,
    repeat: (lacking: readonly PlannedResult[]) => Promise<readonly PlannedResult[]>,
  ): Promise<readonly PlannedResult[]> {
    const lacking = results.filter((each) => each.told.kind === 'refused' && each.told.status !== 409 && mayLack(each));
    if (lacking.length === 0) return results;
    return [...results.filter((each) => !lacking.includes(each)), ...(await repeat(lacking))];
  }

  async #carryOut(bodyFor: (push: PlannedPush) => Body, planned: readonly PlannedPush[]): Promise<readonly PlannedResult[]> {
    const answers = await this.#pushes.all(
      planned.map((push) => ({ address: push.to.address, body: bodyFor(push), isSlow: push.to.silentMs > 0 })),
    );
    return planned.map((push, index) => ({ ...push, told: answers[index] ?? { kind: 'silent' } }));
  }

  /** The documents that the pool's pods may have, this one included. */
  #remembered(document: PoolDocument): readonly PoolDocument[] {
    const before = (this.#recent.get(document.pool) ?? []).filter(({ epoch }) => epoch < document.epoch);
    const recent = [document, ...before].slice(0, recentMax);
    this.#recent.set(document.pool, recent);
    return recent;
  }

  #tailsOf(pool: string, policies: PoolPolicies): PushTails {
    const known = this.#tails.get(pool);
    if (known?.hash === policies.hash) return known;
    const before = (this.#recentPolicies.get(pool) ?? []).filter(({ hash }) => hash !== policies.hash);
    this.#recentPolicies.set(pool, [policies, ...before].slice(0, recentMax));
    const tails = new PushTails(policies, before);
    this.#tails.set(pool, tails);
    return tails;
  }
}

import { changeBetween } from '../../core/pool/document-change.ts';
import type { PoolDocument } from '../../core/pool/pool-document.ts';
import { resealEnvelope } from '../../core/pool/signed-envelope.ts';
import type { Recipient } from '../decide/push-plan.ts';
import { trustOf, type SigningKeys } from '../decide/signing-keys.ts';

/**
 * The beginnings of the bodies that push one document: one buffer for each key that pods trust and each document that
 * they have.
 */
export class PushHeads {
  readonly #document: PoolDocument;
  readonly #recent: readonly PoolDocument[];
  /** The envelope in the present key, and in each earlier one by `trustOf`. */
  readonly #present: string;
  readonly #earlier: ReadonlyMap<string, string>;
  readonly #heads = new Map<string, Buffer>();
  /** JSON of the changes by the epoch before; `undefined` where the whole document is needed. */
  readonly #changes = new Map<number, string | undefined>();

  /**
   * @param recent documents that pods may have
   * @param earlierKeys keys that pods still trust, besides the one that signed the document
   */
  constructor(
    { document, envelope }: { readonly document: PoolDocument; readonly envelope: string },
    recent: readonly PoolDocument[],
    earlierKeys: readonly SigningKeys[],
  ) {
    this.#document = document;
    this.#recent = recent;
    this.#present = envelope;
    this.#earlier = new Map(earlierKeys.map(({ publicKey, privateKey }) => [trustOf(publicKey), resealEnvelope(envelope, privateKey)]));
  }

  /** With the whole document. */
  wholeFor({ trusts }: Recipient): Buffer {
    return this.#once(`whole ${trusts}`, () => `{"envelope":${JSON.stringify(this.#envelopeFor(trusts))},"policies":`);
  }

  /** With the change since the pod's document, where that is known and shorter than the whole. */
  shortFor(to: Recipient): Buffer {
    const change = this.#changeSince(to.poolEpoch);
    const whole = this.wholeFor(to);
    if (change === undefined || 2 * change.length > whole.length) return whole;
    return this.#once(`${to.poolEpoch} ${to.trusts}`, () => {
      const { signature } = JSON.parse(this.#envelopeFor(to.trusts)) as { readonly signature: string };
      return `{"change":${change},"signature":${JSON.stringify(signature)},"policies":`;
    });
  }

  #envelopeFor(trusts: string): string {
    return this.#earlier.get(trusts) ?? this.#present;
  }

  #changeSince(epoch: number): string | undefined {
    if (!this.#changes.has(epoch)) {
      const before = this.#recent.find((document) => document.epoch === epoch);
      const change = before === undefined ? undefined : changeBetween(before, this.#document);
      this.#changes.set(epoch, change === undefined ? undefined : JSON.stringify(change));
    }
    return this.#changes.get(epoch);
  }

  #once(key: string, make: () => string): Buffer {
    const known = this.#heads.get(key);
    if (known !== undefined) return known;
    const head = Buffer.from(make());
    this.#heads.set(key, head);
    return head;
  }
}

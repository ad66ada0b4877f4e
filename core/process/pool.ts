import { readGauge } from './read-metrics.ts';
import { Gauge, type Registry } from 'prom-client';
import { Placement } from '../pool/placement.ts';
import { Policies } from '../policy/policy.ts';
import { noMisfits, type PolicyMisfits } from '../policy/policy-part.ts';
import type { PoolDocument } from '../pool/pool-document.ts';
import { runElsewhere } from './elsewhere.ts';
import { processJournal, type ProcessJournal } from './log-lines.ts';
import type { Logger } from './logging.ts';
import { readOffer, readOfferText, type AnyOffer, type OfferInput, type OfferRead, type PoolOffer } from './pool-offer.ts';
import type { Settings } from './settings.ts';

/** Result of an offer; `epoch` is the one in force afterwards, 0 without any. */
export interface OfferResult {
  readonly kind: 'accepted' | 'same' | 'older' | 'conflict' | 'malformed' | 'forged';
  readonly epoch: number;
  /** Reason of a refusal, for people. */
  readonly message: string;
}

interface InForce {
  readonly document: PoolDocument;
  readonly digest: string;
  readonly policies: Policies;
  /** The texts of the policies, to which a change of them is told. */
  readonly parts: readonly string[];
  readonly misfits: PolicyMisfits;
  readonly placement: Placement;
}

/**
 * Longest offer that is read in the event loop, in characters: it takes some milliseconds. A longer one is read in a
 * thread of its own.
 */
const readAtOnceMax = 131_072;
const noPolicies = new Policies([]);

/**
 * The pool document in force in one process, found in the folder or pushed by the operator. The newest epoch wins, one
 * offer is read at a time, and an unusable offer changes nothing.
 */
export class Pool {
  readonly #publicKeyPem: string;
  readonly #journal: ProcessJournal;
  readonly #listeners: (() => void)[] = [];
  #inForce: InForce | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param publicKeyPem empty: every offer is refused */
  constructor(options: { readonly publicKeyPem: string; readonly logger: Logger }) {
    this.#publicKeyPem = options.publicKeyPem;
    this.#journal = processJournal(options.logger);
  }

  get document(): PoolDocument | undefined {
    return this.#inForce?.document;
  }

  get placement(): Placement | undefined {
    return this.#inForce?.placement;
  }

  /** 0 = no document yet. */
  get epoch(): number {
    return this.#inForce?.document.epoch ?? 0;
  }

  get policiesHash(): string {
    return this.#inForce?.document.policies.hash ?? '';
  }

  get policies(): Policies {
    return this.#inForce?.policies ?? noPolicies;
  }

  /** Misfits of the policies in force with this version. */
  get misfits(): PolicyMisfits {
    return this.#inForce?.misfits ?? noMisfits;
  }

  get publicKeyPem(): string {
    return this.#publicKeyPem;
  }

  /** Adds a listener that is called after another document came into force. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Takes a document if it is genuine, whole and newer. Never rejects.
   * @param offer an offer, or the text of a request's body with one
   */
  offer(offer: PoolOffer | string): Promise<OfferResult> {
    const result = this.#turn.then(() => this.#take(offer));
    this.#turn = result;
    return result;
  }

  async #take(offer: PoolOffer | string): Promise<OfferResult> {
    if (this.#publicKeyPem === '') return this.#refused('forged', 'this process takes no pool document: set BARRAGE_POOL_PUBLIC_KEY');
    const read = await this.#read(offer);
    switch (read.kind) {
      case 'accept':
        this.#enforce(read);
        return { kind: 'accepted', epoch: this.epoch, message: '' };
      case 'same':
        return { kind: 'same', epoch: this.epoch, message: '' };
      case 'older':
        return this.#refused('older', `epoch ${read.epoch} is older than the one in force, ${this.epoch}`);
      case 'conflict':
        return this.#refused('conflict', `epoch ${this.epoch} of ${this.document?.pool} is in force with another content`);
      case 'malformed':
      case 'forged':
        return this.#refused(read.kind, read.fault);
    }
  }

  #refused(kind: OfferResult['kind'], message: string): OfferResult {
    return { kind, epoch: this.epoch, message };
  }

  async #read(offer: PoolOffer | string): Promise<OfferRead> {
    const now = this.#inForce;
    const { document, digest, parts = [] } = now ?? {};
    const current = document && { pool: document.pool, epoch: document.epoch, digest: digest ?? '', document, parts };
    const isLong = lengthOf(offer) > readAtOnceMax;
    const given = isLong || typeof offer !== 'string' ? offer : (readOfferText(offer) ?? offer);
    const input: OfferInput = { offer: given, publicKeyPem: this.#publicKeyPem, current };
    if (!isLong && policiesLength(given, parts) <= readAtOnceMax) return readOffer(input);
    const read = await runElsewhere<OfferRead>(new URL('./pool-offer-worker.ts', import.meta.url), input);
    return read.kind === 'done' ? read.output : { kind: 'malformed', fault: read.fault };
  }

  #enforce({ document, digest, policies, parts, misfits }: Extract<OfferRead, { kind: 'accept' }>): void {
    this.#inForce = {
      document,
      digest,
      policies: policies === undefined ? this.policies : new Policies(policies),
      parts: parts ?? this.#inForce?.parts ?? [],
      misfits: misfits ?? this.misfits,
      placement: new Placement(document),
    };
    const { epoch, gateways } = document;
    this.#journal.write('pool-document-taken', { epoch, gateways: gateways.length, policiesHash: this.policiesHash });
    if (misfits !== undefined && misfits.examples.length > 0) this.#journal.write('policies-of-other-version', { epoch, ...misfits });
    for (const listener of this.#listeners) listener();
  }
}

function lengthOf(offer: AnyOffer | string): number {
  if (typeof offer === 'string') return offer.length;
  return ('envelope' in offer ? offer.envelope.length : 0) + policiesLength(offer, []);
}

/**
 * Code units of the policies that must be read for an offer. For a change that is all of them.
 * @param parts the texts in force
 */
function policiesLength(offer: AnyOffer | string, parts: readonly string[]): number {
  if (typeof offer === 'string') return 0;
  const { policies } = offer;
  const texts = 'from' in policies ? [policies.text, ...parts] : policies;
  return texts.reduce((sum, text) => sum + text.length, 0);
}

/** Registers `barrage_pool_document_epoch` and `barrage_pool_policy_misfits`. */
export function exportPoolDocument(registry: Registry, pool: Pool): void {
  readGauge(
    registry,
    { name: 'barrage_pool_document_epoch', help: 'Epoch of the pool document in force; 0 before the first, or without an operator.' },
    () => pool.epoch,
  );
  new Gauge({
    name: 'barrage_pool_policy_misfits',
    help: 'Policies in force that this version does not understand in full, because a newer operator wrote them: `field` (left out), `value` (replaced), `policy` (left out).',
    labelNames: ['what'],
    registers: [registry],
    collect() {
      const { unknownFields, replacedValues, unread } = pool.misfits;
      this.set({ what: 'field' }, unknownFields);
      this.set({ what: 'value' }, replacedValues);
      this.set({ what: 'policy' }, unread);
    },
  });
}

/** Faults of pool settings that contradict each other, in words. */
export function poolSettingsFaults(settings: Pick<Settings, 'poolFolder' | 'poolPublicKey' | 'policyFile'>): readonly string[] {
  const { poolFolder, poolPublicKey, policyFile } = settings;
  if (policyFile !== '' && (poolFolder !== '' || poolPublicKey !== ''))
    return [
      'BARRAGE_POLICY_FILE is set, and BARRAGE_POOL_FOLDER or BARRAGE_POOL_PUBLIC_KEY too: the policies come from a file or from an operator, not from both.',
    ];
  if (poolFolder !== '' && poolPublicKey === '')
    return [
      'BARRAGE_POOL_FOLDER is set and BARRAGE_POOL_PUBLIC_KEY is not: what lies in the folder must be verified with the key of the pool.',
    ];
  return [];
}

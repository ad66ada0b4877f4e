import { z } from 'zod';
import { signDocument, verifyDocument, type PoolDocument } from '../../core/pool/pool-document.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import { inOrder } from '../../core/pool/document-change.ts';
import { nextDocument, type DocumentMember } from '../decide/document.ts';
import { silentMs } from '../decide/observed.ts';
import type { PoolPolicies } from '../decide/policies.ts';
import { planPushes, type PlannedPush, type Recipient } from '../decide/push-plan.ts';
import type { SigningKeys } from '../decide/signing-keys.ts';
import { documentConfigMap, policyConfigMaps } from '../desired/config-maps.ts';
import { gatewayUrl } from '../desired/exposure.ts';
import { childNames } from '../desired/labels.ts';
import { canonical } from '../desired/revision.ts';
import { resources } from '../kube/resources.ts';
import { ApiError } from '../runtime/api-error.ts';
import type { KubeObject } from '../runtime/kube-api.ts';
import { isOlder } from '../runtime/resource-version.ts';
import type { Children } from './children.ts';
import type { PoolSecrets } from './pool-secrets.ts';
import { PushHeads } from './push-heads.ts';
import type { Pushes } from './pushes.ts';
import type { Told } from './told.ts';

export interface StoredDocument {
  readonly document: PoolDocument;
  readonly envelope: string;
}

/** Result of a write. `unfit`: no document can be made from the pool's spec, for the reason in `fault`. */
export type DocumentWrite =
  | { readonly kind: 'stored'; readonly stored: StoredDocument }
  | { readonly kind: 'unfit'; readonly fault: string };

/** The last document that was written, and the ConfigMap that the API server stored. */
interface Written {
  /** Public half of the signing key. Pods that start under another key do not believe this document. */
  readonly publicKey: string;
  readonly stored: StoredDocument;
  readonly object: KubeObject;
}

/** A pod's answer to a push. */
export interface PushResult {
  readonly to: Recipient;
  readonly told: Told;
}

type PlannedResult = PlannedPush & PushResult;

/** Remembered documents of a pool. A pod with an older one gets the whole document. */
const recentDocumentsMax = 4;
/** Attempts to write a document against other writers. */
const conflictsMax = 3;

/**
 * Writes a pool's document into its ConfigMap, then pushes it to the pods. So no pod has a newer document than the one
 * that a new pod would start from.
 */
export class DocumentKeeper {
  readonly #children: Children;
  readonly #pushes: Pushes;
  /** The last write of each pool, by pool uid. The store may not have heard of it yet. */
  readonly #written = new Map<string, Written>();
  /**
   * Documents that were already verified, by ConfigMap. A store's object never changes, and each reconcile reads it
   * several times.
   */
  readonly #read = new WeakMap<KubeObject, { readonly publicKey: string; readonly stored: StoredDocument | undefined }>();

  /** The newest documents of each pool (`namespace/name`), the newest first. */
  readonly #recent = new Map<string, readonly PoolDocument[]>();
  /** By the parts. */
  readonly #encoded = new WeakMap<PoolPolicies['parts'], Buffer>();
  /** By the parts. A pool's uid decides the rest of its objects. */
  readonly #partObjects = new WeakMap<PoolPolicies['parts'], { readonly poolUid: string; readonly objects: readonly KubeObject[] }>();

  constructor(options: { readonly children: Children; readonly pushes: Pushes }) {
    this.#children = options.children;
    this.#pushes = options.pushes;
  }

  /**
   * The document in a ConfigMap, if it carries the pool's signature.
   * @param publicKey empty: no signature can be checked, so there is no document
   */
  read(configMap: KubeObject | undefined, publicKey: string): StoredDocument | undefined {
    if (publicKey === '' || configMap === undefined) return undefined;
    const known = this.#read.get(configMap);
    if (known?.publicKey === publicKey) return known.stored;
    const stored = verified(configMap, publicKey);
    this.#read.set(configMap, { publicKey, stored });
    return stored;
  }

  /**
   * Brings the ConfigMaps up to date. A new document replaces only the version from which it was made. So two operators
   * that both believe to lead never give one epoch to two documents.
   * @throws ApiError
   */
  async write(wanted: {
    readonly pool: GatewayPool;
    readonly secrets: PoolSecrets;
    readonly members: readonly DocumentMember[];
    readonly policies: PoolPolicies;
    readonly polledEpochs: readonly number[];
    readonly observed: (name: string) => KubeObject | undefined;
    readonly signal: AbortSignal;
  }): Promise<DocumentWrite> {
    const { pool, secrets, members, policies, observed, signal } = wanted;
    const content = contentOf(pool, members, policies);
    for (const object of this.#partObjectsOf(pool, policies)) {
      await this.#children.apply({ resource: resources.configMap, object }, observed(object.metadata.name ?? ''), signal);
    }
    const inStore = observed(childNames.document(pool));
    for (let conflicts = 0; conflicts < conflictsMax; conflicts++) {
      const written = this.#written.get(pool.metadata.uid);
      const known = conflicts === 0 ? newerObject(inStore, written?.object) : undefined;
      const found = known ?? (await this.#children.read(resources.configMap, documentConfigMap(pool, ''), signal));
      const stored = newer(this.read(found, secrets.publicKey), written?.publicKey === secrets.publicKey ? written.stored : undefined);
      const decision = nextDocument({
        stored: stored === undefined ? undefined : { epoch: stored.document.epoch, content: canonicalContent(stored.document) },
        content: canonicalContent({ ...content, epoch: 0 }),
        polledEpochs: [...wanted.polledEpochs, ...this.#earlierEpochs(found, secrets.earlierKeys)],
      });
      if (decision.kind === 'keep' && stored !== undefined) {
        // Applied even so: somebody may have changed or deleted the ConfigMap.
        await this.#children.apply({ resource: resources.configMap, object: documentConfigMap(pool, stored.envelope) }, inStore, signal);
        return { kind: 'stored', stored };
      }
      const next = signed({ ...content, epoch: decision.epoch }, secrets.privateKey);
      if (typeof next === 'string') return { kind: 'unfit', fault: next };
      const child = { resource: resources.configMap, object: documentConfigMap(pool, next.envelope) };
      const object = await this.#children.replace(child, found, signal);
      if (object === undefined) continue;
      this.#written.set(pool.metadata.uid, { publicKey: secrets.publicKey, stored: next, object });
      return { kind: 'stored', stored: next };
    }
    throw new ApiError('another writer changes it again and again', { status: 409, reason: 'Conflict' });
  }

  /** Epoch of a document that carries an earlier signature: the next one comes after it. */
  #earlierEpochs(found: KubeObject | undefined, earlierKeys: readonly SigningKeys[]): readonly number[] {
    if (found === undefined) return [];
    return earlierKeys.flatMap(({ publicKey }) => verified(found, publicKey)?.document.epoch ?? []);
  }

  /** @param pool `namespace/name` */
  forget(pool: string, poolUid: string): void {
    this.#recent.delete(pool);
    this.#written.delete(poolUid);
  }

  /** Number of pools whose document is remembered. */
  get size(): number {
    return Math.max(this.#written.size, this.#recent.size);
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
    const { epoch } = stored.document;
    const planned = planPushes(recipients, { epoch, policiesHash: policies.hash }, silentMs);
    const recent = this.#remembered(stored.document);
    if (planned.length === 0) return [];
    const heads = new PushHeads(stored, recent, secrets.earlierKeys);
    const whole = (to: Recipient): Buffer => heads.wholeFor(to);
    const first = await this.#carryOut((to) => heads.shortFor(to), policies, planned);
    // A pod of another version may not understand a change. One that has restarted since its last answer has neither
    // the document before nor policies.
    const second = await this.#again(
      first,
      ({ to }) => heads.shortFor(to) !== whole(to),
      (lacking) => this.#carryOut(whole, policies, lacking),
    );
    return await this.#again(
      second,
      ({ needsPolicies, told }) => !needsPolicies && told.kind === 'refused' && told.status === 400,
      (lacking) =>
        this.#carryOut(
          whole,
          policies,
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

  async #carryOut(
    headFor: (to: Recipient) => Buffer,
    policies: PoolPolicies,
    planned: readonly PlannedPush[],
  ): Promise<readonly PlannedResult[]> {
    const answers = await this.#pushes.all(
      planned.map(({ to, needsPolicies }) => ({
        address: to.address,
        body: [headFor(to), needsPolicies ? this.#encodedPolicies(policies) : noPolicies],
        isSlow: to.silentMs > 0,
      })),
    );
    return planned.map((push, index) => ({ ...push, told: answers[index] ?? { kind: 'silent' } }));
  }

  /** The documents that the pool's pods may have, this one included. */
  #remembered(document: PoolDocument): readonly PoolDocument[] {
    const before = (this.#recent.get(document.pool) ?? []).filter(({ epoch }) => epoch < document.epoch);
    const recent = [document, ...before].slice(0, recentDocumentsMax);
    this.#recent.set(document.pool, recent);
    return recent;
  }

  /** The end of a body with policies, encoded once for all pods and documents. */
  #encodedPolicies({ parts }: PoolPolicies): Buffer {
    const known = this.#encoded.get(parts);
    if (known !== undefined) return known;
    const encoded = Buffer.from(`${JSON.stringify(parts)}}`);
    this.#encoded.set(parts, encoded);
    return encoded;
  }

  /** The policies' ConfigMaps, the same objects as long as the policies are the same: their hashes are remembered. */
  #partObjectsOf(pool: GatewayPool, { parts }: PoolPolicies): readonly KubeObject[] {
    const { uid: poolUid } = pool.metadata;
    const known = this.#partObjects.get(parts);
    if (known?.poolUid === poolUid) return known.objects;
    const objects = policyConfigMaps(pool, parts);
    this.#partObjects.set(parts, { poolUid, objects });
    return objects;
  }
}

/** The end of a body for a pod that has the policies. */
const noPolicies = Buffer.from('[]}');

function verified(configMap: KubeObject, publicKey: string): StoredDocument | undefined {
  const envelope = (configMap as { readonly data?: Readonly<Record<string, string>> }).data?.['pool.json'];
  if (envelope === undefined) return undefined;
  const read = verifyDocument(envelope, publicKey);
  return read.kind === 'verified' ? { document: read.document, envelope } : undefined;
}

/** @returns the fault of the content where it breaks a bound of the document */
function signed(document: PoolDocument, privateKey: string): StoredDocument | string {
  try {
    const envelope = signDocument(document, privateKey);
    // As pods read it: changes are told between documents in the same form.
    const { document: text } = JSON.parse(envelope) as { readonly document: string };
    return { document: JSON.parse(text) as PoolDocument, envelope };
  } catch (error) {
    if (error instanceof z.ZodError) return z.prettifyError(error);
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

function newer(one: StoredDocument | undefined, other: StoredDocument | undefined): StoredDocument | undefined {
  return (one?.document.epoch ?? 0) >= (other?.document.epoch ?? 0) ? one : other;
}

function newerObject(one: KubeObject | undefined, other: KubeObject | undefined): KubeObject | undefined {
  return one === undefined || isOlder(one.metadata.resourceVersion, other?.metadata.resourceVersion) ? other : one;
}

function contentOf(pool: GatewayPool, members: readonly DocumentMember[], policies: PoolPolicies): Omit<PoolDocument, 'epoch'> {
  const { namespace, name } = pool.metadata;
  return {
    version: 1,
    pool: `${namespace}/${name}`,
    hashSeed: pool.spec.placement.hashSeed,
    gateways: inOrder(
      members.flatMap((member) => {
        const url = gatewayUrl(pool, member);
        return url === undefined ? [] : [{ name: member.name, uid: member.uid, url, weight: member.weight, state: member.state }];
      }),
    ),
    overrides: [],
    policies: { hash: policies.hash, parts: policies.parts.length },
  };
}

/** `canonicalContent` of documents, which never change. */
const contents = new WeakMap<PoolDocument, string>();

function canonicalContent(document: PoolDocument): string {
  const known = contents.get(document);
  if (known !== undefined) return known;
  const content = canonical(JSON.parse(JSON.stringify({ ...document, epoch: 0 })) as Parameters<typeof canonical>[0]);
  contents.set(document, content);
  return content;
}

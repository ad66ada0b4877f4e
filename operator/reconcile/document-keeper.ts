import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../core/clock.ts';
import { inOrder } from '../../core/pool/document-change.ts';
import { policiesHash, type PoolDocument } from '../../core/pool/pool-document.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import type { DocumentBuses } from '../decide/bus-change.ts';
import { nextDocument, reservedBy, type DocumentContent, type DocumentDecision, type DocumentMember } from '../decide/document.ts';
import type { PoolPolicies } from '../decide/policies.ts';
import type { SigningKeys } from '../decide/signing-keys.ts';
import { documentConfigMap, policyConfigMaps } from '../desired/config-maps.ts';
import { gatewayUrl } from '../desired/exposure.ts';
import { childNames } from '../desired/labels.ts';
import type { JsonObject } from '../desired/objects.ts';
import { canonical } from '../desired/revision.ts';
import { resources } from '../kube/resources.ts';
import { ApiError } from '../runtime/api-error.ts';
import type { KubeObject } from '../runtime/kube-api.ts';
import { isOlder } from '../runtime/resource-version.ts';
import type { Children, DesiredChild } from './children.ts';
import { DocumentPusher, type PushResult } from './document-pusher.ts';
import type { PoolSecrets } from './pool-secrets.ts';
import type { Pushes } from './pushes.ts';
import { envelopeIn, signed, verified, type StoredDocument } from './stored-document.ts';

/** Result of a write. `unfit`: no document can be made from the pool's spec, for the reason in `fault`. */
export type DocumentWrite =
  | {
      readonly kind: 'stored';
      /** The newest document, for the pods. */
      readonly stored: StoredDocument;
      /** Milliseconds until the ConfigMap must get it. Absent where it has it. */
      readonly writeAfterMs?: number;
    }
  | { readonly kind: 'unfit'; readonly fault: string };

/** What a pool's document is made of. */
export interface WantedDocument {
  readonly pool: GatewayPool;
  readonly secrets: PoolSecrets;
  readonly members: readonly DocumentMember[];
  readonly policies: PoolPolicies;
  /** `undefined` on a memory bus. */
  readonly buses: DocumentBuses | undefined;
  readonly polledEpochs: readonly number[];
  /** Reads a ConfigMap of the pool from the store. */
  readonly observed: (name: string) => KubeObject | undefined;
  readonly signal: AbortSignal;
}

/** The newest document that this operator gave, and its last write. */
interface Given {
  /** Public half of the signing key. Pods that start under another key do not believe this document. */
  readonly publicKey: string;
  readonly stored: StoredDocument;
  /** The ConfigMap as the API server stored it. It may hold an earlier document. */
  readonly object: KubeObject;
  readonly reservedUntil: number;
  /** When it was written, in milliseconds of the monotonic clock. */
  readonly writtenAt: number;
  /** The ConfigMap with the newest document, where that is not written yet. */
  readonly unwritten: DesiredChild | undefined;
}

interface Next {
  readonly decision: DocumentDecision;
  readonly document: StoredDocument;
  /** What this operator gave before, where the ConfigMap is as it wrote it. */
  readonly own: Given | undefined;
}

/** Attempts to write a document against other writers. */
const conflictsMax = 3;

/**
 * Gives each pool its document: in the ConfigMap from which pods start, and by pushes. `nextDocument` decides what goes
 * where, and says why no epoch is given to two documents.
 */
export class DocumentKeeper {
  readonly #children: Children;
  readonly #pusher: DocumentPusher;
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** By pool uid. The store may not have heard of the write yet. */
  readonly #given = new Map<string, Given>();
  /**
   * Documents that were already verified, by ConfigMap. A store's object never changes, and each reconcile reads it
   * several times.
   */
  readonly #read = new WeakMap<KubeObject, { readonly publicKey: string; readonly stored: StoredDocument | undefined }>();
  /** By the parts. A pool's uid decides the rest of its objects. */
  readonly #partObjects = new WeakMap<PoolPolicies['parts'], { readonly poolUid: string; readonly objects: readonly KubeObject[] }>();

  constructor(options: { readonly children: Children; readonly pushes: Pushes; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#children = options.children;
    this.#pusher = new DocumentPusher(options.pushes);
    this.#clock = options.clock;
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
   * The newest document of a pool. The ConfigMap may not have it yet.
   * @param configMap as the store has it
   */
  newest({ metadata }: GatewayPool, configMap: KubeObject | undefined, publicKey: string): StoredDocument | undefined {
    const stored = this.read(configMap, publicKey);
    const given = this.#given.get(metadata.uid);
    if (given?.publicKey !== publicKey) return stored;
    return given.stored.document.epoch > (stored?.document.epoch ?? 0) ? given.stored : stored;
  }

  /**
   * Makes the next document where one is due, and brings the ConfigMaps up to date where that is due. A write replaces
   * only the version from which it was decided.
   * @throws ApiError
   */
  async write(wanted: WantedDocument): Promise<DocumentWrite> {
    const { pool, secrets, policies, observed, signal } = wanted;
    const { uid } = pool.metadata;
    this.#recall(wanted);
    for (const object of this.#partObjectsOf(pool, policies)) {
      await this.#children.apply({ resource: resources.configMap, object }, observed(object.metadata.name ?? ''), signal);
    }
    const inStore = observed(childNames.document(pool));
    for (let conflicts = 0; conflicts < conflictsMax; conflicts++) {
      // An object that the store lacks may exist without the labels by which the store knows it.
      const known = conflicts > 0 || inStore === undefined ? undefined : newerObject(inStore, this.#given.get(uid)?.object);
      const found = known ?? (await this.#children.read(resources.configMap, documentConfigMap(pool, ''), signal));
      const next = this.#next(wanted, found);
      if (typeof next === 'string') return { kind: 'unfit', fault: next };
      const { decision, document, own } = next;
      const isWrite = decision.kind === 'write';
      const { writeAfterMs } = decision;
      const answer = { kind: 'stored', stored: document, ...(writeAfterMs === undefined ? {} : { writeAfterMs }) } as const;
      if (!isWrite && own !== undefined) this.#notePush(own, document, wanted);
      const object = documentConfigMap(pool, isWrite ? document.envelope : envelopeIn(found));
      if (found !== undefined && isAsWanted(found, object)) return answer;
      const replaced = await this.#children.replace({ resource: resources.configMap, object }, found, signal);
      if (replaced === undefined) continue;
      if (isWrite) this.#noteWrite(uid, { publicKey: secrets.publicKey, stored: document, object: replaced });
      return answer;
    }
    throw new ApiError('another writer changes it again and again', { status: 409, reason: 'Conflict' });
  }

  /** After a start: what the pods have is in the ConfigMaps, as long as nothing is written there. */
  #recall({ pool, secrets, observed }: WantedDocument): void {
    if (this.#pusher.knows(`${pool.metadata.namespace}/${pool.metadata.name}`)) return;
    const stored = this.read(observed(childNames.document(pool)), secrets.publicKey);
    if (stored === undefined) return;
    const { policies } = stored.document;
    const parts = Array.from({ length: policies.parts }, (_, part) => policiesIn(observed(childNames.policies(pool, part)), part));
    this.#pusher.recall(stored.document, policiesHash(parts) === policies.hash ? { hash: policies.hash, parts } : undefined);
  }

  /**
   * Writes the documents that no ConfigMap has yet, so that the next leader finds them. What can't be written is left
   * to it. Never rejects.
   */
  async flush(signal: AbortSignal): Promise<void> {
    const unwritten = [...this.#given.values()].flatMap(({ unwritten: child, object }) => (child === undefined ? [] : [{ child, object }]));
    await Promise.allSettled(unwritten.map(({ child, object }) => this.#children.replace(child, object, signal)));
  }

  /** @param pool `namespace/name` */
  forget(pool: string, poolUid: string): void {
    this.#pusher.forget(pool);
    this.#given.delete(poolUid);
  }

  /** Number of pools whose document is remembered. */
  get size(): number {
    return Math.max(this.#given.size, this.#pusher.size);
  }

  /** {@link DocumentPusher.push} */
  push(...about: Parameters<DocumentPusher['push']>): Promise<readonly PushResult[]> {
    return this.#pusher.push(...about);
  }

  /**
   * Decides by the ConfigMap as it was found.
   * @returns the fault of the content where no document can be made of it
   */
  #next({ pool, secrets, members, policies, buses, polledEpochs }: WantedDocument, found: KubeObject | undefined): Next | string {
    const { publicKey, privateKey, earlierKeys } = secrets;
    const content = { ...contentOf(pool, members, policies), ...(buses === undefined ? {} : { bus: buses }) };
    const given = this.#given.get(pool.metadata.uid);
    const own = isVersion(found, given?.object) ? given : undefined;
    const stored = this.read(found, publicKey);
    const decision = nextDocument({
      stored: stored && textsOf(stored.document, publicKey),
      reservedUntil: own?.reservedUntil ?? reservedIn(found, stored, earlierKeys),
      own: own && { newest: textsOf(own.stored.document, own.publicKey), sinceWriteMs: this.#clock.monotonic() - own.writtenAt },
      content: textsOf({ ...content, epoch: 0 }, publicKey),
      knownEpochs: [...polledEpochs, pool.status?.placementEpoch ?? 0, given?.stored.document.epoch ?? 0],
    });
    const newest = own?.stored ?? stored;
    if (decision.epoch === newest?.document.epoch) return { decision, document: newest, own };
    const document = signed({ ...content, epoch: decision.epoch }, privateKey);
    return typeof document === 'string' ? document : { decision, document, own };
  }

  #noteWrite(poolUid: string, written: Pick<Given, 'publicKey' | 'stored' | 'object'>): void {
    const reservedUntil = reservedBy(written.stored.document.epoch);
    this.#given.set(poolUid, { ...written, reservedUntil, writtenAt: this.#clock.monotonic(), unwritten: undefined });
  }

  #notePush(own: Given, document: StoredDocument, { pool, secrets }: WantedDocument): void {
    const isWritten = document.envelope === envelopeIn(own.object);
    const unwritten = isWritten ? undefined : { resource: resources.configMap, object: documentConfigMap(pool, document.envelope) };
    this.#given.set(pool.metadata.uid, { ...own, publicKey: secrets.publicKey, stored: document, unwritten });
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

/** One part of the policies; empty where the ConfigMap has none. */
function policiesIn(configMap: KubeObject | undefined, part: number): string {
  return (configMap as { readonly data?: Readonly<Record<string, string>> } | undefined)?.data?.[`policies-${part}.json`] ?? '';
}

/** Last epoch that a ConfigMap reserves, in whichever of the keys its document is signed; 0: no document of ours. */
function reservedIn(found: KubeObject | undefined, stored: StoredDocument | undefined, earlierKeys: readonly SigningKeys[]): number {
  if (stored !== undefined) return reservedBy(stored.document.epoch);
  if (found === undefined) return 0;
  return Math.max(
    0,
    ...earlierKeys.flatMap(({ publicKey }) => verified(found, publicKey) ?? []).map(({ document }) => reservedBy(document.epoch)),
  );
}

/** Whether an object has all that we set, besides additions of others. */
function isAsWanted(found: KubeObject, wanted: KubeObject): boolean {
  const { labels = {}, ownerReferences = [] } = found.metadata;
  return (
    envelopeIn(found) === envelopeIn(wanted) &&
    Object.entries(wanted.metadata.labels ?? {}).every(([name, value]) => labels[name] === value) &&
    (wanted.metadata.ownerReferences ?? []).every((owner) => ownerReferences.some((each) => isDeepStrictEqual({ ...each }, owner)))
  );
}

function isVersion(found: KubeObject | undefined, written: KubeObject | undefined): boolean {
  const [one, other] = [found?.metadata, written?.metadata];
  return one !== undefined && one.uid === other?.uid && one.resourceVersion === other?.resourceVersion;
}

function newerObject(one: KubeObject, other: KubeObject | undefined): KubeObject {
  return other !== undefined && isOlder(one.metadata.resourceVersion, other.metadata.resourceVersion) ? other : one;
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

/** `textsOf` of documents, which never change. */
const texts = new WeakMap<PoolDocument, { readonly publicKey: string; readonly texts: DocumentContent & { readonly epoch: number } }>();

function textsOf(document: PoolDocument, publicKey: string): DocumentContent & { readonly epoch: number } {
  const known = texts.get(document);
  if (known?.publicKey === publicKey) return known.texts;
  const { epoch, gateways, ...rest } = document;
  const plain = JSON.parse(JSON.stringify({ gateways, rest })) as JsonObject;
  const made = { epoch, members: canonical(plain['gateways']), rest: `${publicKey}${canonical(plain['rest'])}` };
  texts.set(document, { publicKey, texts: made });
  return made;
}

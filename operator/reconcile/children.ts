import { createHash } from 'node:crypto';
import { isOrphan } from '../decide/orphans.ts';
import { ownsAllOf } from '../decide/ownership.ts';
import { replacementOf } from '../decide/replacement.ts';
import { names } from '../desired/labels.ts';
import type { JsonObject } from '../desired/objects.ts';
import { canonical } from '../desired/revision.ts';
import type { KubeApi, KubeObject, KubeReader, Resource } from '../runtime/kube-api.ts';
import { ApiError } from '../runtime/api-error.ts';
import { isOlder } from '../runtime/resource-version.ts';
import { otherWritersOf, ownFieldsOf } from './own-fields.ts';

/** A child as it should be, with its kind. */
export interface DesiredChild {
  readonly resource: Resource;
  readonly object: KubeObject;
}

interface Applied {
  /** Hash of the object that we applied. */
  readonly hash: string;
  /** The fields that were ours after it, as JSON. */
  readonly fields: string | undefined;
  readonly resourceVersion: string | undefined;
  /** Uid of its controller. */
  readonly owner: string | undefined;
}

/**
 * Keeps children as they should be, without a write while they are. An object is applied in three cases: it is missing,
 * its annotation tells of another desired object, or somebody has changed a field that we set. Nothing of this needs
 * our memory: a new operator writes nothing where nothing has changed. An object with another controller belongs to
 * somebody else and is left alone. One without a controller is taken over where an earlier pool of this name left it.
 */
export class Children {
  readonly #api: KubeApi & KubeReader;
  /** By pool (`namespace/name`), then by kind and name. */
  readonly #applied = new Map<string, Map<string, Applied>>();

  constructor(api: KubeApi & KubeReader) {
    this.#api = api;
  }

  /**
   * @param observed the object in the store; `undefined` where it is missing or has lost the labels by which the store
   * knows it
   * @throws ApiError `AlreadyExists` where the name belongs to somebody else
   */
  async apply({ resource, object }: DesiredChild, observed: KubeObject | undefined, signal: AbortSignal): Promise<void> {
    if (observed !== undefined && this.#isInForce({ resource, object }, observed)) return;
    refuseForeign(resource, object, observed ?? (await this.#api.get(resource, exactName(object), signal)));
    const stored = await this.#applyOver(resource, marked(object), signal);
    this.#remember({ resource, object }, stored);
  }

  #isInForce({ resource, object }: DesiredChild, observed: KubeObject): boolean {
    const hash = contentHash(object);
    const applied = this.#applied.get(poolOf(object))?.get(keyOf(resource, object));
    const isSame = applied?.hash === hash;
    // The store may not have heard of our own apply yet.
    if (isSame && isOlder(observed.metadata.resourceVersion, applied.resourceVersion)) return true;
    if (observed.metadata.annotations?.[names.annotation.applied] !== hash) return false;
    const fields = ownFieldsOf(observed)?.text;
    // An API server may drop a field that it does not know: what our apply came to is all that it can come to.
    if (isSame && fields === applied.fields) return true;
    return fields !== undefined && ownsAllOf(fields, marked(object));
  }

  /**
   * Reads the object past the store.
   * @param object gives the name
   * @throws ApiError
   */
  async read(resource: Resource, object: KubeObject, signal: AbortSignal): Promise<KubeObject | undefined> {
    return await this.#api.get(resource, exactName(object), signal);
  }

  /**
   * Creates the object, or applies it over exactly the version that was found.
   * @param found the object from which the new one was decided; `undefined`: there was none
   * @returns the stored object; `undefined` where another write came first
   * @throws ApiError `AlreadyExists` where the name belongs to somebody else
   */
  async replace({ resource, object }: DesiredChild, found: KubeObject | undefined, signal: AbortSignal): Promise<KubeObject | undefined> {
    refuseForeign(resource, object, found);
    const stored = await (found === undefined
      ? this.#create(resource, object, signal)
      : this.#applyTo(found, { resource, object }, signal));
    if (stored !== undefined) this.#remember({ resource, object }, stored);
    return stored;
  }

  async #create(resource: Resource, object: KubeObject, signal: AbortSignal): Promise<KubeObject | undefined> {
    const created = await this.#api.create(resource, marked(object), signal);
    return created.kind === 'created' ? created.object : undefined;
  }

  async #applyTo(found: KubeObject, { resource, object }: DesiredChild, signal: AbortSignal): Promise<KubeObject | undefined> {
    const { uid, resourceVersion } = found.metadata;
    const { metadata, ...rest } = marked(object);
    try {
      return await this.#api.apply(resource, { ...rest, metadata: { ...metadata, uid, resourceVersion } } as KubeObject, signal);
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return undefined;
      throw asFixed(error, resource, object);
    }
  }

  #remember({ resource, object }: DesiredChild, stored: KubeObject): void {
    this.#ofPool(object).set(keyOf(resource, object), {
      hash: contentHash(object),
      fields: ownFieldsOf(stored)?.text,
      resourceVersion: stored.metadata.resourceVersion,
      owner: controllerOf(object),
    });
  }

  /**
   * An apply keeps the fields of other writers. Where such a field makes the object invalid (a second port of one name,
   * another limit of a budget), the spec is overwritten first.
   */
  async #applyOver(resource: Resource, object: KubeObject, signal: AbortSignal): Promise<KubeObject> {
    try {
      return await this.#api.apply(resource, object, signal);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 422) throw error;
      const found = await this.#api.get(resource, exactName(object), signal);
      // Nobody else has a part in it: our own fields are what is refused.
      if (found === undefined || otherWritersOf(found).length === 0) throw asFixed(error, resource, object);
      try {
        await this.#api.overwrite(resource, replacementOf(object, found), signal);
        return await this.#api.apply(resource, object, signal);
      } catch (again) {
        throw asFixed(again, resource, object);
      }
    }
  }

  /**
   * Deletes the object with this uid, never a later one of its name.
   * @throws ApiError
   */
  async remove(
    resource: Resource,
    child: { readonly namespace: string; readonly pool: string; readonly name: string; readonly uid: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, pool, name, uid } = child;
    await this.#api.delete(resource, { namespace, name, uid }, signal);
    this.#applied.get(`${namespace}/${pool}`)?.delete(`${resource.kind} ${name}`);
  }

  /**
   * Forgets the applied objects of owners that are gone.
   * @param pool `namespace/name`
   * @param owners uids of the pool and of its present gateways
   */
  forgetAllBut(pool: string, owners: ReadonlySet<string>): void {
    const ofPool = this.#applied.get(pool);
    for (const [key, { owner }] of ofPool ?? []) if (owner === undefined || !owners.has(owner)) ofPool?.delete(key);
    if (ofPool?.size === 0) this.#applied.delete(pool);
  }

  /** Number of remembered objects. */
  get size(): number {
    return [...this.#applied.values()].reduce((sum, ofPool) => sum + ofPool.size, 0);
  }

  #ofPool(object: KubeObject): Map<string, Applied> {
    const pool = poolOf(object);
    const known = this.#applied.get(pool);
    if (known !== undefined) return known;
    const fresh = new Map<string, Applied>();
    this.#applied.set(pool, fresh);
    return fresh;
  }
}

function keyOf({ kind }: Resource, { metadata }: KubeObject): string {
  return `${kind} ${metadata.name ?? ''}`;
}

/** `namespace/pool`: every child has its pool's label. */
function poolOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.labels?.[names.label.pool] ?? ''}`;
}

function exactName({ metadata }: KubeObject): { readonly namespace: string; readonly name: string } {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
}

/**
 * A forced apply would take over any object of that name.
 * @throws ApiError where the object belongs to somebody else
 */
export function refuseForeign(resource: Resource, wanted: KubeObject, found: KubeObject | undefined): void {
  if (found === undefined || controllerOf(found) === controllerOf(wanted)) return;
  const pool = wanted.metadata.labels?.[names.label.pool] ?? '';
  if (isOrphan(found, pool, ownFieldsOf(found) !== undefined)) return;
  throw taken(foreignWords(resource, wanted.metadata), resource, wanted);
}

export function foreignWords({ kind }: Resource, { name }: KubeObject['metadata']): string {
  return `a ${kind} ${name} exists already and does not belong to this pool.`;
}

/** A refusal of a field that can't be changed any more becomes the advice to delete the object. */
function asFixed(error: unknown, resource: Resource, object: KubeObject): unknown {
  if (!(error instanceof ApiError) || error.status !== 422 || !/field is immutable/.test(error.message)) return error;
  const message = `the ${resource.kind} ${object.metadata.name} is not as the operator made it, in a field that can't be changed; it makes a new one in its place.`;
  return taken(message, resource, object);
}

function taken(message: string, { kind }: Resource, { metadata: { name } }: KubeObject): ApiError {
  return new ApiError(message, { status: 409, reason: 'AlreadyExists', subject: `${kind} ${name}` });
}

/** Uid of the object's controller. */
export function controllerOf({ metadata }: KubeObject): string | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid;
}

/** `contentHash` of objects, which never change. */
const contents = new WeakMap<KubeObject, string>();

/** Does not depend on the order of keys. */
function contentHash(object: KubeObject): string {
  const known = contents.get(object);
  if (known !== undefined) return known;
  const text = canonical(object as unknown as JsonObject);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, hashCharacters);
  contents.set(object, hash);
  return hash;
}

/** The object with its own hash in an annotation. */
function marked(object: KubeObject): KubeObject {
  const annotations = { ...object.metadata.annotations, [names.annotation.applied]: contentHash(object) };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

const hashCharacters = 32;

import { createHash } from 'node:crypto';
import { names } from '../desired/labels.ts';
import type { JsonObject } from '../desired/objects.ts';
import { canonical } from '../desired/revision.ts';
import type { KubeApi, KubeObject, KubeReader, Resource } from '../runtime/kube-api.ts';
import { ApiError } from '../runtime/api-error.ts';
import { isOlder } from '../runtime/resource-version.ts';

/** A child as it should be, with its kind. */
export interface DesiredChild {
  readonly resource: Resource;
  readonly object: KubeObject;
}

interface Applied {
  /** Hash of the object that we applied. */
  readonly hash: string;
  /** Hash of the object that the API server stored. */
  readonly version: string;
  readonly resourceVersion: string | undefined;
  /** Uid of its controller. */
  readonly owner: string | undefined;
}

/**
 * Keeps children as they should be, without a write while they are. An object is applied in three cases: we want
 * something else than last time, the object is missing, or somebody has changed it since our last apply. After a
 * restart every object is applied once more, which changes nothing. An object with another controller, or with none,
 * belongs to somebody else and is left alone.
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
    const key = keyOf(resource, object);
    const hash = contentHash(object);
    const applied = this.#applied.get(poolOf(object))?.get(key);
    if (observed !== undefined && applied?.hash === hash) {
      // The store may not have heard of our own apply yet.
      const isLate = isOlder(observed.metadata.resourceVersion, applied.resourceVersion);
      if (isLate || applied.version === versionOf(observed)) return;
    }
    refuseForeign(resource, object, observed ?? (await this.#api.get(resource, exactName(object), signal)));
    const stored = await this.#applyOver(resource, object, signal);
    this.#remember({ resource, object }, stored);
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
    const created = await this.#api.create(resource, object, signal);
    return created.kind === 'created' ? created.object : undefined;
  }

  async #applyTo(found: KubeObject, { resource, object }: DesiredChild, signal: AbortSignal): Promise<KubeObject | undefined> {
    const { uid, resourceVersion } = found.metadata;
    try {
      return await this.#api.apply(resource, { ...object, metadata: { ...object.metadata, uid, resourceVersion } } as KubeObject, signal);
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return undefined;
      throw error;
    }
  }

  #remember({ resource, object }: DesiredChild, stored: KubeObject): void {
    this.#ofPool(object).set(keyOf(resource, object), {
      hash: contentHash(object),
      version: versionOf(stored),
      resourceVersion: stored.metadata.resourceVersion,
      owner: controllerOf(object),
    });
  }

  /**
   * An apply keeps the list entries of other managers. Where such an entry makes the object invalid (a second port of
   * one name), the lists are overwritten.
   */
  async #applyOver(resource: Resource, object: KubeObject, signal: AbortSignal): Promise<KubeObject> {
    try {
      return await this.#api.apply(resource, object, signal);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 422 || !error.message.includes('Duplicate value')) throw error;
      await this.#api.overwrite(resource, object, signal);
      return await this.#api.apply(resource, object, signal);
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
function refuseForeign({ kind }: Resource, wanted: KubeObject, found: KubeObject | undefined): void {
  if (found === undefined || controllerOf(found) === controllerOf(wanted)) return;
  const message = `a ${kind} ${wanted.metadata.name ?? ''} exists already and does not belong to this pool.`;
  throw new ApiError(message, { status: 409, reason: 'AlreadyExists' });
}

/** Uid of the object's controller. */
export function controllerOf({ metadata }: KubeObject): string | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid;
}

/** `versionOf` of objects in the stores, which never change. */
const versions = new WeakMap<KubeObject, string>();
/** `contentHash` of objects, which never change. */
const contents = new WeakMap<KubeObject, string>();

/**
 * Hash of an object without its status and the fields that only the API server writes. It changes only when somebody
 * changes the desired part.
 */
function versionOf(object: KubeObject): string {
  return remembered(versions, object, computedVersion);
}

function computedVersion(object: KubeObject): string {
  const { status: _status, apiVersion: _version, kind: _kind, ...rest } = object as KubeObject & { readonly status?: unknown };
  const {
    resourceVersion: _resourceVersion,
    generation: _generation,
    managedFields: _fields,
    ...metadata
  } = object.metadata as KubeObject['metadata'] & { readonly managedFields?: unknown };
  return computedHash({ ...rest, metadata });
}

/** Does not depend on the order of keys. */
function contentHash(object: KubeObject): string {
  return remembered(contents, object, computedHash);
}

function computedHash(object: KubeObject): string {
  return createHash('sha256')
    .update(canonical(object as unknown as JsonObject))
    .digest('hex');
}

function remembered(known: WeakMap<KubeObject, string>, object: KubeObject, compute: (object: KubeObject) => string): string {
  const found = known.get(object);
  if (found !== undefined) return found;
  const hash = compute(object);
  known.set(object, hash);
  return hash;
}

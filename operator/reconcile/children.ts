import { createHash } from 'node:crypto';
import type { JsonObject } from '../desired/objects.ts';
import { canonical } from '../desired/revision.ts';
import type { KubeApi, KubeObject, KubeReader, Resource } from '../runtime/kube-api.ts';
import { ApiError } from '../runtime/api-error.ts';
import { isOlder } from '../runtime/resource-version.ts';

/** A child as it should be, and what kind of object it is. */
export interface DesiredChild {
  readonly resource: Resource;
  readonly object: KubeObject;
}

interface Applied {
  /** Of what we asked for. */
  readonly hash: string;
  /** What the API server then had. */
  readonly version: string;
  readonly resourceVersion: string | undefined;
}

/**
 * Keeps children as they should be, and writes nothing while they are. An object is applied when we want something else than last time, when it is not there, or
 * when somebody has changed it since our last apply. Nothing is remembered over a restart: then everything is applied once more, which changes nothing.
 * An object of that name that has another controller, or none, is somebody else's and is left alone.
 */
export class Children {
  readonly #api: KubeApi & KubeReader;
  readonly #applied = new Map<string, Applied>();

  constructor(api: KubeApi & KubeReader) {
    this.#api = api;
  }

  /**
   * @param observed the object as the store has it; `undefined` where it has none, or where it has lost the labels that the store knows it by
   * @throws ApiError `AlreadyExists` where the name is somebody else's
   */
  async apply({ resource, object }: DesiredChild, observed: KubeObject | undefined, signal: AbortSignal): Promise<void> {
    const key = keyOf(resource, object);
    const hash = contentHash(object);
    const applied = this.#applied.get(key);
    if (observed !== undefined && applied?.hash === hash) {
      // The store may not have heard of our own apply yet.
      const isLate = isOlder(observed.metadata.resourceVersion, applied.resourceVersion);
      if (isLate || applied.version === versionOf(observed)) return;
    }
    refuseForeign(resource, object, observed ?? (await this.#api.get(resource, exactName(object), signal)));
    const stored = await this.#api.apply(resource, object, signal);
    this.#applied.set(key, { hash, version: versionOf(stored), resourceVersion: stored.metadata.resourceVersion });
  }

  /** Deletes this very object, never a later one of its name. @throws ApiError */
  async remove(
    resource: Resource,
    child: { readonly namespace: string; readonly name: string; readonly uid: string },
    signal: AbortSignal,
  ): Promise<void> {
    await this.#api.delete(resource, child, signal);
    this.#applied.delete(`${resource.kind}|${child.namespace}|${child.name}`);
  }

  /** Forgets what was applied for a pool that is gone. */
  forget(namespace: string, belongs: (name: string) => boolean): void {
    for (const key of this.#applied.keys()) {
      const [, keyNamespace, name = ''] = key.split('|');
      if (keyNamespace === namespace && belongs(name)) this.#applied.delete(key);
    }
  }
}

function keyOf({ kind }: Resource, { metadata }: KubeObject): string {
  return `${kind}|${metadata.namespace ?? ''}|${metadata.name ?? ''}`;
}

function exactName({ metadata }: KubeObject): { readonly namespace: string; readonly name: string } {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
}

/** An apply is forced: it would make any object of that name our own. @throws ApiError */
function refuseForeign({ kind }: Resource, wanted: KubeObject, found: KubeObject | undefined): void {
  if (found === undefined || controllerOf(found) === controllerOf(wanted)) return;
  const message = `there is a ${kind} ${wanted.metadata.name ?? ''} already, which does not belong to this pool.`;
  throw new ApiError(message, { status: 409, reason: 'AlreadyExists' });
}

/** Uid of the object's controller. */
export function controllerOf({ metadata }: KubeObject): string | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid;
}

/** What changes when somebody changes what an object should be. A status moves by itself, and what only the API server writes moves with it. */
function versionOf(object: KubeObject): string {
  const { status: _status, apiVersion: _version, kind: _kind, ...rest } = object as KubeObject & { readonly status?: unknown };
  const {
    resourceVersion: _resourceVersion,
    generation: _generation,
    managedFields: _fields,
    ...metadata
  } = object.metadata as KubeObject['metadata'] & { readonly managedFields?: unknown };
  return contentHash({ ...rest, metadata });
}

/** The same for objects that differ in nothing but the order of their keys. */
function contentHash(object: KubeObject): string {
  return createHash('sha256')
    .update(canonical(object as unknown as JsonObject))
    .digest('hex');
}

import { createHash } from 'node:crypto';
import type { JsonObject } from '../desired/objects.ts';
import { canonical } from '../desired/revision.ts';
import type { KubeApi, KubeObject, Resource } from '../runtime/kube-api.ts';
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
 */
export class Children {
  readonly #api: KubeApi;
  readonly #applied = new Map<string, Applied>();

  constructor(api: KubeApi) {
    this.#api = api;
  }

  /** @param observed the object as the store has it; `undefined` where it has none. @throws ApiError */
  async apply({ resource, object }: DesiredChild, observed: KubeObject | undefined, signal: AbortSignal): Promise<void> {
    const key = keyOf(resource, object);
    const hash = contentHash(object);
    const applied = this.#applied.get(key);
    if (observed !== undefined && applied?.hash === hash) {
      // The store may not have heard of our own apply yet.
      const isLate = isOlder(observed.metadata.resourceVersion, applied.resourceVersion);
      if (isLate || applied.version === versionOf(observed)) return;
    }
    const stored = await this.#api.apply(resource, object, signal);
    this.#applied.set(key, { hash, version: versionOf(stored), resourceVersion: stored.metadata.resourceVersion });
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

/**
 * What changes when somebody changes what an object should be. A status that moves by itself (a Deployment's) must not look like a change: kinds that count their
 * generations are told apart by these, the others, which have no such status, by their version.
 */
function versionOf({ metadata }: KubeObject): string {
  return `${metadata.uid ?? ''} ${metadata.generation ?? `v${metadata.resourceVersion ?? ''}`}`;
}

/** The same for objects that differ in nothing but the order of their keys. */
function contentHash(object: KubeObject): string {
  return createHash('sha256')
    .update(canonical(object as unknown as JsonObject))
    .digest('hex');
}

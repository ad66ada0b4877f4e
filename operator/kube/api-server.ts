import { ApiError } from '../runtime/api-error.ts';
import type {
  Created,
  ExactRef,
  KubeApi,
  KubeObject,
  KubeReader,
  ObjectRef,
  PodCondition,
  Resource,
  Selection,
} from '../runtime/kube-api.ts';
import type { KubeClient } from './client.ts';
import { collectionPath, objectPath, resources } from './resources.ts';

const fieldManager = 'barrage-operator';
/** Of its own, so that what is said in the status and in the rest never takes back the other. */
const statusManager = 'barrage-operator-status';
/** Of its own, so that marking a pod takes back none of the labels that we gave it, nor labels a mark. */
const annotationsManager = 'barrage-operator-annotations';
const applyType = 'application/apply-patch+yaml';
const patchType = 'application/merge-patch+json';

/**
 * The API server, as reconciling sees it. Writes are server-side applies under our own name: what others say of an
 * object stays.
 */
export class ApiServer implements KubeApi, KubeReader {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async get<T extends KubeObject>(resource: Resource, ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined> {
    try {
      const found = (await this.#client.request({ verb: 'get', path: objectPath(resource, ref), signal })) as T;
      return ref.uid === undefined || found.metadata.uid === ref.uid ? found : undefined;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  async list<T extends KubeObject>(resource: Resource, where: Selection, signal?: AbortSignal): Promise<readonly T[]> {
    const { namespace, labelSelector = '', fieldSelector = '' } = where;
    const items: T[] = [];
    for (let next = ''; ;) {
      const query = new URLSearchParams({ limit: '500', labelSelector, fieldSelector, continue: next });
      const page = (await this.#client.request({
        verb: 'list',
        path: `${collectionPath(resource, namespace)}?${query.toString()}`,
        signal,
      })) as {
        readonly metadata?: { readonly continue?: string };
        readonly items?: readonly T[];
      };
      items.push(...(page.items ?? []).map((item) => ({ ...item, apiVersion: resource.apiVersion, kind: resource.kind })));
      next = page.metadata?.continue ?? '';
      if (next === '') return items;
    }
  }

  async apply<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T> {
    return await this.#apply(object, { resource, manager: fieldManager, signal });
  }

  async applyStatus<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T> {
    try {
      return await this.#apply(object, { resource, manager: statusManager, subresource: 'status', signal });
    } catch (error) {
      if (!isUntyped(error)) throw error;
      const { namespace = '', name = '' } = object.metadata;
      const { status } = object as T & { readonly status?: unknown };
      const path = `${objectPath(resource, { namespace, name }, 'status')}?fieldManager=${statusManager}`;
      return (await this.#client.request({ verb: 'apply', path, body: { status }, contentType: patchType, signal })) as T;
    }
  }

  async overwrite<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T> {
    const { namespace = '', name = '' } = object.metadata;
    const path = `${objectPath(resource, { namespace, name })}?fieldManager=${fieldManager}`;
    const body = identified(resource, object);
    return (await this.#client.request({ verb: 'apply', path, body, contentType: patchType, signal })) as T;
  }

  async create<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<Created<T>> {
    // Strict: a field that the server does not know is refused by its name instead of dropped, as an apply does anyway.
    const path = `${collectionPath(resource, object.metadata.namespace)}?fieldManager=${fieldManager}&fieldValidation=Strict`;
    try {
      return {
        kind: 'created',
        object: (await this.#client.request({ verb: 'create', path, body: identified(resource, object), signal })) as T,
      };
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'AlreadyExists') return { kind: 'exists' };
      throw error;
    }
  }

  async delete(resource: Resource, ref: ObjectRef, signal?: AbortSignal): Promise<boolean> {
    const preconditions = ref.uid === undefined ? {} : { preconditions: { uid: ref.uid } };
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', ...preconditions };
    try {
      await this.#client.request({ verb: 'delete', path: objectPath(resource, ref), body, signal });
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) return true;
      // Any other conflict is one of the moment: the object is still there.
      if (ref.uid !== undefined && isUidConflict(error)) return false;
      throw error;
    }
  }

  async annotatePod(
    { namespace, name, uid }: ExactRef,
    annotations: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<KubeObject | undefined> {
    const object: KubeObject = { metadata: { namespace, name, uid, annotations } };
    return await unlessGone(this.#apply(object, { resource: resources.pod, manager: annotationsManager, signal }));
  }

  async setPodConditions(
    { namespace, name, uid }: ExactRef,
    conditions: readonly PodCondition[],
    signal?: AbortSignal,
  ): Promise<KubeObject | undefined> {
    const object: KubeObject & { readonly status: unknown } = { metadata: { namespace, name, uid }, status: { conditions } };
    return await unlessGone(this.#apply(object, { resource: resources.pod, manager: statusManager, subresource: 'status', signal }));
  }

  /**
   * A `uid` in the object is a precondition: the API server neither changes another object of that name nor makes a new
   * one.
   */
  async #apply<T extends KubeObject>(object: T, how: ApplyOptions): Promise<T> {
    const { namespace = '', name = '' } = object.metadata;
    const path = `${objectPath(how.resource, { namespace, name }, how.subresource)}?fieldManager=${how.manager}&force=true`;
    const body = identified(how.resource, object);
    return (await this.#client.request({ verb: 'apply', path, body, contentType: applyType, signal: how.signal })) as T;
  }
}

interface ApplyOptions {
  readonly resource: Resource;
  readonly manager: string;
  readonly subresource?: 'status';
  readonly signal?: AbortSignal | undefined;
}

/** The object as the API server takes it: saying what it is, without what a store knows of it. */
function identified({ apiVersion, kind }: Resource, object: KubeObject): unknown {
  return { ...object, apiVersion, kind };
}

/**
 * The object was stored under an older definition, and holds a value of a type that nothing can be applied over; a
 * patch can do with it.
 */
function isUntyped(error: unknown): boolean {
  return error instanceof ApiError && error.status === 500 && error.message.includes('failed to create typed live object');
}

/**
 * The object with that uid is gone; where another has its name now, the API server refuses the uid in one of two ways.
 */
async function unlessGone<T>(write: Promise<T>): Promise<T | undefined> {
  try {
    return await write;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const isUidRefused = isUidConflict(error) || error.fields.includes('metadata.uid');
    if (error.status === 404 || isUidRefused) return undefined;
    throw error;
  }
}

/** Whether the precondition on the uid was not met: the API server names it in its words only. */
function isUidConflict({ status, message }: ApiError): boolean {
  return status === 409 && /uid mismatch|UID in (?:the )?precondition/i.test(message);
}

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

/** Name under which the operator writes; the API server keeps each writer's fields by it. */
export const fieldManager = 'barrage-operator';
/**
 * A manager of its own: an apply of the status takes back nothing that an apply of the rest has set, and the other way
 * round.
 */
const statusManager = 'barrage-operator-status';
/** A manager of its own: an apply of a drain mark takes back no label of ours, and an apply of labels no mark. */
const annotationsManager = 'barrage-operator-annotations';
const applyType = 'application/apply-patch+yaml';
const patchType = 'application/merge-patch+json';

/**
 * The API server for reconcilers. Writes are server-side applies under our own field manager, so the fields of other
 * managers stay.
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

  async listMetadata(
    resource: Resource,
    { namespace, labelSelector = '' }: Selection,
    signal?: AbortSignal,
  ): Promise<readonly KubeObject[]> {
    const objects: KubeObject[] = [];
    for (let next = ''; ;) {
      const query = new URLSearchParams({ limit: '500', labelSelector, continue: next });
      const path = `${collectionPath(resource, namespace)}?${query.toString()}`;
      const page = (await this.#client.request({ verb: 'list', path, accept: metadataList, signal })) as MetadataPage;
      objects.push(...(page.items ?? []));
      next = page.metadata?.continue ?? '';
      if (next === '') return objects;
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
    // Strict: the server names an unknown field in its refusal instead of dropping it. An apply does so anyway.
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
      // Any other conflict is temporary: the object still exists.
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
   * A `uid` in the object is a precondition: the API server then neither changes nor creates another object of that
   * name.
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

interface MetadataPage {
  readonly metadata?: { readonly continue?: string };
  readonly items?: readonly KubeObject[];
}

const metadataList = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/** The object with the `apiVersion` and `kind` that the API server asks for. */
function identified({ apiVersion, kind }: Resource, object: KubeObject): unknown {
  return { ...object, apiVersion, kind };
}

/**
 * The object was stored under an older definition. It holds a value of a type over which no apply works; a patch does.
 */
function isUntyped(error: unknown): boolean {
  return error instanceof ApiError && error.status === 500 && error.message.includes('failed to create typed live object');
}

/**
 * `undefined` where the object with that uid is gone. Where another object has its name, the API server refuses the uid
 * in one of two ways.
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

/** Whether the uid precondition failed. Only the words of the answer tell. */
function isUidConflict({ status, message }: ApiError): boolean {
  return status === 409 && /uid mismatch|UID in (?:the )?precondition/i.test(message);
}

import { ApiServer } from '../../operator/kube/api-server.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { collectionPath } from '../../operator/kube/resources.ts';
import type { KubeObject, Resource, Selection } from '../../operator/runtime/kube-api.ts';

/** The operator's API server with lists, by which tests look at many objects; the operator itself watches. */
export class ListingApi extends ApiServer {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    super(client);
    this.#client = client;
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
}

import { fileURLToPath } from 'node:url';
import { sharedApiServer } from '../../support/cluster.ts';
import type { Cluster } from '../../support/cluster.ts';
import { ApiClient } from './api-client.ts';
import type { Answer, ApiObject } from './api-client.ts';

/** What the API server has against an object: the field, and what it says. */
export interface Objection {
  readonly field: string;
  readonly message: string;
}

/** An API server with our CRDs, a namespace of the test's own, and ways to try objects there without keeping them. */
export interface Workshop {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly client: ApiClient;
  /** Stores an object. */
  create(object: ApiObject): Promise<ApiObject>;
  /** What the API server has against creating the object; empty if it would take it. */
  tryCreate(object: ApiObject): Promise<readonly Objection[]>;
  /** The same for a change of the stored object of that name. */
  tryReplace(object: ApiObject): Promise<readonly Objection[]>;
  /** The same for a change of its status. */
  tryReport(object: ApiObject): Promise<readonly Objection[]>;
  /** What the API server would store. */
  wouldStore(object: ApiObject): Promise<ApiObject>;
  close(): Promise<void>;
}

const crds = fileURLToPath(new URL('../../../crds/', import.meta.url));

export async function openWorkshop(): Promise<Workshop> {
  const cluster = await sharedApiServer();
  await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', crds]);
  await cluster.kubectl(['wait', '--for=condition=Established', '-f', crds]);
  const namespace = await cluster.createNamespace('crds');
  const client = await ApiClient.open(cluster);
  const path = (object: ApiObject): string =>
    `/apis/barrage.dev/v1alpha1/namespaces/${namespace}/${object.kind === 'GatewayPool' ? 'gatewaypools' : 'barragechannels'}`;
  const dryRun = 'dryRun=All&fieldValidation=Strict';
  return {
    cluster,
    namespace,
    client,
    create: async (object) => stored(await client.send('POST', `${path(object)}?fieldValidation=Strict`, object)),
    tryCreate: async (object) => objections(await client.send('POST', `${path(object)}?${dryRun}`, object)),
    tryReplace: async (object) => objections(await replace(client, `${path(object)}/${object.metadata.name}`, object, dryRun)),
    tryReport: async (object) => objections(await replace(client, `${path(object)}/${object.metadata.name}/status`, object, dryRun)),
    wouldStore: async (object) => stored(await client.send('POST', `${path(object)}?${dryRun}`, object)),
    close: async () => {
      client.close();
      await cluster.kubectl(['delete', 'namespace', namespace, '--wait=false']);
    },
  };
}

async function replace(client: ApiClient, path: string, object: ApiObject, query: string): Promise<Answer> {
  const { resourceVersion } = stored(await client.send('GET', path)).metadata;
  return client.send('PUT', `${path}?${query}`, { ...object, metadata: { ...object.metadata, resourceVersion } });
}

function stored({ code, body }: Answer): ApiObject {
  if (code >= 300) throw new Error(`the API server answered ${code}: ${body.message ?? ''}`);
  return body;
}

function objections({ code, body }: Answer): readonly Objection[] {
  if (code < 300) return [];
  const causes = body.details?.causes ?? [{ field: '', message: body.message ?? `status ${code}` }];
  return causes.map(({ field = '', message = '' }) => ({ field, message }));
}

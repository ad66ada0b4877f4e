/**
 * The revision of a pool's gateways that was complete last, kept in a ControllerRevision of Kubernetes. While a newer
 * template has not shown that it works, lost gateways are replaced from it.
 */
import { childMetadata, names } from './labels.ts';
import type { DesiredObject, Json, JsonObject } from './objects.ts';
import { isObject } from './overlay.ts';
import { publicKeyVariable, type PodIngredients, type PodTemplate } from './pod-template.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';

/** A ControllerRevision. The API server refuses any change of its `data`. */
export interface RevisionObject extends Omit<DesiredObject<'ControllerRevision'>, 'data'> {
  readonly data: { readonly template: PodTemplate; readonly bus: string };
  /** Required by the API server; nothing reads it. */
  readonly revision: number;
}

export interface KeptRevision {
  readonly revision: string;
  readonly template: PodTemplate;
}

/** @param bus id of the bus of these gateways; empty: memory */
export function revisionObject(pool: GatewayPool, { revision, template }: KeptRevision, bus: string): RevisionObject {
  const metadata = childMetadata(pool, `${pool.metadata.name}-${revision}`, 'gateway');
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: { ...metadata, labels: { ...metadata.labels, [names.label.revision]: revision } },
    data: { template, bus },
    revision: 1,
  };
}

/**
 * Reads a stored ControllerRevision. The pods made from it trust the present signing key.
 * @param bus id of the only bus whose gateways are a replacement now; `undefined`: none are
 * @returns `undefined` where somebody has spoilt it, or where it is of another bus
 */
export function readRevision(
  stored: { readonly metadata: { readonly labels?: Readonly<Record<string, string>> } },
  { publicKey }: Pick<PodIngredients, 'publicKey'>,
  bus: string | undefined,
): KeptRevision | undefined {
  const revision = stored.metadata.labels?.[names.label.revision] ?? '';
  const { data } = stored as { readonly data?: Json };
  if (revision === '' || !isObject(data) || data['bus'] !== bus || !isTemplate(data['template'])) return undefined;
  const { metadata, spec } = data['template'];
  const { containers } = spec;
  if (!Array.isArray(containers)) return undefined;
  const key = publicKeyVariable(publicKey);
  const renewed = containers.map((item: Json): Json => {
    if (!isObject(item) || item['name'] !== names.container || !Array.isArray(item['env'])) return item;
    const env = item['env'].map((each: Json): Json => (isObject(each) && each['name'] === key['name'] ? key : each));
    return { ...item, env };
  });
  return { revision, template: { metadata, spec: { ...spec, containers: renewed } } };
}

function isTemplate(value: Json | undefined): value is PodTemplate & JsonObject {
  if (!isObject(value) || !isObject(value['metadata']) || !isObject(value['spec'])) return false;
  return isObject(value['metadata']['labels']) && isObject(value['metadata']['annotations']);
}

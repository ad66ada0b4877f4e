import { createHash } from 'node:crypto';
import { names } from './labels.ts';
import { isObject } from './overlay.ts';
import type { Json, JsonObject } from './objects.ts';

/**
 * Hash of a gateway's template, in ten hexadecimal digits, independent of the order of keys. The operator's own values
 * for the end of a pod (grace period, preStop, drain time) do not count: they are not worth moving every client.
 * @param ownPreStop the operator's own hook; any other one is the user's, and counts
 */
export function revisionOf(
  { metadata, spec }: { readonly metadata: JsonObject; readonly spec: JsonObject },
  ownPreStop: JsonObject,
): string {
  const { terminationGracePeriodSeconds: _ending, containers, ...others } = spec;
  const lasting = Array.isArray(containers) ? containers.map((item: Json) => withoutEnding(item, ownPreStop)) : containers;
  return createHash('sha256')
    .update(canonical({ metadata, spec: { ...others, containers: lasting } }))
    .digest('hex')
    .slice(0, 10);
}

/** JSON text that does not depend on the order of keys. */
export function canonical(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonical(item)).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${entries
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`)
    .join(',')}}`;
}

const endingVariables = new Set<Json | undefined>(['BARRAGE_DRAIN_MS', 'BARRAGE_DRAIN_CONNECTIONS_PER_SECOND']);

function withoutEnding(container: Json, ownPreStop: JsonObject): Json {
  if (!isObject(container) || container['name'] !== names.container) return container;
  const { env, lifecycle } = container;
  const lasting = Array.isArray(env) ? env.filter((item: Json) => !isObject(item) || !endingVariables.has(item['name'])) : env;
  if (!isObject(lifecycle) || canonical(lifecycle['preStop']) !== canonical(ownPreStop)) return { ...container, env: lasting };
  const { preStop: _ending, ...others } = lifecycle;
  return { ...container, env: lasting, lifecycle: others };
}

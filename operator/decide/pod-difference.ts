import { names } from '../desired/labels.ts';

interface PodDescription {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: object;
}

/**
 * The first difference between a pod and the wanted one: where it is, and never a value, since any of them may be a
 * credential. `undefined` without a difference.
 */
export function podDifference(wanted: PodDescription, pod: PodDescription): string | undefined {
  const spec = firstDifference(wanted.spec, pod.spec ?? {});
  if (spec !== undefined) return spec;
  const digest = names.annotation.settingsDigest;
  if (wanted.metadata.annotations?.[digest] !== pod.metadata.annotations?.[digest])
    return "what the pool's Secrets hold (Redis login and authority, API keys, JWT secret) has changed";
  const { labels, annotations } = wanted.metadata;
  return firstDifference({ labels, annotations }, pod.metadata, 'metadata');
}

/**
 * The place of the first difference between a desired value and the present one; `undefined` where nothing desired is
 * missing. Additional present values are no difference: the API server fills in defaults. Lists of named things are
 * compared by name.
 */
export function firstDifference(desired: unknown, observed: unknown, path = 'spec'): string | undefined {
  if (isObject(desired)) {
    if (!isObject(observed)) return changeOf(observed, path);
    for (const key of Object.keys(desired).toSorted()) {
      const difference = firstDifference(desired[key], observed[key], `${path}.${key}`);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  if (Array.isArray(desired)) return firstListDifference(desired, Array.isArray(observed) ? observed : [], path);
  return desired === observed || desired === undefined ? undefined : changeOf(observed, path);
}

function firstListDifference(desired: readonly unknown[], observed: readonly unknown[], path: string): string | undefined {
  const named = desired.every((item) => nameOf(item) !== undefined);
  for (const [index, item] of desired.entries()) {
    const name = nameOf(item);
    const other = named ? observed.find((candidate) => nameOf(candidate) === name) : observed[index];
    const difference = firstDifference(item, other, `${path}[${named ? name : index}]`);
    if (difference !== undefined) return difference;
  }
  return named || desired.length === observed.length ? undefined : `${path} has another length`;
}

function changeOf(observed: unknown, path: string): string {
  return observed === undefined ? `${path} is new` : `${path} has changed`;
}

function nameOf(item: unknown): string | undefined {
  return isObject(item) && typeof item['name'] === 'string' ? item['name'] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Lays a user's pod template over ours: maps key by key, lists of named things by name, other lists as a whole. `null`
 * removes a value. The builders then write the fields that the operator depends on.
 */
import type { Json, JsonObject } from './objects.ts';

/** The field that identifies an entry, for each list of a pod. A list that is not named here is replaced as a whole. */
const listKeys: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  ephemeralContainers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
  ports: 'containerPort',
  imagePullSecrets: 'name',
  topologySpreadConstraints: 'topologyKey',
  hostAliases: 'ip',
};

export function overlaid(base: JsonObject, overlay: JsonObject): JsonObject {
  const merged: Record<string, Json | undefined> = { ...base };
  for (const [key, value] of Object.entries(overlay)) {
    if (value === null || value === undefined) delete merged[key];
    else merged[key] = merge(base[key], value, listKeys[key]);
  }
  return merged;
}

function merge(base: Json | undefined, overlay: Json, key: string | undefined): Json {
  if (isObject(overlay)) return overlaid(isObject(base) ? base : {}, overlay);
  if (!isList(overlay)) return overlay;
  if (key === undefined || !isList(base) || ![...base, ...overlay].every((item) => keyed(item, key) !== undefined))
    return overlay.filter((item) => item !== null);
  const entries = new Map(base.map((item) => [keyed(item, key), item]));
  for (const item of overlay) entries.set(keyed(item, key), merge(entries.get(keyed(item, key)), item, undefined));
  return [...entries.values()];
}

/**
 * Paths such as `spec.containers[barrage].args` at which the result differs from the overlay, because the operator's
 * value replaced it. Values are left out: they may be secret. Empty where the overlay is in force in full.
 */
export function overruled(overlay: JsonObject, result: JsonObject): readonly string[] {
  return differences(overlaid(result, overlay), result, '');
}

function differences(wanted: JsonObject, found: JsonObject, above: string): readonly string[] {
  const keys = new Set([...Object.keys(wanted), ...Object.keys(found)]);
  return [...keys].flatMap((key) => differencesAt(wanted[key], found[key], { path: `${above}${key}`, listKey: listKeys[key] }));
}

function differencesAt(
  wanted: Json | undefined,
  found: Json | undefined,
  { path, listKey }: { readonly path: string; readonly listKey: string | undefined },
): readonly string[] {
  if (isObject(wanted) && isObject(found)) return differences(wanted, found, `${path}.`);
  if (listKey !== undefined && isList(wanted) && isList(found) && wanted.length === found.length)
    return wanted.flatMap((item, index) =>
      differencesAt(item, found[index], { path: `${path}[${String(keyed(item, listKey))}]`, listKey: undefined }),
    );
  return JSON.stringify(wanted) === JSON.stringify(found) ? [] : [path];
}

function keyed(item: Json, key: string): string | number | boolean | undefined {
  const value = isObject(item) ? item[key] : undefined;
  return value === null || typeof value === 'object' ? undefined : value;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

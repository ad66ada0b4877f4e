/**
 * Fields of a spec that the API server allots or an autoscaler sets. Without them an object would be given others, or
 * lose what runs.
 */
const allotted: ReadonlySet<string> = new Set(['replicas', 'clusterIP', 'clusterIPs', 'ipFamilies', 'healthCheckNodePort']);

/**
 * A merge patch that makes an object's spec the desired one: lists as a whole, and without the fields that only the
 * stored spec has. The API server then fills in its defaults. For an object whose foreign fields contradict ours, as
 * `maxUnavailable` beside `minAvailable`.
 */
export function replacementOf<T extends object>(wanted: T, found: object): T {
  const { spec } = wanted as { readonly spec?: unknown };
  const { spec: stored } = found as { readonly spec?: unknown };
  return isMap(spec) && isMap(stored) ? { ...wanted, spec: replaced(spec, stored) } : wanted;
}

function replaced(wanted: Fields, found: Fields): Fields {
  const foreign = Object.keys(found).filter((name) => !(name in wanted) && !allotted.has(name));
  const own = Object.entries(wanted).map(([name, value]) => {
    const stored = found[name];
    return [name, isMap(value) && isMap(stored) ? replaced(value, stored) : value] as const;
  });
  return Object.fromEntries([...own, ...foreign.map((name) => [name, null] as const)]);
}

type Fields = Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

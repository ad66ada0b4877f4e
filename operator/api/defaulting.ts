/** The defaults of a schema: the value of an absent field, and the defaults of the fields below. */
export interface Defaults {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Defaults>>;
  readonly items?: Defaults;
  readonly values?: Defaults;
}

/**
 * Copies the value with every default filled in, by the API server's own rules. A null counts as absent. A default is
 * filled in before the fields below it. A field without a default stays absent. A value of a wrong type stays as it is.
 */
export function filled(value: unknown, defaults: Defaults): unknown {
  if (Array.isArray(value)) return defaults.items === undefined ? value : value.map((item) => filledField(item, defaults.items ?? {}));
  if (typeof value !== 'object' || value === null) return value;
  const result: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    const below = Object.hasOwn(defaults.properties ?? {}, name) ? defaults.properties?.[name] : defaults.values;
    const kept = below === undefined ? field : filledField(field, below);
    if (kept !== undefined) put(result, name, kept);
  }
  for (const [name, below] of Object.entries(defaults.properties ?? {})) {
    if (Object.hasOwn(result, name) || below.default === undefined) continue;
    put(result, name, filledField(undefined, below));
  }
  return result;
}

function filledField(field: unknown, defaults: Defaults): unknown {
  return filled(field ?? structuredClone(defaults.default), defaults);
}

/** Defines instead of assigning: a field named `__proto__` is a field like any other. */
function put(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

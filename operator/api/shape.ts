/** The requirements of the code on a value, from a CRD's schema: types, required fields, and bounds of numbers. */
export interface Shape {
  /** `int-or-string`: a number of pods, or a share in percent. Absent: anything. */
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean' | 'int-or-string';
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly values?: Shape;
}

/**
 * Faults of a value, in words that begin with the field; empty is good. An unknown field is no fault: nobody reads it.
 * @param path the value's own path, such as `spec`
 */
export function shapeFaults(value: unknown, shape: Shape, path: string): readonly string[] {
  if (!isOfType(value, shape.type))
    return [`${path} ${value === undefined ? 'is missing' : `is ${typeOf(value)}`}, must be ${nounOf(shape.type)}`];
  if (typeof value === 'number') return numberFaults(value, shape, path);
  if (typeof value === 'string' && shape.enum !== undefined && !shape.enum.includes(value))
    return [`${path} must be one of ${shape.enum.join(', ')}`];
  if (Array.isArray(value)) return value.flatMap((item, index) => shapeFaults(item, shape.items ?? {}, `${path}[${index}]`));
  if (typeof value !== 'object' || value === null) return [];
  const missing = (shape.required ?? []).filter((name) => !Object.hasOwn(value, name)).map((name) => `${path}.${name} is missing`);
  const below = Object.entries(value).flatMap(([name, field]) => {
    const known = shape.properties !== undefined && Object.hasOwn(shape.properties, name) ? shape.properties[name] : shape.values;
    return known === undefined || field === undefined ? [] : shapeFaults(field, known, `${path}.${name}`);
  });
  return [...missing, ...below];
}

function numberFaults(value: number, { minimum = -Infinity, maximum = Infinity }: Shape, path: string): readonly string[] {
  if (value < minimum) return [`${path} is ${value}, must be at least ${minimum}`];
  if (value > maximum) return [`${path} is ${value}, must be at most ${maximum}`];
  return [];
}

function isOfType(value: unknown, type: Shape['type']): boolean {
  switch (type) {
    case undefined:
      return true;
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'int-or-string':
      return Number.isInteger(value) || typeof value === 'string';
    case 'string':
    case 'boolean':
      return typeof value === type;
  }
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  // A text may be a credential that stands in the wrong place.
  return typeof value === 'string' ? 'text' : JSON.stringify(value);
}

function nounOf(type: Shape['type']): string {
  switch (type) {
    case undefined:
      return 'a value';
    case 'object':
      return 'an object';
    case 'array':
      return 'a list';
    case 'string':
      return 'text';
    case 'integer':
      return 'a whole number';
    case 'int-or-string':
      return 'a whole number or text';
    case 'boolean':
      return 'true or false';
  }
}

/**
 * Whether an object is still as we applied it. The API server keeps, for each writer, the fields that this writer set
 * last (`fieldsV1` of the server-side apply). A field that somebody else changes or removes leaves our set, whatever
 * the API server made of its value. So values are not compared, and what the API server defaults does not count.
 */

/** A set of fields: `f:NAME`, `k:{"key":value}` and `v:VALUE` are its members, `.` is the field itself. */
export interface FieldSet {
  readonly [member: string]: FieldSet;
}

/** The API server counts these to no writer. */
const unowned: ReadonlySet<string> = new Set(['apiVersion', 'kind']);
const unownedMetadata: ReadonlySet<string> = new Set(['name', 'namespace', 'uid', 'resourceVersion']);

/**
 * Whether every field of an object is in a set.
 * @param fieldsV1 the set as JSON; unreadable text is an empty set
 */
export function ownsAllOf(fieldsV1: string, object: object): boolean {
  const fields = parsed(fieldsV1);
  return Object.entries(object).every(([name, value]) => {
    if (unowned.has(name)) return true;
    if (name !== 'metadata' || !isMap(value)) return ownsField(fields, name, value);
    const owned = fields['f:metadata'] ?? {};
    return Object.entries(value).every(([each, inner]) => unownedMetadata.has(each) || ownsField(owned, each, inner));
  });
}

function ownsField(fields: FieldSet, name: string, value: unknown): boolean {
  if (value === undefined) return true;
  const members = fields[`f:${name}`];
  return members !== undefined && ownsValue(members, value);
}

/** An empty set is the whole of a value: of a scalar, or of a list or map that the API server never merges. */
function ownsValue(members: FieldSet, value: unknown): boolean {
  const inner = Object.keys(members).filter((member) => member !== '.');
  // A set of the field itself alone holds a list or map without anything in it.
  if (inner.length === 0) return !('.' in members) || Object.keys(Object(value) as object).length === 0;
  if (Array.isArray(value)) return inner.length === value.length && value.every((item) => ownsItem(members, inner, item));
  return isMap(value) && Object.entries(value).every(([name, each]) => ownsField(members, name, each));
}

function ownsItem(members: FieldSet, names: readonly string[], item: unknown): boolean {
  const found = names.find((name) => isNameOf(name, item));
  return found !== undefined && ownsValue(members[found] ?? {}, item);
}

/** Whether a member of a list's set names this item. A key that the item leaves out has its default value. */
function isNameOf(member: string, item: unknown): boolean {
  const name = JSON.parse(member.slice(2)) as unknown;
  if (member.startsWith('v:')) return name === item;
  return isMap(item) && isMap(name) && Object.entries(name).every(([key, value]) => item[key] === undefined || item[key] === value);
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(fieldsV1: string): FieldSet {
  try {
    return JSON.parse(fieldsV1) as FieldSet;
  } catch {
    return {};
  }
}

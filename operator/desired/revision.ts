import { createHash } from 'node:crypto';
import { isObject } from './overlay.ts';
import type { Json, JsonObject } from './objects.ts';

/**
 * Names what a pod is made from, in ten hexadecimal digits: the same for the same content in any order of keys. What only shapes the end of a
 * pod (grace period, preStop, drain time) does not count: it is not worth moving everybody for.
 */
export function revisionOf(template: JsonObject): string {
  return createHash('sha256')
    .update(canonical(withoutEnding(template)))
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

const endingFields = new Set(['terminationGracePeriodSeconds', 'preStop']);
const endingVariables = new Set<Json | undefined>(['BARRAGE_DRAIN_MS', 'BARRAGE_DRAIN_CONNECTIONS_PER_SECOND']);

function withoutEnding(value: Json): Json {
  if (Array.isArray(value))
    return value.filter((item: Json) => !(isObject(item) && endingVariables.has(item['name']))).map((item: Json) => withoutEnding(item));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, each]) => !endingFields.has(key) && each !== undefined)
      .map(([key, each]) => [key, withoutEnding(each ?? null)]),
  );
}

/**
 * The difference between the policies of two pool documents. An edit of one channel changes some bytes of policies that
 * may have megabytes: pods with the policies before get the difference. The document's hash covers the whole.
 */
import { z } from 'zod';
import { poolLimits } from './pool-document.ts';

export const policyChangeSchema = z
  .object({
    /** Hash of the policies to which the change applies. */
    from: z.string().regex(/^[0-9a-f]{64}$/),
    /** Where the entries differ first, in UTF-16 code units from their beginning. */
    at: z.int().min(0),
    /** Code units that are gone there. */
    gone: z.int().min(0),
    /** What stands there instead. */
    text: z.string(),
    /** Code units of the entries of each part afterwards. */
    lengths: z.array(z.int().min(0)).max(poolLimits.policyPartsMax),
  })
  .readonly();

export type PolicyChange = z.output<typeof policyChangeSchema>;

const begin = '{"channels":[';
const end = ']}';
const separator = ',';

/**
 * The change from some policies to later ones; `undefined` where a part has another form than the operator's.
 * @param from with the hash of its parts
 * @param to the parts afterwards
 */
export function policyChangeBetween(
  from: { readonly hash: string; readonly parts: readonly string[] },
  to: readonly string[],
): PolicyChange | undefined {
  const [before, after] = [entriesOf(from.parts), entriesOf(to)];
  if (before === undefined || after === undefined) return undefined;
  const [old, fresh] = [before.join(separator), after.join(separator)];
  const shorter = Math.min(old.length, fresh.length);
  let at = 0;
  while (at < shorter && old.charCodeAt(at) === fresh.charCodeAt(at)) at++;
  let same = 0;
  while (same < shorter - at && old.charCodeAt(old.length - 1 - same) === fresh.charCodeAt(fresh.length - 1 - same)) same++;
  return {
    from: from.hash,
    at,
    gone: old.length - same - at,
    text: fresh.slice(at, fresh.length - same),
    lengths: after.map(({ length }) => length),
  };
}

/** The parts after a change; `undefined` where it does not fit them. Nothing is verified: the document's hash does. */
export function policiesAfter(parts: readonly string[], { at, gone, text, lengths }: PolicyChange): readonly string[] | undefined {
  const entries = entriesOf(parts);
  if (entries === undefined) return undefined;
  const old = entries.join(separator);
  if (at + gone > old.length) return undefined;
  const fresh = `${old.slice(0, at)}${text}${old.slice(at + gone)}`;
  const after: string[] = [];
  let next = 0;
  for (const length of lengths) {
    after.push(`${begin}${fresh.slice(next, next + length)}${end}`);
    next += length + separator.length;
  }
  return lengths.length > 0 && next - separator.length === fresh.length ? after : undefined;
}

/** The entries of each part, as one text. */
function entriesOf(parts: readonly string[]): readonly string[] | undefined {
  if (parts.length === 0 || !parts.every((part) => part.startsWith(begin) && part.endsWith(end))) return undefined;
  return parts.map((part) => part.slice(begin.length, -end.length));
}

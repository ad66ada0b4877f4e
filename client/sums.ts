/** A publication of a batch, with the parts of its sum when the gateway tells them. */
export interface SummedPublication {
  readonly offset: number;
  readonly count?: number;
  readonly parts?: readonly number[];
}

/**
 * The part of a sum above `after`. `parts` are the counts of its publications, the newest first. Between two counts
 * stands how many offsets further back the next publication lies.
 */
export function countAfter(offset: number, parts: readonly number[], after: number): number {
  let count = 0;
  let at = offset;
  for (let index = 0; index < parts.length && at > after; index += 2) {
    count += parts[index] ?? 0;
    at -= parts[index + 1] ?? 0;
  }
  return count;
}

/**
 * The publications of a batch above `after`, in the application's form. A sum that reaches below `after` is cut down to
 * its new part, when the gateway told its parts.
 */
export function publicationsAfter<P extends SummedPublication>(publications: readonly P[], after: number): readonly Omit<P, 'parts'>[] {
  return publications.flatMap((publication) => {
    const { parts, ...told } = publication;
    if (told.offset <= after) return [];
    return [parts === undefined ? told : { ...told, count: countAfter(told.offset, parts, after) }];
  });
}

/** A publication of a batch, and what its sum is made of where the gateway says so. */
export interface SummedPublication {
  readonly offset: number;
  readonly count?: number;
  readonly parts?: readonly number[];
}

/**
 * What a sum adds above `after`. `parts` are the counts of the publications that it stands for, the newest first, and
 * between two counts how many offsets further back the next one lies.
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
 * The publications of a batch that lie above `after`, as an application is given them. A sum that reaches below it is
 * cut down to what is new, where the gateway said what it is made of.
 */
export function publicationsAfter<P extends SummedPublication>(publications: readonly P[], after: number): readonly Omit<P, 'parts'>[] {
  return publications.flatMap((publication) => {
    const { parts, ...told } = publication;
    if (told.offset <= after) return [];
    return [parts === undefined ? told : { ...told, count: countAfter(told.offset, parts, after) }];
  });
}

import { withoutRecalled, type KeptBatch, type KeptPublication } from '../history.ts';
import type { Publication, Recall } from '../publication.ts';
import { limits } from '../limits.ts';
import assert from 'node:assert/strict';

/** The users of a batch's publications, as `append.lua` keeps them; empty where none names one. */
export function encodeUsers(publications: readonly Publication[]): Buffer {
  if (publications.every(({ user }) => user === undefined)) return noUsers;
  return Buffer.concat(publications.map(({ user = '' }) => encodeUser(user)));
}

/** What `encodeUsers` makes of a batch without users. */
export const noUsers = Buffer.alloc(0);

function encodeUser(user: string): Buffer {
  const bytes = Buffer.from(user);
  assert(bytes.length <= limits.userBytesMax);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** Gives the publications of a kept batch their users. @param users as `encodeUsers` made them */
export function withUsers(batch: KeptBatch, users: Buffer | undefined): KeptBatch {
  if (users === undefined || users.length === 0) return batch;
  let at = 0;
  const publications = batch.publications.map((publication): Publication => {
    const end = at + 1 + (users[at] ?? 0);
    const user = users.toString('utf8', at + 1, end);
    at = end;
    return user === '' ? publication : { ...publication, user };
  });
  return { ...batch, publications };
}

/** What a tombstone recalls, as `append.lua` takes it; empty for a batch without one. */
export function encodeRecall(recall: Recall | undefined): string {
  if (recall === undefined) return '';
  return recall.kind === 'all' ? 'all' : recall.offsets.join(' ');
}

/** Takes the content of what `history.lua` says was recalled. */
export function withoutToldRecalled(
  publications: readonly KeptPublication[],
  cleared: number,
  recalled: readonly Buffer[],
): readonly KeptPublication[] {
  return withoutRecalled(publications, { cleared, offsets: new Set(recalled.map((offset) => Number(offset.toString('latin1')))) });
}

import { expect, test } from 'vitest';
import type { RoomCounts } from '../../../core/bus/bus.ts';
import { MemberCounter } from '../../../gateway/commands/member-counter.ts';

test('members with a full queue are members too, and what is not known is no count of 0', async () => {
  const results: string[] = [];
  let counts: RoomCounts | undefined = { ready: 3, full: 4 };
  const { count } = new MemberCounter({ calls: { countMembers: async () => counts }, onCount: (result) => results.push(result) });
  expect(await count('video:1')).toEqual({ kind: 'members', members: 7 });
  counts = { ready: 0, full: 0 };
  expect(await count('video:1')).toEqual({ kind: 'members', members: 0 });
  counts = undefined;
  expect(await count('video:1')).toEqual({ kind: 'unknown' });
  expect(results).toEqual(['answered', 'answered', 'unknown']);
});

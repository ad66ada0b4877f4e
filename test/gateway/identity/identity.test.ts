import { expect, test } from 'vitest';
import { userOf } from '../../../gateway/identity/identity.ts';

test.each([
  [undefined, 'x gave no uid'],
  [null, 'x gave no uid'],
  ['', 'x gave an empty uid'],
  [{}, 'x gave a uid that is neither a string nor a number'],
  [true, 'x gave a uid that is neither a string nor a number'],
  [1.5, 'x gave a uid that is a number, but not a whole one'],
  [2 ** 53, 'x gave a uid beyond 2^53, which loses digits as a number: it must be a string'],
  [JSON.parse('12345678901234567890'), 'x gave a uid beyond 2^53, which loses digits as a number: it must be a string'],
  [-(2 ** 53), 'x gave a uid beyond 2^53, which loses digits as a number: it must be a string'],
  ['*', 'x gave a uid that no channel can be named after: a channel name has no spaces, no control characters and none of * @'],
])('what is no uid is refused in words that fit it: %j', (uid, reason) => {
  expect(userOf(uid, 'x')).toEqual({ kind: 'refused', reason });
});

test('a uid is a string, or a number that keeps its digits', () => {
  for (const uid of ['me', '12345678901234567890', 2 ** 53 - 1, -1, 0])
    expect(userOf(uid, 'x')).toEqual({ kind: 'user', uid: String(uid) });
});

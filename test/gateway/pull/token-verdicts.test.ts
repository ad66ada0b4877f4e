import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import type { AuthResult } from '../../../gateway/identity/identity.ts';
import { TokenVerdicts } from '../../../gateway/pull/token-verdicts.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function verdictsOf(result: AuthResult): { readonly clock: FakeClock; readonly verdicts: TokenVerdicts; readonly asked: string[] } {
  const clock = new FakeClock();
  const asked: string[] = [];
  const authenticate = (token: string): Promise<AuthResult> => {
    asked.push(token);
    return Promise.resolve(result);
  };
  return { clock, verdicts: new TokenVerdicts(authenticate, clock), asked };
}

test('a token is checked once for ten seconds, however often it comes, and each token by itself', async () => {
  const { clock, verdicts, asked } = verdictsOf({ kind: 'user', uid: 'ann' });
  await Promise.all(Array.from({ length: 100 }, () => verdicts.of('a')));
  clock.time += limits.pullVerdictMs - 1;
  expect(await verdicts.of('a')).toEqual({ kind: 'user', uid: 'ann' });
  await verdicts.of('b');
  expect(asked).toEqual(['a', 'b']);
  clock.time += 1;
  await verdicts.of('a');
  expect(asked).toEqual(['a', 'b', 'a']);
});

test('a verdict does not outlast the identity', async () => {
  const { clock, verdicts, asked } = verdictsOf({ kind: 'user', uid: 'ann', lastsMs: 500 });
  await verdicts.of('a');
  clock.time += 500;
  await verdicts.of('a');
  expect(asked).toHaveLength(2);
});

test('a refusal is remembered, a check without a verdict is not', async () => {
  const refused = verdictsOf({ kind: 'refused', reason: 'no' });
  await refused.verdicts.of('a');
  await refused.verdicts.of('a');
  expect(refused.asked).toHaveLength(1);
  const late = verdictsOf({ kind: 'late', reason: 'slow' });
  await late.verdicts.of('a');
  await late.verdicts.of('a');
  expect(late.asked).toHaveLength(2);
});

test('of too many tokens the one that came least recently is forgotten', async () => {
  const { verdicts, asked } = verdictsOf({ kind: 'user', uid: 'ann' });
  for (let index = 0; index <= limits.pullVerdictsMax; index++) await verdicts.of(`t${index}`);
  await verdicts.of('t1');
  expect(asked).toHaveLength(limits.pullVerdictsMax + 1);
  await verdicts.of('t0');
  expect(asked).toHaveLength(limits.pullVerdictsMax + 2);
});

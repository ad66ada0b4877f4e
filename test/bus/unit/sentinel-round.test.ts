import { expect, test } from 'vitest';
import { SentinelRound } from '../../../core/redis/sentinel-round.ts';

// The client's own words, as it says them of one Sentinel after the other.
const away = (address: string): Error => new Error(`failed to connect to sentinel ${address} because Connection is closed.`);
const refusing = (address: string): Error => new Error(`failed to connect to sentinel ${address} because WRONGPASS invalid password`);
const ignorant = (address: string): Error => new Error(`connected to sentinel ${address} successfully, but got an invalid reply: null`);

function told(...errors: readonly Error[]): string | undefined {
  const round = new SentinelRound('live');
  for (const error of errors) round.add(error);
  return round.end();
}

test('a round is told by what says most: a name that is not known, a refusal, or where nobody answers', () => {
  expect(told(away('a:1'), refusing('b:1'), ignorant('c:1'))).toBe("the Sentinels know no master named 'live'");
  expect(told(new Error('failed to connect to sentinel a:1 because ERR No such master with that name'))).toContain("named 'live'");
  expect(told(away('a:1'), refusing('b:1'))).toBe('no Sentinel can be asked: WRONGPASS invalid password');
  expect(told(away('b:1'), away('a:1'), away('b:1'))).toBe('no Sentinel answers at a:1, b:1');
});

test('a round in which nobody was asked says nothing, and none is told of what was said in another', () => {
  const round = new SentinelRound('live');
  expect(round.end()).toBeUndefined();
  round.add(ignorant('a:1'));
  round.clear();
  round.add(away('b:1'));
  expect(round.end()).toBe('no Sentinel answers at b:1');
  expect(round.end()).toBeUndefined();
});

import { expect, test } from 'vitest';
import { keptKeysMax, keysToKeep, trustOf, type SigningKeys } from '../../../operator/decide/signing-keys.ts';

function pair(name: string): SigningKeys {
  return { privateKey: `private ${name}`, publicKey: `-----BEGIN-----\n${name}\n-----END-----\n` };
}

function trusted(...pairs: readonly SigningKeys[]): ReadonlySet<string> {
  return new Set(pairs.map(({ publicKey }) => trustOf(publicKey)));
}

const [first, second, third] = [pair('first'), pair('second'), pair('third')];

test('an earlier key is kept while a pod trusts it, and no longer', () => {
  expect(keysToKeep(second, [first], trusted(first, second))).toEqual([second, first]);
  expect(keysToKeep(third, [second, first], trusted(first, third))).toEqual([third, first]);
  expect(keysToKeep(third, [third, first], trusted(third))).toEqual([third]);
});

test('the present key is kept before any pod trusts it, and once', () => {
  expect(keysToKeep(first, [], trusted())).toEqual([first]);
  expect(keysToKeep(first, [first], trusted(first))).toEqual([first]);
});

test('as many keys as the bound are kept; of one more the oldest is forgotten', () => {
  const earlier = Array.from({ length: keptKeysMax }, (_, index) => pair(`earlier ${index}`));
  const atBound = earlier.slice(0, keptKeysMax - 1);
  expect(keysToKeep(first, atBound, trusted(...earlier))).toEqual([first, ...atBound]);
  expect(keysToKeep(first, earlier, trusted(...earlier))).toEqual([first, ...atBound]);
});

test("a pod's variable and a Secret's PEM give the same key", () => {
  const { publicKey } = first;
  expect(trustOf(publicKey.trim().replaceAll('\n', String.raw`\n`))).toBe(trustOf(publicKey));
});

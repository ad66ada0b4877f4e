import { expect, test } from 'vitest';
import { accountOf, type Published, type Told } from '../outage/account.ts';

function published(number: number, more: Partial<Published> = {}): Published {
  const position = { epoch: 'aaaaaa1', offset: number };
  const accepted = { status: 200, retryAfter: null, words: '', published: 'yes', position } as const;
  return { channel: 'c', number, tookMs: 1, answeredAt: number, ...accepted, ...more };
}

function came(number: number, offset = number, epoch = 'aaaaaa1'): Told {
  return { kind: 'publication', at: 0, number, position: { epoch, offset } };
}

const three = [published(1), published(2), published(3)];
const whole = { twice: [], refused: [], disordered: [], leftOut: [], untold: [], missed: [] };

test('what came once and in order is whole', () => {
  expect(accountOf(three, [came(1), came(2), came(3)])).toEqual({ received: 3, ...whole });
});

test('what did not come is untold, unless it lies in a gap', () => {
  expect(accountOf(three, [came(1), came(3)])).toMatchObject({ untold: [2], missed: [2] });
  const gap = (from: number, to: number): Told => ({
    kind: 'gap',
    at: 0,
    from: { epoch: 'aaaaaa1', offset: from },
    to: { epoch: 'aaaaaa1', offset: to },
  });
  expect(accountOf(three, [came(1), gap(1, 2), came(3)])).toMatchObject({ untold: [], missed: [2] });
  expect(accountOf(three, [came(1), gap(2, 3), came(3)])).toMatchObject({ untold: [2] });
});

test('what did not come was left out where its span says so', () => {
  const at = (offset: number, epoch = 'aaaaaa1') => ({ epoch, offset });
  const span: Told = { kind: 'left-out', at: 0, from: at(1), to: at(3) };
  expect(accountOf(three, [came(1), span, came(3)])).toEqual({ received: 2, ...whole, leftOut: [2] });
  const before: Told = { kind: 'left-out', at: 0, from: at(0), to: at(1) };
  expect(accountOf(three, [before, came(1), came(3)])).toMatchObject({ leftOut: [], untold: [2], missed: [2] });
});

test('a gap between two orders has the end of the first and the beginning of the second', () => {
  const other = (number: number, offset: number): Published => published(number, { position: { epoch: 'bbbbbb1', offset } });
  const all = [published(1), published(2), other(3, 1), other(4, 2)];
  const gap: Told = { kind: 'gap', at: 0, from: { epoch: 'aaaaaa1', offset: 1 }, to: { epoch: 'bbbbbb', offset: 1 } };
  expect(accountOf(all, [came(1), gap, came(4, 2, 'bbbbbb1')])).toMatchObject({ untold: [], missed: [2, 3] });
  expect(accountOf([...all, other(5, 3)], [came(1), gap, came(4, 2, 'bbbbbb1')])).toMatchObject({ untold: [5] });
});

test('what came twice, in another order, or after a refusal is told apart', () => {
  const refused = published(4, { published: 'no', position: undefined });
  expect(accountOf(three, [came(1), came(2), came(2), came(3)])).toMatchObject({ twice: [2] });
  expect(accountOf(three, [came(2), came(1), came(3)])).toMatchObject({ disordered: [1] });
  expect(accountOf([...three, refused], [came(1), came(2), came(3), came(4)])).toMatchObject({ refused: [4] });
  const unknown = published(4, { published: 'unknown', position: undefined });
  expect(accountOf([...three, unknown], [came(1), came(2), came(3), came(4)])).toMatchObject(whole);
});

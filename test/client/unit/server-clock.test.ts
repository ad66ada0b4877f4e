import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ServerClock } from '../../../client/server-clock.ts';

test('nothing is known of the gateway before it has told its time', () => {
  expect(new ServerClock().at(5)).toBeUndefined();
});

test('however long times are on their way, the estimate is never early, and late by the shortest way of the newest eight', () => {
  const ways = fc.array(fc.nat(5_000), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(ways, fc.integer({ min: -1_000_000, max: 1_790_000_000_000 }), (waysMs, ahead) => {
      const clock = new ServerClock();
      for (const [index, wayMs] of waysMs.entries()) {
        const arrivedAt = index * 25_000;
        const told = arrivedAt - wayMs + ahead;
        if (index === 0) clock.greeted(told, arrivedAt);
        else clock.told(told, arrivedAt);
      }
      expect(clock.at(1_000_000)).toBe(1_000_000 + ahead - Math.min(...waysMs.slice(-8)));
    }),
  );
});

test('a new connection begins anew: the clock of another gateway, or of a machine that slept', () => {
  const clock = new ServerClock();
  clock.greeted(1_000_000, 0);
  clock.told(2_000_000, 10);
  clock.greeted(500_000, 20);
  expect(clock.at(20)).toBe(500_000);
});

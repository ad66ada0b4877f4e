import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChannelRates } from '../../../publisher/rate.ts';

test('a second of publications may come in one burst, the next waits for its share of the second', () => {
  const rates = new ChannelRates({ channelsMax: 10 });
  for (let count = 0; count < 5; count++) expect(rates.take('a', 5, 1000)).toEqual({ kind: 'taken' });
  expect(rates.take('a', 5, 1000)).toEqual({ kind: 'wait', afterMs: 200 });
  expect(rates.take('a', 5, 1199)).toEqual({ kind: 'wait', afterMs: 1 });
  expect(rates.take('a', 5, 1200)).toEqual({ kind: 'taken' });
});

test('several publications are taken together, or none of them', () => {
  const rates = new ChannelRates({ channelsMax: 10 });
  expect(rates.take('a', 5, 1000, 3)).toEqual({ kind: 'taken' });
  expect(rates.take('a', 5, 1000, 3)).toEqual({ kind: 'wait', afterMs: 200 });
  expect(rates.take('a', 5, 1000, 2)).toEqual({ kind: 'taken' });
  expect(rates.take('a', 5, 1000, 5)).toEqual({ kind: 'wait', afterMs: 1000 });
  expect(rates.take('a', 5, 2000, 5)).toEqual({ kind: 'taken' });
});

test('a clock that is set back neither adds publications nor stops the channel until the old time', () => {
  const rates = new ChannelRates({ channelsMax: 10 });
  expect(rates.take('a', 1, 1_000_000)).toEqual({ kind: 'taken' });
  expect(rates.take('a', 1, 0)).toEqual({ kind: 'wait', afterMs: 1000 });
  expect(rates.take('a', 1, 1000)).toEqual({ kind: 'taken' });
});

test('one channel more than the table holds forgets the one that was quiet longest', () => {
  const rates = new ChannelRates({ channelsMax: 2 });
  rates.take('a', 1, 0);
  rates.take('b', 1, 0);
  rates.take('a', 1, 0);
  rates.take('c', 1, 0);
  expect(rates.size).toBe(2);
  expect(rates.take('a', 1, 0).kind).toBe('wait');
  expect(rates.take('b', 1, 0).kind).toBe('taken');
});

test('whatever the times, a channel never gets more than its rate plus one burst', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 200 }), (perSecond, steps) => {
      const rates = new ChannelRates({ channelsMax: 1 });
      let now = 0;
      let taken = 0;
      for (const step of steps) {
        now += step;
        if (rates.take('a', perSecond, now).kind === 'taken') taken++;
      }
      expect(taken).toBeLessThanOrEqual(perSecond + (now * perSecond) / 1000 + 1e-6);
    }),
  );
});

test('who waits as long as told is served', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 0, max: 2 ** 42 }), (perSecond, start) => {
      const rates = new ChannelRates({ channelsMax: 1 });
      let decision = rates.take('a', perSecond, start);
      while (decision.kind === 'taken') decision = rates.take('a', perSecond, start);
      expect(rates.take('a', perSecond, start + decision.afterMs).kind).toBe('taken');
    }),
    { numRuns: 30 },
  );
});

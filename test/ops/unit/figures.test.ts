import { expect, test } from 'vitest';
import { CountedRates } from '../../../ops/counted-rates.ts';
import { History, samplesMax } from '../../../ops/view/history.ts';
import { figuresOf, joined, quantileOf, type Readings } from '../../../ops/view/readings.ts';

const none: Readings = { now: {}, totals: {}, distributions: {} };

test('a history keeps ten minutes: the oldest sample goes for the newest', () => {
  const history = new History();
  for (let second = 0; second < samplesMax + 5; second++) history.add(second * 1000, { connections: second });
  const values = history.values('connections');
  expect([values.length, values[0], values.at(-1), history.at]).toEqual([samplesMax, 5, samplesMax + 4, (samplesMax + 4) * 1000]);
  expect(history.length).toBe(samplesMax);
  expect(history.values('rooms')).toHaveLength(0);
});

test('a series that begins later has no values before, and a second without a value stays empty', () => {
  const history = new History();
  history.add(1, { connections: 1 });
  history.add(2, { connections: null, delivered: 7 });
  expect([...history.values('connections')]).toEqual([1, NaN]);
  expect([...history.values('delivered')]).toEqual([NaN, 7]);
  expect([history.recent('connections', 2), history.recent('delivered', 1), history.recent('rooms', 9)]).toEqual([1, 7, undefined]);
});

test('a page that takes the history of a stream goes on where the process is', () => {
  const process = new History();
  for (let second = 1; second <= 700; second++)
    process.add(second, { connections: second, latencyP99: second % 2 === 0 ? null : 0.123456789 });
  const page = new History();
  page.add(1, { rooms: 3 });
  page.replace(JSON.parse(JSON.stringify(process.toEvent())));
  process.add(701, { connections: 1 });
  page.add(701, { connections: 1 });
  expect([...page.values('connections')]).toEqual([...process.values('connections')]);
  expect([page.at, page.length, page.values('rooms').length]).toEqual([701, samplesMax, 0]);
  expect(page.values('latencyP99').at(-3)).toBeCloseTo(0.12346, 6);
});

test('a fault lasts back to its first odd second, over pauses of less than ten seconds, and no longer than the history', () => {
  const history = new History();
  const isOdd = (value: number): boolean => value > 0;
  for (let second = 0; second < 100; second++) history.add(second, { slow: [10, 50, 58, 66, 75].includes(second) ? 1 : 0 });
  expect(history.lasting('slow', isOdd)).toBe(0);
  for (let second = 100; second < 103; second++) history.add(second, { slow: 1, budget: 1 });
  expect(history.lasting('slow', isOdd)).toBe(3);
  expect(history.lasting('rooms', isOdd)).toBe(0);
  for (let second = 103; second < 900; second++) history.add(second, { slow: 1 });
  expect(history.lasting('slow', isOdd)).toBe(samplesMax);
});

test('an empty history of a process that has just started is taken', () => {
  const page = new History();
  page.replace(new History().toEvent());
  page.add(1, { connections: 4 });
  expect([...page.values('connections')]).toEqual([4]);
});

test('a rate is the rise of a sum a second; the first reading has none, and a sum that falls is no negative rate', () => {
  const reading = (delivered: number): Readings => ({ ...none, now: { connections: 3 }, totals: { delivered } });
  expect(figuresOf(undefined, reading(10), 1)).toEqual({ connections: 3, delivered: null });
  expect(figuresOf(reading(10), reading(30), 2)).toEqual({ connections: 3, delivered: 10 });
  expect(figuresOf(reading(30), reading(10), 1)).toEqual({ connections: 3, delivered: 0 });
});

test('merge, window and latency are of the last second alone', () => {
  const reading = (counts: readonly number[], sum: number): Readings => {
    const distributed = { bounds: [1, 2, 4], counts, sum };
    return { ...none, distributions: { merged: distributed, window: distributed, latency: distributed, publish: distributed } };
  };
  const before = reading([100, 0, 0, 0], 100);
  const figures = figuresOf(before, reading([100, 0, 2, 0], 106), 1);
  expect(figures).toEqual({ merged: 3, window: 3, latencyP50: 3, latencyP99: 3.98, publishP50: 3, publishP99: 3.98 });
  expect(figuresOf(before, before, 1)).toMatchObject({ merged: null, latencyP99: null });
});

test('a quantile beyond the last bucket is its bound, and none has none', () => {
  expect(quantileOf({ bounds: [1, 2], counts: [0, 0, 5], sum: 50 }, 0.99)).toBe(2);
  expect(quantileOf({ bounds: [1, 2], counts: [10, 0, 0], sum: 5 }, 0.5)).toBe(0.5);
  expect(quantileOf({ bounds: [1], counts: [0, 0], sum: 0 }, 0.5)).toBeNull();
  expect(quantileOf(undefined, 0.5)).toBeNull();
});

test('the readings of several parts are one', () => {
  const one = { ...none, now: { connections: 1 } };
  const other = { ...none, totals: { published: 2 } };
  expect(joined(one, other)).toEqual({ now: { connections: 1 }, totals: { published: 2 }, distributions: {} });
});

test('counted rates are by name, and a name that comes later counts from zero', () => {
  const rates = new CountedRates();
  rates.add({ full: 1 }, 0);
  expect(rates.rates).toEqual({});
  rates.add({ full: 5, rate: 3 }, 2000);
  expect(rates.rates).toEqual({ full: 2, rate: 1.5 });
});

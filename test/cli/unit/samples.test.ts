import { Counter, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { bytes, duration, percent, rate } from '../../../cli/view/figures.ts';
import { readSamples, sumOf, sumsBy } from '../../../cli/view/samples.ts';

test('an answer of /metrics is read as it was written, labels with quotes and line ends too', async () => {
  const registry = new Registry();
  const counter = new Counter({ name: 'dropped_total', help: 'x', labelNames: ['reason', 'channel'], registers: [registry] });
  counter.inc({ reason: 'budget', channel: 'a"b\\c\nd' }, 2);
  counter.inc({ reason: 'budget', channel: 'e},{x="1"' }, 3);
  counter.inc({ reason: 'slow', channel: '' }, 1.5);
  const samples = readSamples(await registry.metrics());
  expect(samples.map(({ labels }) => labels['channel'])).toEqual(['a"b\\c\nd', 'e},{x="1"', '']);
  expect(sumOf(samples, 'dropped_total')).toBe(6.5);
  expect(sumOf(samples, 'dropped')).toBeUndefined();
  expect([...sumsBy(samples, 'dropped_total', 'reason')]).toEqual([
    ['budget', 5],
    ['slow', 1.5],
  ]);
});

test('comments and foreign lines are left out', () => {
  expect(readSamples('# HELP a b\n<html>\na 1\nb{le="+Inf"} +Inf 1700000000\nc NaN\n')).toEqual([
    { name: 'a', labels: {}, value: 1 },
    { name: 'b', labels: { le: '+Inf' }, value: Infinity },
  ]);
});

test('figures are as short as a table needs them', () => {
  expect([0, 999, 1000, 12_345, 1_500_000, undefined].map(bytes)).toEqual(['0 B', '999 B', '1.0 kB', '12 kB', '1.5 MB', '-']);
  expect([0, 0.04, 9.94, 10.2, 12_345.6, undefined].map(rate)).toEqual(['0', '0.0', '9.9', '10', '12346', '-']);
  expect([0, 119_000, 120_000, 7_200_000, 172_800_000].map(duration)).toEqual(['0s', '119s', '2m', '2h', '2d']);
  expect([percent(0.123), percent(0.0021), percent(0), percent(undefined)]).toEqual(['12%', '0.2%', '0%', '-']);
});

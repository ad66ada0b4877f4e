import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { readOptions } from '../../../sizing/options.ts';
import { poolYaml } from '../../../sizing/pool.ts';
import { sizingReport } from '../../../sizing/report.ts';
import { defaultMargins, sizeOf } from '../../../sizing/size.ts';

const three = ['--connections', '100000', '--channels', '1000', '--publications', '2000'];

test('three numbers are enough, and the others have defaults', () => {
  expect(readOptions(three)).toEqual({
    kind: 'demand',
    demand: {
      connections: 100_000,
      channels: 1_000,
      publicationsPerSecond: 2_000,
      payloadBytes: 200,
      subscriptions: 1,
      windowMilliseconds: 100,
      historySize: 0,
      isPlaced: false,
    },
    margins: defaultMargins,
  });
  expect(readOptions([...three, '--per-gateway', '50000', '--cpu', '70', '--spare', '2', '--window', '0', '--placed'])).toMatchObject({
    demand: { windowMilliseconds: 0, isPlaced: true },
    margins: { connectionsPerGatewayMax: 50_000, coreShareMax: 0.7, spareGateways: 2 },
  });
  expect(readOptions(['-h'])).toEqual({ kind: 'help' });
});

test.each([
  [[], '--connections is missing'],
  [three.slice(0, 4), '--publications is missing'],
  [[...three, '--window', '1001'], "--window must be a whole number from 0 to 1000, not '1001'"],
  [[...three, '--cpu', '0'], "--cpu must be a whole number from 1 to 90, not '0'"],
  [[...three, '--payload', '1e3'], "not '1e3'"],
  [[...three, '--viewers', '3'], "Unknown option '--viewers'"],
])('%j is refused: %s', (args, words) => {
  expect(readOptions(args)).toEqual({ kind: 'fault', reason: expect.stringContaining(words) });
});

test('the report says what was assumed and what is needed, and ends with the GatewayPool', () => {
  const size = sizeOf({ ...demandOf(three), historySize: 100 });
  const report = sizingReport(size);
  for (const words of [
    '100,000, of 1 channel each',
    '1.2 publications in a write',
    'gateways    6 (connections decide)',
    'MiB of the kernel',
  ])
    expect(report).toContain(words);
  expect(report.endsWith(poolYaml(size))).toBe(true);
  expect(parse(poolYaml(size))).toMatchObject({
    kind: 'GatewayPool',
    spec: {
      scaling: { connections: { minReplicas: 6, maxReplicas: 12, targetConnectionsPerPod: 20_000, bufferPercent: 20 } },
      drain: { connectionsPerSecond: 200 },
    },
  });
  const crowded = { ...demandOf(three), connections: 1_000, channels: 1 };
  expect(sizingReport(sizeOf(crowded))).toContain('beyond the 92.3 that were measured');
});

function demandOf(args: readonly string[]): Parameters<typeof sizeOf>[0] {
  const read = readOptions(args);
  if (read.kind !== 'demand') throw new Error(JSON.stringify(read));
  return read.demand;
}

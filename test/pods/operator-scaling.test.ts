import { once } from 'node:events';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { clusterTimeoutMs } from '../support/cluster.ts';
import { OperatedPool, poolMain } from './operated-pool.ts';

let pool: OperatedPool;

beforeAll(async () => {
  pool = await OperatedPool.open('scaling');
  await pool.startOperator();
  await pool.apply(poolMain(scaling));
  await pool.untilCondition('gwp/main', 'Ready');
}, clusterTimeoutMs);
afterAll(async () => {
  await pool?.close();
});

const target = 100;
const scaling = `  scaling:
    type: Connections
    connections:
      targetConnectionsPerPod: ${target}
      bufferPercent: 0
      minReplicas: 1
      maxReplicas: 3
      scaleDown: {stabilizationWindowSeconds: 3, maxPodsPerPeriod: 2, periodSeconds: 1}
`;

test('300 connections above the target raise the number of gateways within 15 s, and when they leave it falls again', async () => {
  const watch = await pool.watch();
  await expect.poll(() => watch.ready.length, { timeout: 20_000 }).toBe(1);
  const url = await pool.clientsUrl();
  const sockets: WebSocket[] = [];
  onTestFinished(() => sockets.forEach((socket) => socket.terminate()));
  const startedAt = performance.now();
  while (sockets.length < target + 300) {
    const some = Array.from({ length: 50 }, () => new WebSocket(url));
    for (const socket of some) socket.on('error', () => {});
    await Promise.all(some.map((socket) => once(socket, 'open')));
    sockets.push(...some);
  }
  const connectedAt = performance.now();
  await expect.poll(() => watch.pods.size, { timeout: 15_000, interval: 50 }).toBeGreaterThan(1);
  const createdAt = performance.now();
  await expect.poll(() => watch.ready.length, { timeout: 60_000, interval: 50 }).toBe(3);
  const readyAt = performance.now();
  const ms = (from: number, to: number): number => Math.round(to - from);
  process.stdout.write(
    `400 connections in ${ms(startedAt, connectedAt)} ms; more gateways after ${ms(connectedAt, createdAt)} ms, ready after ${ms(connectedAt, readyAt)} ms\n`,
  );
  expect(await pool.field('gwp/main', '.status.desiredReplicas')).toBe('3');
  expect(sockets.filter(({ readyState }) => readyState === WebSocket.OPEN)).toHaveLength(target + 300);
  for (const socket of sockets) socket.close();
  const leftAt = performance.now();
  await expect.poll(() => watch.pods.size, { timeout: 60_000, interval: 50 }).toBe(1);
  process.stdout.write(`one gateway again ${ms(leftAt, performance.now())} ms after they left\n`);
  await pool.untilCondition('gwp/main', 'Ready');
}, 150_000);

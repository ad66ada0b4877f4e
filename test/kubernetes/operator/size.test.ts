import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { resources } from '../../../operator/kube/resources.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { countBy, OperatedCluster, print, type OperatorProcess } from './operated-cluster.ts';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ nodes: 4, connections: 50 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

const pools = Number(process.env['BARRAGE_TEST_POOLS'] ?? 20);
const gatewaysEach = Number(process.env['BARRAGE_TEST_GATEWAYS'] ?? 50);
const channelsEach = 100;
const atOnce = 20;

/** Carries out many things, a few at a time. */
async function each<T>(items: readonly T[], carryOut: (item: T) => Promise<unknown>): Promise<void> {
  const waiting = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of waiting) await carryOut(item);
    }),
  );
}

function channel(pool: string, index: number): KubeObject {
  const { apiVersion, kind } = resources.barrageChannel;
  const metadata = { namespace: operated.namespace, name: `${pool}-${index}` };
  return { apiVersion, kind, metadata, spec: { poolRef: { name: pool }, channel: `video:${index}` } } as KubeObject;
}

interface StoredChannel extends KubeObject {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

async function untilChannelsInForce(): Promise<void> {
  const areInForce = async (): Promise<boolean> => {
    const channels = await operated.api.list<StoredChannel>(resources.barrageChannel, { namespace: operated.namespace });
    return channels.every(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'InForce' && is === 'True'));
  };
  await vi.waitUntil(areInForce, { timeout: 600_000, interval: 1000 });
}

/**
 * How long after a pool is told to be larger its next gateway is created, in milliseconds. All else has converged:
 * nobody else creates one.
 */
async function reactionMs(operator: OperatorProcess, pool: string, spec: object): Promise<number> {
  const first = Promise.withResolvers<number>();
  operator.onRequest = (request) => {
    if (request.verb === 'create' && request.resource === 'pods') first.resolve(request.at);
  };
  const { apiVersion, kind } = resources.gatewayPool;
  const object = { apiVersion, kind, metadata: { namespace: operated.namespace, name: pool }, spec } as KubeObject;
  // From before the change is sent: the API server's own time is part of what is told.
  const changedAt = performance.now();
  await operated.api.apply(resources.gatewayPool, object);
  const reactedAt = await first.promise;
  operator.onRequest = () => {};
  return reactedAt - changedAt;
}

test(
  'twenty pools with a thousand gateways and two thousand channels converge, with few calls for each',
  { timeout: 1_200_000 },
  async () => {
    const keys = Array.from({ length: pools }, (_, index) => `pool-${index}`);
    await each(
      keys.flatMap((pool) => Array.from({ length: channelsEach }, (_, index) => channel(pool, index))),
      (object) => operated.api.create(resources.barrageChannel, object),
    );
    await each(keys, (pool) => operated.applyPool(pool, { replicas: gatewaysEach }));
    const startedAt = performance.now();
    const operator = await operated.startOperator({ apiRate: 200 });
    await operated.untilConverged(600_000);
    const gatewaysMs = performance.now() - startedAt;
    await untilChannelsInForce();
    const allMs = performance.now() - startedAt;
    const { rss, heapUsed, cpuMs } = await operator.usage();
    const sent = operator.requests();
    const perGateway = sent.length / (pools * gatewaysEach);
    print(`gateways after ${seconds(gatewaysMs)}, channels after ${seconds(allMs)}; ${perGateway.toFixed(1)} requests for each gateway`);
    print(`${countBy(sent)}; ${mebibytes(rss)} resident, ${mebibytes(heapUsed)} heap, ${seconds(cpuMs)} of CPU`);
    // Of each gateway: its creation, its condition, an event. Of each channel: its status, twice. The rest is for
    // pools.
    expect(sent.length).toBeLessThan(pools * gatewaysEach * 6 + pools * channelsEach * 4);
    expect(operated.pods.objections).toEqual([]);
    // The memory limit of the chart's container.
    expect(rss).toBeLessThan(512 * 1_048_576);

    const reactions: number[] = [];
    for (const [index, pool] of keys.slice(0, 5).entries()) {
      reactions.push(await reactionMs(operator, pool, { replicas: gatewaysEach + 1 + index }));
      await operated.untilConverged(120_000);
    }
    print(`a change is acted on after ${reactions.map((ms) => Math.round(ms)).join(', ')} ms`);
    // One of five may meet a moment in which the machine does something else.
    expect(reactions.toSorted((one, other) => one - other)[2]).toBeLessThan(1_000);
    const idleFrom = await operator.usage();
    const from = performance.now();
    await pause(10_000);
    const idleTo = await operator.usage();
    const busy = (idleTo.cpuMs - idleFrom.cpuMs) / (performance.now() - from);
    print(`converged: ${Math.round(busy * 100)} % of a CPU, ${mebibytes(idleTo.rss)} resident`);
  },
);

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`;
}

import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { PoolDocument } from '../../../core/pool/pool-document.ts';
import type { BarrageChannel } from '../../../operator/api/barrage-channel.ts';
import { resources } from '../../../operator/kube/resources.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { MemoryGroup, peakResidentBytes } from '../../support/memory-group.ts';
import { formVariable } from '../../suite.ts';
import { countBy, OperatedCluster, print, type OperatorProcess, type SentRequest } from './operated-cluster.ts';

/** `npm run size` takes the long form: the largest cluster that docs/operator.md tells of. */
const isLong = process.env[formVariable] === 'long';
const smallPools = isLong ? 99 : 19;
const sizeOf = {
  /** Gateways of the large pool, and of all others together. */
  large: isLong ? 999 : 100,
  small: isLong ? 1_000 : 100,
  largeChannels: isLong ? 4_010 : 2_000,
  channelsEach: 10,
};
/** The memory limit of the chart's container. */
const memoryMax = 512 * 1_048_576;
/** Of the clock in the long form, which runs alone; in the short one, beside other tests, of the operator's CPU. */
const inForceMsMax = 10_000;
/** The short form runs on machines of any speed, beside other tests. */
const turnMsMax = isLong ? 200 : 400;
const timeoutMs = isLong ? 3_600_000 : 900_000;
const atOnce = 20;
const large = 'large';
const lease = 'size-lease';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ nodes: 4, connections: 50 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

type StoredChannel = BarrageChannel & KubeObject;

/** Carries out many things, a few at a time. */
async function each<T>(items: readonly T[], carryOut: (item: T) => Promise<unknown>): Promise<void> {
  const waiting = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of waiting) await carryOut(item);
    }),
  );
}

function channel(pool: string, index: number, windowMilliseconds = 100): KubeObject {
  const { apiVersion, kind } = resources.barrageChannel;
  const metadata = { namespace: operated.namespace, name: `${pool}-${index}` };
  const spec = { poolRef: { name: pool }, channel: `video:${index}`, merge: { windowMilliseconds } };
  return { apiVersion, kind, metadata, spec } as KubeObject;
}

async function untilChannelsInForce(): Promise<void> {
  const areInForce = async (): Promise<boolean> => {
    const channels = await operated.api.list<StoredChannel>(resources.barrageChannel, { namespace: operated.namespace });
    return channels.every(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'InForce' && is === 'True'));
  };
  await vi.waitUntil(areInForce, { timeout: timeoutMs, interval: 2_000 });
}

/** The newest document, if every pod of the pool has it. */
function documentInForce(pool: string): PoolDocument | undefined {
  const pods = operated.pods.pods.withIndex('pool', `${operated.namespace}/${pool}`);
  const documents = pods.map(({ metadata }) => operated.pods.documentOf(metadata.uid));
  const [first] = documents;
  return documents.every((document) => document !== undefined && document.epoch === first?.epoch) ? first : undefined;
}

/** How long it takes until every pod of the pool has a document that is as told, in milliseconds. */
async function inForceMs(pool: string, since: number, isIt: (document: PoolDocument) => boolean): Promise<number> {
  const isInForce = (): boolean => {
    const document = documentInForce(pool);
    return document !== undefined && isIt(document);
  };
  await vi.waitUntil(isInForce, { timeout: 120_000, interval: 50 });
  return performance.now() - since;
}

async function resize(pool: string, replicas: number): Promise<void> {
  const { apiVersion, kind } = resources.gatewayPool;
  await operated.api.apply(resources.gatewayPool, {
    apiVersion,
    kind,
    metadata: { namespace: operated.namespace, name: pool },
    spec: { replicas },
  } as KubeObject);
}

function isStatusWrite({ verb, path }: SentRequest): boolean {
  return verb !== 'get' && /\/status(\?|$)/.test(path) && /gatewaypools|barragechannels/.test(path);
}

function hasServing(count: number): (document: PoolDocument) => boolean {
  return ({ gateways }) => gateways.length === count && gateways.every(({ state }) => state === 'serving');
}

/** What counts of a time until something is in force, in milliseconds. `cpuMs`: of the operator, before the change. */
async function counted(clockMs: number, operator: OperatorProcess, cpuMs: number): Promise<number> {
  return isLong ? clockMs : (await operator.usage()).cpuMs - cpuMs;
}

/** Fails when the operator ends first: nobody else would finish what is waited for. */
async function whileItLives(operator: OperatorProcess, wait: Promise<unknown>): Promise<void> {
  const over = operator.ended.then(() => {
    throw new Error('the operator has ended');
  });
  await Promise.race([wait, over]);
}

/** Waits until nothing has been written for some seconds: statuses and documents are written at a pace. */
async function untilQuiet(operator: OperatorProcess): Promise<void> {
  await operated.untilDocumentsWritten();
  await vi.waitUntil(() => operator.writes(performance.now() - 6_000).length === 0, { timeout: 120_000, interval: 500 });
}

async function report(what: string, operator: OperatorProcess): Promise<void> {
  expect(operator.isOver, `the operator lives: ${what}`).toBe(false);
  const { heapUsed, cpuMs, turnMs } = await operator.usage();
  const peak = peakResidentBytes(operator.pid);
  print(
    `${what}; longest turn ${Math.round(turnMs)} ms, ${seconds(cpuMs)} of CPU so far, ${mebibytes(peak)} at most, ${mebibytes(heapUsed)} heap`,
  );
  expect.soft(turnMs, `the longest turn: ${what}`).toBeLessThan(turnMsMax);
  expect.soft(peak).toBeLessThan(memoryMax);
}

test('many pools, one of them large, with thousands of channels', { timeout: timeoutMs }, async () => {
  const group = new MemoryGroup('barrage-size', memoryMax);
  // Registered first, so it ends last: after the operators.
  onTestFinished(() => group.close());
  print(group.isLimited ? 'each operator in a cgroup of 512 MiB' : 'no cgroup can be made here: the memory is only measured');
  const start = async (): Promise<OperatorProcess> => {
    const operator = await operated.startOperator({ apiRate: 200, lease });
    group.takeIn(operator.pid);
    return operator;
  };
  const keys = Array.from({ length: smallPools }, (_, index) => `pool-${index}`);
  const gatewaysOf = (index: number): number =>
    Math.floor(((index + 1) * sizeOf.small) / smallPools) - Math.floor((index * sizeOf.small) / smallPools);
  const channels = [
    ...Array.from({ length: sizeOf.largeChannels }, (_, index) => channel(large, index)),
    ...keys.flatMap((pool) => Array.from({ length: sizeOf.channelsEach }, (_, index) => channel(pool, index))),
  ];
  await each(channels, (object) => operated.api.create(resources.barrageChannel, object));
  await operated.applyPool(large, { replicas: sizeOf.large });
  await each([...keys.entries()], ([index, pool]) => operated.applyPool(pool, { replicas: gatewaysOf(index) }));

  const startedAt = performance.now();
  let operator = await start();
  await whileItLives(operator, operated.untilConverged(timeoutMs, 500));
  const gatewaysMs = performance.now() - startedAt;
  await whileItLives(operator, untilChannelsInForce());
  const sent = operator.requests();
  const gateways = sizeOf.large + sizeOf.small;
  print(`${gateways} gateways after ${seconds(gatewaysMs)}, ${channels.length} channels after ${seconds(performance.now() - startedAt)}`);
  print(countBy(sent));
  await report('converged', operator);
  // Of each gateway: its creation, its condition, an event. Of each channel: its status, twice. The rest is for pools.
  expect.soft(sent.length).toBeLessThan(gateways * 6 + channels.length * 4 + (smallPools + 1) * 60);
  await untilQuiet(operator);

  // A join: the others get what changed, and the new gateway gets everything.
  const whole = Buffer.byteLength(JSON.stringify(documentInForce(large)));
  const policies = channels.length === 0 ? 0 : await policyBytes(large);
  let bytes = operated.pods.pushedBytes;
  let { cpuMs } = await operator.usage();
  let since = performance.now();
  await resize(large, sizeOf.large + 1);
  const joinMs = await inForceMs(large, since, hasServing(sizeOf.large + 1));
  expect.soft(await counted(joinMs, operator, cpuMs)).toBeLessThan(inForceMsMax);
  await operated.untilConverged(120_000, 500);
  const joined = documentInForce(large)?.gateways[0];
  const changed = JSON.stringify({ epoch: documentInForce(large)?.epoch, gateway: joined, signature: 'x'.repeat(88) }).length;
  const joinBytes = operated.pods.pushedBytes - bytes;
  const joinBytesMax = 2 * (sizeOf.large * changed + whole + policies);
  await report(`a join in force after ${seconds(joinMs)} with ${joinBytes} bytes, ${joinBytesMax} allowed`, operator);
  expect.soft(joinBytes).toBeLessThanOrEqual(joinBytesMax);
  await untilQuiet(operator);

  // An edit of one policy.
  let hash = documentInForce(large)?.policies.hash;
  bytes = operated.pods.pushedBytes;
  ({ cpuMs } = await operator.usage());
  since = performance.now();
  await operated.api.apply(resources.barrageChannel, channel(large, 7, 200));
  const editMs = await inForceMs(large, since, (document) => document.policies.hash !== hash);
  expect.soft(await counted(editMs, operator, cpuMs)).toBeLessThan(inForceMsMax);
  await report(`an edit in force after ${seconds(editMs)} with ${mebibytes(operated.pods.pushedBytes - bytes)}`, operator);
  await untilChannelsInForce();
  await untilQuiet(operator);

  // A restart with nothing changed.
  await operator.close();
  bytes = operated.pods.pushedBytes;
  operator = await start();
  await vi.waitUntil(async () => (await operator.usage()).isLeader, { timeout: 60_000, interval: 500 });
  await vi.waitUntil(() => operator.requests(({ at }) => at > performance.now() - 8_000).every(({ resource }) => resource === 'leases'), {
    timeout: 300_000,
    interval: 500,
  });
  await report(`a restart: ${countBy(operator.writes()) || 'no write'}; ${operated.pods.pushedBytes - bytes} bytes pushed`, operator);
  expect.soft(operator.requests(isStatusWrite)).toEqual([]);
  expect.soft(operated.pods.pushedBytes - bytes).toBe(0);

  // What changed while no operator ran is in force soon after one is back.
  await operator.close();
  hash = documentInForce(large)?.policies.hash;
  await operated.api.apply(resources.barrageChannel, channel(large, 7, 300));
  await resize('pool-0', gatewaysOf(0) + 1);
  since = performance.now();
  operator = await start();
  const backMs = Math.max(
    ...(await Promise.all([
      inForceMs(large, since, (document) => document.policies.hash !== hash),
      inForceMs('pool-0', since, hasServing(gatewaysOf(0) + 1)),
    ])),
  );
  expect.soft(await counted(backMs, operator, 0)).toBeLessThan(inForceMsMax);
  await report(`changes of before in force ${seconds(backMs)} after a start`, operator);

  await operated.untilConverged(120_000, 500);
  await untilQuiet(operator);
  const idleFrom = await operator.usage();
  const from = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const idleTo = await operator.usage();
  print(`converged: ${Math.round((100 * (idleTo.cpuMs - idleFrom.cpuMs)) / (performance.now() - from))} % of a CPU`);
  expect(operator.writes(from)).toEqual([]);
  expect(operated.pods.objections).toEqual([]);
  await operator.kill();
});

async function policyBytes(pool: string): Promise<number> {
  const configMaps = await operated.api.list<KubeObject & { readonly data?: Readonly<Record<string, string>> }>(resources.configMap, {
    namespace: operated.namespace,
  });
  const parts = configMaps.filter(({ metadata }) => metadata.name?.startsWith(`${pool}-policies-`));
  return parts.reduce((sum, { data = {} }) => sum + Buffer.byteLength(JSON.stringify(Object.values(data))), 0);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`;
}

import assert from 'node:assert/strict';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { limits } from '../../core/limits.ts';
import { createLogger } from '../../core/process/logging.ts';
import { readSettings } from '../../core/process/settings.ts';
import { defaultPolicy, Policies } from '../../core/policy.ts';
import type { Publication } from '../../core/publication.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { obeyHarness } from './load.ts';
import type { GatewayFigures } from './measure.ts';

// The real gateway on the memory bus. Arguments: MERGE_WINDOW_MS PUBLICATIONS_MAX of the policy; without them it is the default policy.
const channel = 'room:bench';
const [windowMilliseconds, publicationsMax] = process.argv.slice(2).map(Number);
const isMergeGiven = windowMilliseconds !== undefined && publicationsMax !== undefined;
const merge = isMergeGiven ? { ...defaultPolicy.merge, windowMilliseconds, publicationsMax } : defaultPolicy.merge;

const read = readSettings({
  BARRAGE_GATEWAY_PORT: '0',
  BARRAGE_LOG_LEVEL: 'warn',
  // The clients of the bench are silent.
  BARRAGE_IDLE_TIMEOUT_MS: '600000',
  BARRAGE_PING_INTERVAL_MS: '300000',
  // Rows with a merge of their own are about that merge: an overloaded machine must not stretch it.
  ...(isMergeGiven ? { BARRAGE_FAN_OUT_PERCENT: '95' } : {}),
});
assert(read.kind === 'settings');
const bus = createMemoryBus();
const registry = new Registry();
collectDefaultMetrics({ register: registry });
const gateway = await Gateway.start({
  settings: read.settings,
  bus,
  policies: new Policies([{ ...defaultPolicy, channel, merge }]),
  registry,
  logger: createLogger({ part: 'bench', level: read.settings.logLevel }),
});

function publicationOf(payload: Buffer): Publication {
  return {
    kind: 'text',
    payload,
    priority: 'normal',
    acceptedAt: Date.now(),
    ttlMs: 0,
    conflation: undefined,
    sender: undefined,
    traceparent: undefined,
  };
}

async function figures(): Promise<GatewayFigures> {
  const total = async (name: string): Promise<number> => {
    const metric = await registry.getSingleMetric(`barrage_gateway_${name}`)?.get();
    assert(metric !== undefined, `there is no metric barrage_gateway_${name}`);
    return metric.values.reduce((sum, { value }) => sum + value, 0);
  };
  return {
    received: await total('publications_received_total'),
    flushes: await total('flushes_total'),
    delivered: await total('publications_delivered_total'),
    dropped: await total('publications_dropped_total'),
    ...(await slices()),
  };
}

async function slices(): Promise<Pick<GatewayFigures, 'slices' | 'slicesTooLong' | 'longestSliceMs'>> {
  const metric = await registry.getSingleMetric('barrage_gateway_fan_out_slice_seconds')?.get();
  assert(metric !== undefined);
  const buckets = metric.values.flatMap(({ labels, value }) => (labels['le'] === undefined ? [] : [{ upTo: labels['le'], count: value }]));
  const all = Math.max(...buckets.map(({ count }) => count));
  const highest = buckets.find(({ count }) => count === all)?.upTo;
  const inTime = buckets.find(({ upTo }) => upTo === limits.fanOutSliceMsMax / 1000)?.count;
  assert(inTime !== undefined, 'the metric has no bucket that ends at the bound');
  return { slices: all, slicesTooLong: all - inTime, longestSliceMs: typeof highest === 'number' ? highest * 1000 : null };
}

obeyHarness(gateway.port, { publish: (payload) => void bus.log.append(channel, [publicationOf(payload)]), figures });

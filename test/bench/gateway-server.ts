import assert from 'node:assert/strict';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { limits } from '../../core/limits.ts';
import { policiesHash, signDocument } from '../../core/pool/pool-document.ts';
import { createLogger } from '../../core/process/logging.ts';
import { Pool } from '../../core/process/pool.ts';
import { readSettings } from '../../core/process/settings.ts';
import { openTls } from '../../core/tls/tls.ts';
import { defaultPolicy, Policies, type ChannelPolicy } from '../../core/policy/policy.ts';
import type { Publication } from '../../core/publication.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { gatewayNamed, poolDocument, poolKeys } from '../support/pool-document.ts';
import { obeyHarness } from './load.ts';
import type { GatewayFigures } from './measure.ts';

// The real gateway on the memory bus. Arguments: MERGE_WINDOW_MS PUBLICATIONS_MAX of the policy, where the default
// policy has them otherwise; or `slow` POLICY QUEUE_BYTES_MAX of its slow consumers; or `pooled`: it is one of two in a
// pool document, so that there is a gateway to send clients to.
type SlowConsumer = ChannelPolicy['slowConsumer'];

const channel = 'room:bench';
const isPooled = process.argv.includes('pooled');
const [slow, slowPolicy, queueBytesMax] = process.argv.slice(2);
const slowConsumer =
  slow === 'slow' ? { policy: slowPolicy as SlowConsumer['policy'], queueBytesMax: Number(queueBytesMax) } : defaultPolicy.slowConsumer;
const [windowMilliseconds, publicationsMax] = isPooled || slow === 'slow' ? [] : process.argv.slice(2).map(Number);
const uid = 'uid-bench';
const isMergeGiven = windowMilliseconds !== undefined && publicationsMax !== undefined;
const merge = isMergeGiven ? { ...defaultPolicy.merge, windowMilliseconds, publicationsMax } : defaultPolicy.merge;

const read = readSettings({
  BARRAGE_GATEWAY_PORT: '0',
  BARRAGE_POD_UID: uid,
  BARRAGE_LOG_LEVEL: 'warn',
  // The clients of the bench are silent.
  BARRAGE_IDLE_TIMEOUT_MS: '600000',
  BARRAGE_PING_INTERVAL_MS: '300000',
  // They all connect at once.
  BARRAGE_GATEWAY_ACCEPTS_PER_SECOND: '100000',
  // Rows with a merge of their own are about that merge: an overloaded machine must not stretch it.
  BARRAGE_TLS_CERT_FILE: process.env['BARRAGE_TLS_CERT_FILE'],
  BARRAGE_TLS_KEY_FILE: process.env['BARRAGE_TLS_KEY_FILE'],
  ...(isMergeGiven ? { BARRAGE_FAN_OUT_PERCENT: '95' } : {}),
});
assert(read.kind === 'settings');
const bus = createMemoryBus();
const registry = new Registry();
collectDefaultMetrics({ register: registry });
const logger = createLogger({ part: 'bench', level: read.settings.logLevel });
const policies = new Policies([{ ...defaultPolicy, channel, merge, slowConsumer }]);
const tls = await openTls(read.settings, { registry, logger });
const gateway = await Gateway.start({ settings: read.settings, bus, policies, registry, logger, tls, ...(await pooled()) });

async function pooled(): Promise<{ readonly pool?: Pool }> {
  if (!isPooled) return {};
  const keys = poolKeys();
  const part = JSON.stringify({ channels: [defaultPolicy] });
  const gateways = [gatewayNamed('bench', { uid }), gatewayNamed('elsewhere')];
  const document = poolDocument({ gateways, policies: { hash: policiesHash([part]), parts: 1 } });
  const pool = new Pool({ publicKeyPem: keys.publicKeyPem, logger });
  const { kind } = await pool.offer(JSON.stringify({ envelope: signDocument(document, keys.privateKeyPem), policies: [part] }));
  assert.equal(kind, 'accepted');
  return { pool };
}

function drain(connectionsPerSecond: number): void {
  const command = { command: 'drain', gateway: uid, connectionsPerSecond, deadlineSeconds: 3600, issuedAt: Date.now() } as const;
  assert.equal(gateway.adminApi.drain?.(command).kind, 'followed');
}

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
    queuedBytes: await total('queued_bytes'),
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

obeyHarness(gateway.port, { publish: (payload) => void bus.log.append(channel, [publicationOf(payload)]), figures, drain });

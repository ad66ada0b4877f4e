import assert from 'node:assert/strict';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { createLogger } from '../../core/process/logging.ts';
import { Pool } from '../../core/process/pool.ts';
import { readSettings } from '../../core/process/settings.ts';
import { createPoolBus } from '../../core/redis/pool-bus.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { obeyHarness } from './load.ts';
import { resumePolicies, type ResumeFigures } from './resumes.ts';

// The real gateway on the Redis whose URL it is given. Every channel has a history, and nothing is merged.
const [url = ''] = process.argv.slice(2);
const read = readSettings({
  BARRAGE_GATEWAY_PORT: '0',
  BARRAGE_REDIS_URL: url,
  BARRAGE_LOG_LEVEL: 'warn',
  // The clients of the bench are silent, and all come at once.
  BARRAGE_IDLE_TIMEOUT_MS: '600000',
  BARRAGE_PING_INTERVAL_MS: '300000',
  BARRAGE_GATEWAY_ACCEPTS_PER_SECOND: '100000',
  // An overloaded machine must not merge what the row says is not merged.
  BARRAGE_FAN_OUT_PERCENT: '95',
});
assert(read.kind === 'settings');
const { settings } = read;
const registry = new Registry();
collectDefaultMetrics({ register: registry });
const logger = createLogger({ part: 'bench', level: settings.logLevel });
const pool = new Pool({ publicKeyPem: settings.poolPublicKey, logger });
const { bus } = createPoolBus({ settings, pool, logger });
const gateway = await Gateway.start({ settings, bus, policies: resumePolicies(), registry, logger });

/** Most CPU between two turns of a timer that is always due, in milliseconds: no other program is in it. */
let heldMs = 0;
let cpuBefore = cpuMs();
setInterval(() => {
  const cpu = cpuMs();
  heldMs = Math.max(heldMs, cpu - cpuBefore);
  cpuBefore = cpu;
}, 1);

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

async function figures(): Promise<ResumeFigures> {
  const total = async (name: string): Promise<number> => {
    const metric = await registry.getSingleMetric(`barrage_gateway_${name}`)?.get();
    assert(metric !== undefined, `there is no metric barrage_gateway_${name}`);
    return metric.values.reduce((sum, { value }) => sum + value, 0);
  };
  const answer = { reads: await total('resume_reads_total'), resumed: await total('resumed_publications_total'), heldMs };
  heldMs = 0;
  return answer;
}

obeyHarness(gateway.port, { publish: () => {}, figures });

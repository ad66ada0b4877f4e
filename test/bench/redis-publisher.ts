import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { Policies, policyFileSchema } from '../../core/policy/policy.ts';
import { createLogger } from '../../core/process/logging.ts';
import { Pool } from '../../core/process/pool.ts';
import { readSettings } from '../../core/process/settings.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { createPoolBus } from '../../core/redis/pool-bus.ts';
import { Publisher } from '../../publisher/publisher.ts';

// The real publisher on the Redis whose URL it is given; with `on`, every channel has a history.
const [url = '', history] = process.argv.slice(2);
const read = readSettings({ BARRAGE_PUBLISHER_PORT: '0', BARRAGE_LOG_LEVEL: 'warn', BARRAGE_REDIS_URL: url });
assert(read.kind === 'settings');
const { settings } = read;
const registry = new Registry();
collectDefaultMetrics({ register: registry });
const logger = createLogger({ part: 'bench', level: settings.logLevel });
const written = { channels: [{ channel: 'room:*', ...(history === 'on' ? { history: { size: 100, ttlSeconds: 300 } } : {}) }] };
const policies = new Policies(policyFileSchema.parse(written).channels);
const pool = new Pool({ publicKeyPem: settings.poolPublicKey, logger });
const poolBus = createPoolBus({ settings, pool, logger, countMembers: true });
const publisher = await Publisher.start({ settings, ...poolBus, policies: () => policies, pool, registry, logger, clock: systemClock });
createInterface({ input: process.stdin }).on('close', () => process.exit(0));
process.stdout.write(`listening ${publisher.port}\n`);

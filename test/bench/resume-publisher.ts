import assert from 'node:assert/strict';
import { createLogger } from '../../core/process/logging.ts';
import { Pool } from '../../core/process/pool.ts';
import { readSettings } from '../../core/process/settings.ts';
import type { Position } from '../../core/publication.ts';
import { createPoolBus } from '../../core/redis/pool-bus.ts';
import { publication } from '../support/publications.ts';
import { obeyHarness, payloadOf } from './load.ts';
import { resumeHistory, liveChannel, type ResumePositions } from './resumes.ts';

// Publishes to the channel of the members that stayed, in a process of its own: a gateway that is busy must not
// make its load wait. Arguments: the URL of Redis, and how many publications each of CHANNEL… has at the start.
const [url = '', count = '', ...channels] = process.argv.slice(2);
const read = readSettings({ BARRAGE_REDIS_URL: url, BARRAGE_LOG_LEVEL: 'warn' });
assert(read.kind === 'settings');
const { settings } = read;
const logger = createLogger({ part: 'bench', level: settings.logLevel });
const { bus } = createPoolBus({ settings, pool: new Pool({ publicKeyPem: settings.poolPublicKey, logger }), logger });
const newest = new Map<string, Position>();

async function append(channel: string, payloads: readonly Buffer[]): Promise<void> {
  const publications = payloads.map((payload) => publication('', { payload, acceptedAt: Date.now() }));
  const { epoch, lastOffset } = await bus.log.append(channel, publications, resumeHistory);
  newest.set(channel, { epoch, offset: lastOffset });
}

const payloads = Array.from({ length: Number(count) }, (_, index) => payloadOf(index + 1));
// The members count what is published later, by its sequence numbers: these have none.
await append(
  liveChannel,
  payloads.map((payload) => Buffer.from(payload.toString().replace('#seq=', '#old='))),
);
for (const channel of channels) await append(channel, payloads);

const figures = async (): Promise<ResumePositions> => Object.fromEntries(newest);
obeyHarness(0, { publish: (payload) => void append(liveChannel, [payload]), figures });

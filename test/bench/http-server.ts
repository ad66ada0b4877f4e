import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { createMemoryBus } from '../../core/bus/memory.ts';
import { Policies } from '../../core/policy/policy.ts';
import { listen } from '../../core/process/lifecycle.ts';
import { createLogger } from '../../core/process/logging.ts';
import { readSettings } from '../../core/process/settings.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { Publisher } from '../../publisher/publisher.ts';

// What answers POST requests with JSON: `echo`, as the documentation of node:http would have it, or the real publisher
// on the memory bus.
async function start(kind: string | undefined): Promise<number> {
  return kind === 'echo' ? await startEcho() : await startPublisher();
}

async function startEcho(): Promise<number> {
  // Its connections are idle while the other server has its turn.
  const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = JSON.stringify(JSON.parse(Buffer.concat(chunks).toString()));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
    });
  });
  return await listen(server, { host: '127.0.0.1', port: 0 });
}

async function startPublisher(): Promise<number> {
  const read = readSettings({ BARRAGE_PUBLISHER_PORT: '0', BARRAGE_LOG_LEVEL: 'warn' });
  assert(read.kind === 'settings');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const policies = new Policies([]);
  const publisher = await Publisher.start({
    settings: read.settings,
    bus: createMemoryBus(),
    policies: () => policies,
    registry,
    logger: createLogger({ part: 'bench', level: read.settings.logLevel }),
    clock: systemClock,
  });
  return publisher.port;
}

const port = await start(process.argv[2]);
createInterface({ input: process.stdin }).on('close', () => process.exit(0));
process.stdout.write(`listening ${port}\n`);

import { createServer } from 'node:http';
import { Registry, collectDefaultMetrics } from 'prom-client';
import { Policies } from '../core/policy.ts';
import { answerAdmin } from '../core/process/admin.ts';
import { startAdminServer } from '../core/process/admin-server.ts';
import { listen, runProcess, type Running } from '../core/process/lifecycle.ts';
import type { Logger } from '../core/process/logging.ts';
import { exportPolicyFileValidity, watchPolicyFile } from '../core/process/policy-file.ts';
import type { Settings } from '../core/process/settings.ts';
import { createRedisBus } from '../core/redis/bus.ts';
import { exportBusMetrics } from '../core/redis/bus-metrics.ts';
import { listenFault } from './access.ts';
import { serverBounds } from './bounds.ts';
import { exportBusState } from './metrics.ts';
import { createPublisher } from './publisher.ts';

/** How long requests and WebSocket API connections that are there may take to end by themselves, in milliseconds. */
const leavingMs = 3_000;

await runProcess('publisher', start);

async function start(settings: Settings, logger: Logger): Promise<Running> {
  const fault = startFault(settings);
  if (fault !== undefined) throw new Error(fault);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const policyFile = settings.policyFile === '' ? undefined : await watchPolicyFile(settings.policyFile, logger);
  if (policyFile !== undefined) exportPolicyFileValidity(registry, policyFile);
  const noPolicies = new Policies([]);
  const bus = createRedisBus({ url: settings.redisUrl, prefix: settings.redisPrefix, logger, countMembers: true });
  exportBusMetrics(registry, bus);
  exportBusState(registry, bus);
  const publisher = createPublisher({
    bus,
    policies: () => policyFile?.policies() ?? noPolicies,
    apiKeys: settings.apiKeys,
    registry,
    logger,
    now: Date.now,
  });

  let leaving = false;
  const waitingFor = (): readonly string[] => {
    const state = bus.state();
    return [...(leaving ? ['nothing, the process is leaving'] : []), ...(state.up ? [] : [`the bus: ${state.reason}`])];
  };
  const admin = { registry, waitingFor };
  const server = createServer(serverBounds, (request, response) => {
    if (settings.adminPort === undefined && answerAdmin(admin, request, response)) return;
    publisher.http(request, response);
  });
  server.on('upgrade', (request, socket, head) => publisher.upgrade(request, socket, head));
  const host = settings.publisherHost;
  const port = await listen(server, { host, port: settings.publisherPort });
  const ownAdmin = settings.adminPort === undefined ? undefined : await startAdminServer(admin, { host, port: settings.adminPort });
  logger.info({ host, port, adminPort: ownAdmin?.port ?? port }, 'the publisher listens');

  return {
    close: async () => {
      leaving = true;
      policyFile?.close();
      const closed = new Promise((resolve) => server.close(resolve));
      publisher.close();
      const cutOff = setTimeout(() => {
        publisher.terminate();
        server.closeAllConnections();
      }, leavingMs);
      await closed;
      clearTimeout(cutOff);
      await ownAdmin?.close();
      await bus.close();
    },
  };
}

function startFault(settings: Settings): string | undefined {
  if (settings.redisUrl === '')
    return (
      'BARRAGE_REDIS_URL is not set. A publisher of its own reaches gateways through Redis: set it to redis://HOST:PORT, ' +
      'the same for publishers and gateways. To try everything in one process without Redis, run npm start.'
    );
  return listenFault({ host: settings.publisherHost, apiKeys: settings.apiKeys });
}

import { createServer } from 'node:http';
import { setImmediate as afterInput, setTimeout as sleep } from 'node:timers/promises';
import { Registry, collectDefaultMetrics } from 'prom-client';
import type { AdminStatus } from '../core/pool/admin-status.ts';
import { answerAdmin } from '../core/process/admin.ts';
import { startAdminServer } from '../core/process/admin-server.ts';
import { listen, runProcess, type Running } from '../core/process/lifecycle.ts';
import { LoadMeter } from '../core/process/load-meter.ts';
import type { Logger } from '../core/process/logging.ts';
import { exportPolicyFileValidity, watchPolicyFile } from '../core/process/policy-file.ts';
import { Pool, exportPoolDocument, poolSettingsFaults } from '../core/process/pool.ts';
import { watchPoolFolder } from '../core/process/pool-folder.ts';
import type { Settings } from '../core/process/settings.ts';
import { redisAccess } from '../core/redis/access.ts';
import { createRedisBus } from '../core/redis/bus.ts';
import { exportBusMetrics } from '../core/redis/bus-metrics.ts';
import { systemClock } from '../core/process/system-clock.ts';
import { listenFault } from './access.ts';
import { serverBounds } from './bounds.ts';
import { exportBusState } from './metrics.ts';
import { createPublisher } from './publisher.ts';

/** How long requests and WebSocket API connections that are there may take to end by themselves, in milliseconds. */
const leavingMs = 3_000;

/** How long backends that publish over HTTP are sent elsewhere before connections that are idle are closed, in milliseconds. */
const farewellMs = 500;

await runProcess('publisher', { faultsOf, start });

async function start(settings: Settings, logger: Logger): Promise<Running> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const policyFile = settings.policyFile === '' ? undefined : await watchPolicyFile(settings.policyFile, logger);
  if (policyFile !== undefined) exportPolicyFileValidity(registry, policyFile);
  const pool = new Pool({ publicKeyPem: settings.poolPublicKey, logger });
  exportPoolDocument(registry, pool);
  const poolFolder = settings.poolFolder === '' ? undefined : await watchPoolFolder(settings.poolFolder, pool, { logger });
  const bus = createRedisBus({ ...redisAccess(settings), prefix: settings.redisPrefix, logger, countMembers: true });
  exportBusMetrics(registry, bus);
  exportBusState(registry, bus);
  const publisher = createPublisher({
    bus,
    policies: () => policyFile?.policies() ?? pool.policies,
    apiKeys: settings.apiKeys,
    registry,
    logger,
    clock: systemClock,
  });

  let leaving = false;
  const waitingFor = (): readonly string[] => {
    const state = bus.state();
    const isWithoutDocument = pool.publicKeyPem !== '' && pool.document === undefined;
    return [
      ...(leaving ? ['nothing, the process is leaving'] : []),
      ...(isWithoutDocument ? ['a pool document'] : []),
      ...(state.up ? [] : [`the bus: ${state.reason}`]),
    ];
  };
  const admin = { registry, waitingFor };
  const server = createServer(serverBounds, (request, response) => {
    if (settings.adminPort === undefined && answerAdmin(admin, request, response)) return;
    publisher.http(request, response);
  });
  server.on('upgrade', (request, socket, head) => publisher.upgrade(request, socket, head));
  const host = settings.publisherHost;
  const port = await listen(server, { host, port: settings.publisherPort });
  const load = new LoadMeter(() => 0);
  const status = (): AdminStatus => statusOf(settings, pool, { waitingFor: waitingFor(), connections: publisher.connections, load });
  const ownAdmin =
    settings.adminPort === undefined ? undefined : await startAdminServer(admin, { host, port: settings.adminPort }, { status, pool });
  logger.info({ host, port, adminPort: ownAdmin?.port ?? port }, 'the publisher listens');

  return {
    close: async () => {
      leaving = true;
      policyFile?.close();
      poolFolder?.close();
      load.close();
      publisher.leave();
      await sleep(farewellMs);
      // What arrived while this process was held up is read first: a connection with a request in it must not be taken for an idle one.
      await afterInput();
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

interface Observed {
  readonly waitingFor: readonly string[];
  readonly connections: number;
  readonly load: LoadMeter;
}

/** A publisher has no rooms and nothing to drain. */
function statusOf(settings: Settings, pool: Pool, { waitingFor, connections, load }: Observed): AdminStatus {
  const { gatewayName: name, podUid } = settings;
  return {
    role: 'publisher',
    name,
    uid: podUid === '' ? name : podUid,
    poolEpoch: pool.epoch,
    policiesHash: pool.policiesHash,
    ready: waitingFor.length === 0,
    waitingFor: [...waitingFor],
    connections,
    subscriptions: 0,
    rooms: 0,
    ...load.read(),
    drain: { state: 'serving', movedConnections: 0 },
    topChannels: [],
  };
}

function faultsOf(settings: Settings): readonly string[] {
  const withoutRedis =
    'BARRAGE_REDIS_URL is not set. A publisher of its own reaches gateways through Redis: set it to redis://HOST:PORT, ' +
    'the same for publishers and gateways. To try everything in one process without Redis, run npm start.';
  const listening = listenFault({ host: settings.publisherHost, apiKeys: settings.apiKeys });
  return [
    ...(settings.redisUrl === '' ? [withoutRedis] : []),
    ...poolSettingsFaults(settings),
    ...(listening === undefined ? [] : [listening]),
  ];
}

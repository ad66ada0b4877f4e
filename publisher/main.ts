import { Registry } from 'prom-client';
import { startAdminServer } from '../core/process/admin-server.ts';
import { runProcess, type Running } from '../core/process/lifecycle.ts';
import type { Logger } from '../core/process/logging.ts';
import { exportPolicyFileValidity, watchPolicyFile } from '../core/process/policy-file.ts';
import { Pool, exportPoolDocument, poolSettingsFaults } from '../core/process/pool.ts';
import { watchPoolFolder } from '../core/process/pool-folder.ts';
import { exportBusUp } from '../core/process/read-metrics.ts';
import type { Settings } from '../core/process/settings.ts';
import { collectProcessMetrics } from '../core/process/process-metrics.ts';
import { systemClock } from '../core/process/system-clock.ts';
import { startTracing } from '../core/process/tracing.ts';
import { openTls } from '../core/tls/tls.ts';
import { exportBusMetrics } from '../core/redis/bus-metrics.ts';
import { createPoolBus } from '../core/redis/pool-bus.ts';
import { BusOperations } from '../ops/bus-operations.ts';
import { LatePage } from '../ops/late-page.ts';
import { OperationsPage } from '../ops/operations-page.ts';
import { ProcessOperations } from '../ops/process-operations.ts';
import { RegistryReader } from '../ops/registry-reader.ts';
import { listenFault } from './access.ts';
import { publisherJournal } from './log-lines.ts';
import { Publisher } from './publisher.ts';

const about = 'A Barrage publisher: takes publications over HTTP and WebSocket, and gives them to the bus.';

await runProcess('publisher', { about, faultsOf, start });

function faultsOf(settings: Settings): readonly string[] {
  const withoutRedis =
    'BARRAGE_REDIS_URL is not set. A publisher of its own reaches gateways through Redis: set it to redis://HOST:PORT, ' +
    'the same for publishers and gateways. To try everything in one process without Redis, run npm start, or ' +
    'the command standalone of the image.';
  const listening = listenFault({ host: settings.publisherHost, apiKeys: settings.apiKeys });
  return [
    ...(settings.redisUrl === '' ? [withoutRedis] : []),
    ...poolSettingsFaults(settings),
    ...(listening === undefined ? [] : [listening]),
  ];
}

async function start(settings: Settings, logger: Logger): Promise<Running> {
  const registry = new Registry();
  collectProcessMetrics(registry);
  const policyFile = settings.policyFile === '' ? undefined : await watchPolicyFile(settings.policyFile, logger);
  if (policyFile !== undefined) exportPolicyFileValidity(registry, policyFile);
  const pool = new Pool({ publicKeyPem: settings.poolPublicKey, logger });
  exportPoolDocument(registry, pool);
  const poolFolder = settings.poolFolder === '' ? undefined : await watchPoolFolder(settings.poolFolder, pool, { logger });
  const poolBus = createPoolBus({ settings, pool, logger, countMembers: true });
  exportBusMetrics(registry, poolBus);
  const { bus } = poolBus;
  exportBusUp(registry, () => bus.state().up);
  const policies = () => policyFile?.policies() ?? pool.policies;
  const traces = { part: 'publisher', instance: settings.gatewayName, sampler: 'parentbased_traceidratio' } as const;
  const { tracer, close: endTracing } = await startTracing({ settings, ...traces, registry, logger });
  const tls = await openTls(settings, { registry, logger });
  const pages = new LatePage();
  const parts = { settings, ...poolBus, policies, pool, registry, logger };
  const publisher = await Publisher.start({ ...parts, clock: systemClock, tracer, pages, tls });
  const { publisherHost: host, adminPort: port, httpKeepAliveMs: keepAliveMs } = settings;
  const reader = new RegistryReader(registry);
  const source = new ProcessOperations({
    role: 'publisher',
    name: settings.gatewayName,
    waitingFor: publisher.admin.waitingFor,
    parts: [publisher.operations(), new BusOperations({ reader, state: () => bus.state(), inUse: poolBus.inUse })],
    clock: systemClock,
  });
  pages.page = new OperationsPage({ source, place: { host, isAdminPort: port !== undefined }, registry, clock: systemClock });
  const api = publisher.adminApi;
  const admin = port === undefined ? undefined : await startAdminServer(publisher.admin, { host, port, keepAliveMs }, { api, pages });
  const listening = { host, port: publisher.port, adminPort: admin?.port ?? publisher.port };
  publisherJournal(logger, systemClock).write('publisher-listens', listening);
  return {
    close: async () => {
      policyFile?.close();
      poolFolder?.close();
      pages.close();
      await publisher.close();
      await admin?.close();
      await bus.close();
      tls?.certificate.close();
      await endTracing();
    },
  };
}

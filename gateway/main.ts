import type { RequestListener } from 'node:http';
import { Registry } from 'prom-client';
import { startAdminServer } from '../core/process/admin-server.ts';
import { runProcess, type Running } from '../core/process/lifecycle.ts';
import type { Logger } from '../core/process/logging.ts';
import { exportPolicyFileValidity, watchPolicyFile } from '../core/process/policy-file.ts';
import { Pool, exportPoolDocument, poolSettingsFaults } from '../core/process/pool.ts';
import { watchPoolFolder } from '../core/process/pool-folder.ts';
import type { Settings } from '../core/process/settings.ts';
import { collectProcessMetrics } from '../core/process/process-metrics.ts';
import { Policies } from '../core/policy/policy.ts';
import { exportBusMetrics } from '../core/redis/bus-metrics.ts';
import { createPoolBus } from '../core/redis/pool-bus.ts';
import { startTracing } from '../core/process/tracing.ts';
import { systemClock } from '../core/process/system-clock.ts';
import { openTls } from '../core/tls/tls.ts';
import { BusOperations } from '../ops/bus-operations.ts';
import { LatePage } from '../ops/late-page.ts';
import { OperationsPage } from '../ops/operations-page.ts';
import { ProcessOperations } from '../ops/process-operations.ts';
import { RegistryReader } from '../ops/registry-reader.ts';
import { askForWebSocket } from './connections/plain-requests.ts';
import { gatewayJournal } from './accounts/log-lines.ts';
import { Gateway } from './gateway.ts';

const about = 'A Barrage gateway: holds the connections of clients, and sends them what is published to their channels.';

await runProcess('gateway', { about, faultsOf, start });

function faultsOf(settings: Settings): readonly string[] {
  const withoutRedis =
    'BARRAGE_REDIS_URL is not set. A gateway of its own gets its publications through Redis: set it to redis://HOST:PORT, the same for ' +
    'publishers and gateways. To try everything in one process without Redis, run npm start, or ' +
    'the command standalone of the image.';
  return [...(settings.redisUrl === '' ? [withoutRedis] : []), ...poolSettingsFaults(settings)];
}

async function start(settings: Settings, logger: Logger): Promise<Running> {
  const registry = new Registry();
  collectProcessMetrics(registry);
  const policyFile = settings.policyFile === '' ? undefined : await watchPolicyFile(settings.policyFile, logger);
  if (policyFile !== undefined) exportPolicyFileValidity(registry, policyFile);
  const pool = new Pool({ publicKeyPem: settings.poolPublicKey, logger });
  exportPoolDocument(registry, pool);
  const poolFolder = settings.poolFolder === '' ? undefined : await watchPoolFolder(settings.poolFolder, pool, { logger });
  const poolBus = createPoolBus({ settings, pool, logger });
  exportBusMetrics(registry, poolBus);
  const { bus } = poolBus;
  const policies = policyFile?.policies() ?? new Policies([]);
  const traces = { part: 'gateway', instance: settings.gatewayName, sampler: 'parentbased_traceidratio' } as const;
  const { tracer, close: endTracing } = await startTracing({ settings, ...traces, registry, logger });
  const tls = await openTls(settings, { registry, logger });
  const pages = new LatePage();
  const site: RequestListener = (request, response) => {
    if (!pages.answer(request, response)) askForWebSocket(response);
  };
  const gateway = await Gateway.start({ settings, ...poolBus, policies, pool, registry, logger, tracer, site, tls });
  const { gatewayHost: host, adminPort } = settings;
  const reader = new RegistryReader(registry);
  const source = new ProcessOperations({
    role: 'gateway',
    name: settings.gatewayName,
    waitingFor: gateway.admin.waitingFor,
    parts: [gateway.operations(), new BusOperations({ reader, state: () => bus.state(), inUse: poolBus.inUse })],
    clock: systemClock,
  });
  pages.page = new OperationsPage({ source, place: { host, isAdminPort: adminPort !== undefined }, registry, clock: systemClock });
  policyFile?.onChange(() => gateway.setPolicies(policyFile.policies()));
  const admin =
    settings.adminPort === undefined
      ? undefined
      : await startAdminServer(
          gateway.admin,
          { host, port: settings.adminPort, keepAliveMs: settings.httpKeepAliveMs },
          { api: gateway.adminApi, pages },
        );
  gatewayJournal(logger, systemClock).write('gateway-listens', { host, port: gateway.port, adminPort: admin?.port ?? gateway.port });
  return {
    // Clients that are still connected go where the newest document says, under the newest policies.
    close: async () => {
      await gateway.close();
      pages.close();
      policyFile?.close();
      poolFolder?.close();
      await bus.close();
      await admin?.close();
      tls?.certificate.close();
      await endTracing();
    },
    hasten: () => gateway.hasten(),
  };
}

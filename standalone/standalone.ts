import { Registry } from 'prom-client';
import type { Bus } from '../core/bus/bus.ts';
import { createMemoryBus } from '../core/bus/memory.ts';
import { startAdminServer } from '../core/process/admin-server.ts';
import type { Running } from '../core/process/lifecycle.ts';
import type { Logger } from '../core/process/logging.ts';
import { exportPolicyFileValidity, watchPolicyFile } from '../core/process/policy-file.ts';
import { Pool, exportPoolDocument, poolSettingsFaults } from '../core/process/pool.ts';
import { watchPoolFolder } from '../core/process/pool-folder.ts';
import { isLoopbackHost } from '../core/process/loopback.ts';
import type { Settings } from '../core/process/settings.ts';
import { collectProcessMetrics } from '../core/process/process-metrics.ts';
import { Policies, defaultPolicy } from '../core/policy/policy.ts';
import { redisAccess } from '../core/redis/access.ts';
import { createRedisBus } from '../core/redis/bus.ts';
import { exportBusMetrics } from '../core/redis/bus-metrics.ts';
import { systemClock } from '../core/process/system-clock.ts';
import { startTracing } from '../core/process/tracing.ts';
import { openTls } from '../core/tls/tls.ts';
import { askForWebSocket } from '../gateway/connections/plain-requests.ts';
import { Gateway } from '../gateway/gateway.ts';
import { BusOperations } from '../ops/bus-operations.ts';
import { LatePage } from '../ops/late-page.ts';
import { OperationsPage } from '../ops/operations-page.ts';
import { ProcessOperations } from '../ops/process-operations.ts';
import { RegistryReader } from '../ops/registry-reader.ts';
import { listenFault } from '../publisher/access.ts';
import { Publisher } from '../publisher/publisher.ts';
import { loadDemo } from './demo.ts';

export interface Standalone extends Running {
  readonly gatewayPort: number;
  readonly publisherPort: number;
  /** Port of `/metrics`. */
  readonly adminPort: number;
  readonly gateway: Gateway;
  /** Whether the gateway's port also serves the demo's pages. */
  readonly hasDemo: boolean;
}

/** Policies without a policy file: the demo's pages may publish while only this machine can reach the gateway. */
export function standalonePolicies(gatewayHost: string): Policies {
  const publish = isLoopbackHost(gatewayHost) ? 'Public' : 'Backend';
  return new Policies([{ ...defaultPolicy, access: { ...defaultPolicy.access, publish } }]);
}

/** The settings that the all-in-one process can't run with, in words. */
export function standaloneFaults(settings: Settings): readonly string[] {
  const listening = listenFault({ host: settings.publisherHost, apiKeys: settings.apiKeys });
  return [...poolSettingsFaults(settings), ...(listening === undefined ? [] : [listening])];
}

/**
 * Gateway, publisher, bus and demo pages in one process: the whole platform on a laptop. With `BARRAGE_REDIS_URL` it
 * shares a Redis with other processes; without, its bus is in memory. In a pool (`BARRAGE_POOL_PUBLIC_KEY`) the
 * policies come with the pool document, and there are no pages.
 * @throws when a port is taken, the policy file is wrong, or the publish API would be open to others without a key
 */
export async function startStandalone(settings: Settings, logger: Logger): Promise<Standalone> {
  const [fault] = standaloneFaults(settings);
  if (fault !== undefined) throw new Error(fault);
  const registry = new Registry();
  collectProcessMetrics(registry);
  const policyFile = settings.policyFile === '' ? undefined : await watchPolicyFile(settings.policyFile, logger);
  if (policyFile !== undefined) exportPolicyFileValidity(registry, policyFile);
  const isInPool = settings.poolPublicKey !== '';
  const pool = new Pool({ publicKeyPem: settings.poolPublicKey, logger });
  exportPoolDocument(registry, pool);
  const poolFolder = settings.poolFolder === '' ? undefined : await watchPoolFolder(settings.poolFolder, pool, { logger });
  const builtIn = standalonePolicies(settings.gatewayHost);
  const policies = (): Policies => policyFile?.policies() ?? (isInPool ? pool.policies : builtIn);
  const traces = { part: 'standalone', instance: settings.gatewayName, sampler: 'parentbased_always_on' } as const;
  const { tracer, close: endTracing } = await startTracing({ settings, ...traces, registry, logger });
  const bus = createBus(settings, registry, logger);
  const closers: (() => Promise<void>)[] = [endTracing, () => bus.close()];
  let leaving: Gateway | undefined;
  // The gateway drains slowly for its connected clients; everything else stays up for them until then.
  const close = async (): Promise<void> => {
    await leaving?.close();
    policyFile?.close();
    poolFolder?.close();
    for (const closer of closers.toReversed()) await closer();
  };
  try {
    const tls = await openTls(settings, { registry, logger });
    closers.push(async () => tls?.certificate.close());
    let publisherPort = settings.publisherPort;
    const publisherHas = { publisherHasTls: tls !== undefined, publisherHasKeys: settings.apiKeys.length > 0 };
    const site = isInPool ? undefined : await loadDemo(() => ({ publisherPort, ...publisherHas }), logger);
    const pages = new LatePage();
    closers.push(async () => pages.close());
    const gateway = await Gateway.start({
      settings,
      bus,
      policies: policies(),
      pool,
      registry,
      logger,
      tracer,
      tls,
      site: (request, response) => {
        if (settings.adminPort === undefined && pages.answer(request, response)) return;
        if (site === undefined) askForWebSocket(response);
        else site(request, response);
      },
    });
    leaving = gateway;
    policyFile?.onChange(() => gateway.setPolicies(policyFile.policies()));
    const publishing = { settings, bus, policies, pool, registry, logger, clock: systemClock, tracer, tls };
    // The gateway's drain has already sent backends elsewhere.
    const publisher = await Publisher.start({ ...publishing, admin: gateway.admin, farewellMs: 0 });
    publisherPort = publisher.port;
    closers.push(() => publisher.close());
    pages.page = new OperationsPage({
      source: new ProcessOperations({
        role: 'gateway and publisher',
        name: settings.gatewayName,
        waitingFor: gateway.admin.waitingFor,
        parts: [
          gateway.operations(),
          publisher.operations(),
          new BusOperations({ reader: new RegistryReader(registry), state: () => bus.state() }),
        ],
        clock: systemClock,
      }),
      place: { host: settings.gatewayHost, isAdminPort: settings.adminPort !== undefined },
      registry,
      clock: systemClock,
    });
    let adminPort = gateway.port;
    if (settings.adminPort !== undefined) {
      const address = { host: settings.gatewayHost, port: settings.adminPort, keepAliveMs: settings.httpKeepAliveMs };
      const admin = await startAdminServer(gateway.admin, address, { api: gateway.adminApi, pages });
      closers.push(() => admin.close());
      adminPort = admin.port;
    }
    const hasten = (): void => gateway.hasten();
    return { gatewayPort: gateway.port, publisherPort: publisher.port, adminPort, gateway, hasDemo: site !== undefined, close, hasten };
  } catch (error) {
    await close();
    throw error;
  }
}

function createBus(settings: Settings, registry: Registry, logger: Logger): Bus {
  if (settings.redisUrl === '') return createMemoryBus();
  const bus = createRedisBus({ ...redisAccess(settings), prefix: settings.redisPrefix, logger, countMembers: true });
  exportBusMetrics(registry, bus);
  return bus;
}

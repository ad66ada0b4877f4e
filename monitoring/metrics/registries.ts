import { Registry } from 'prom-client';
import { leftOutLines } from '../../core/process/client-lines.ts';
import { createLogger } from '../../core/process/logging.ts';
import { exportPolicyFileValidity } from '../../core/process/policy-file.ts';
import { Pool, exportPoolDocument } from '../../core/process/pool.ts';
import { collectProcessMetrics } from '../../core/process/process-metrics.ts';
import { exportBusUp } from '../../core/process/read-metrics.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { exportTraceCounts } from '../../core/process/tracing.ts';
import { exportCertificate, HandshakeMetrics } from '../../core/tls/tls-metrics.ts';
import { exportBusMetrics } from '../../core/redis/bus-metrics.ts';
import { GatewayMetrics } from '../../gateway/accounts/metrics.ts';
import { Aging } from '../../gateway/moving/aging.ts';
import { Drainer } from '../../gateway/moving/drainer.ts';
import { ClientMetrics } from '../../operator/kube/client-metrics.ts';
import { operatorJournal } from '../../operator/kube/log-lines.ts';
import { ControllerTelemetry } from '../../operator/reconcile/controller-telemetry.ts';
import { exportPoolMetrics } from '../../operator/reconcile/pool-metrics.ts';
import { Pushes } from '../../operator/reconcile/pushes.ts';
import { EventStreams } from '../../ops/event-streams.ts';
import { exportStreams } from '../../ops/operations-page.ts';
import { PublisherMetrics } from '../../publisher/metrics.ts';

/** The processes that export metrics. `npm start` is a gateway and a publisher in one. */
export const processNames = ['gateway', 'publisher', 'operator'] as const;
export type ProcessName = (typeof processNames)[number];

const logger = createLogger({ part: 'metrics', level: 'silent' });

/** The registries of all processes, filled by the product's own code, without sockets or connections. */
export function registriesOfProcesses(): Readonly<Record<ProcessName, Registry>> {
  return { gateway: gatewayRegistry(), publisher: publisherRegistry(), operator: operatorRegistry() };
}

function gatewayRegistry(): Registry {
  const registry = sharedRegistry();
  const none = (): number => 0;
  const gauges = {
    connectionsMax: none,
    sockets: none,
    subscriptions: none,
    rooms: none,
    stretchedRooms: none,
    fanOutShare: none,
  };
  void new GatewayMetrics(registry, { ...gauges, busUp: () => true });
  void new Drainer({ connections: new Map(), placement: () => undefined, uid: '', clock: systemClock, registry, logger });
  const settings = { connectionAgeMaxSeconds: 0, acceptsPerSecond: 1 };
  void new Aging({ connections: new Map(), settings, isHeld: () => false, clock: systemClock, random: Math.random, registry });
  return registry;
}

function publisherRegistry(): Registry {
  const registry = sharedRegistry();
  const none = (): number => 0;
  const held = () => ({ size: { publications: 0, bytes: 0 }, counts: { published: 0, refused: 0, full: 0 } });
  void new PublisherMetrics(registry, { socketConnections: none, requestBytesInFlight: none, sockets: none, historyReaders: none, held });
  exportBusUp(registry, () => true);
  return registry;
}

/** What gateway and publisher export alike. */
function sharedRegistry(): Registry {
  const registry = new Registry();
  collectProcessMetrics(registry);
  exportTraceCounts(registry);
  void leftOutLines(registry);
  exportPolicyFileValidity(registry, { valid: () => true });
  exportPoolDocument(registry, new Pool({ publicKeyPem: '', logger }));
  exportStreams(registry, new EventStreams(systemClock));
  void new HandshakeMetrics(registry);
  const pair = { cert: '', key: '', subject: '', endsAt: 0 };
  exportCertificate(registry, { pair, isValid: true, counts: { loaded: 0, refused: 0 } });
  exportBusMetrics(registry, {
    figures: () => {
      throw new Error('this registry is never scraped');
    },
  });
  return registry;
}

function operatorRegistry(): Registry {
  const registry = new Registry();
  collectProcessMetrics(registry);
  exportTraceCounts(registry);
  void new ClientMetrics(registry);
  void new ControllerTelemetry(registry, operatorJournal(logger, systemClock));
  new Pushes(async () => ({ kind: 'silent' })).export(registry);
  exportPoolMetrics(registry, { pools: () => [], isLeader: () => false });
  exportStreams(registry, new EventStreams(systemClock));
  return registry;
}

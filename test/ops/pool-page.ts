import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import { startAdminServer } from '../../core/process/admin-server.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { OperationsPage } from '../../ops/operations-page.ts';
import { History } from '../../ops/view/history.ts';
import type { GatewayRow, Snapshot } from '../../ops/view/snapshot.ts';
import { calmOperator, gatewayRowOf } from './unit/snapshots.ts';

/**
 * Serves the operations page of a pool with 250 gateways on a port of its own, for as long as the test lasts.
 * @returns the port
 */
export async function startPoolPage(): Promise<number> {
  const registry = new Registry();
  const history = new History();
  const sample = (): void => history.add(Date.now(), poolSnapshot().figures);
  for (let count = 0; count < 300; count++)
    history.add(Date.now() - 300_000 + count * 1_000, { ...poolSnapshot().figures, connections: 1_800 + 200 * Math.sin(count / 30) });
  const source = {
    sample,
    history: () => history.toEvent(),
    snapshot: () => ({ ...poolSnapshot(), at: Date.now(), sampledAt: history.at }),
  };
  const page = new OperationsPage({ source, place: { host: '127.0.0.1', isAdminPort: true }, registry, clock: systemClock });
  const server = await startAdminServer(
    { registry, waitingFor: () => [] },
    { host: '127.0.0.1', port: 0, keepAliveMs: 5_000 },
    { pages: page },
  );
  onTestFinished(async () => {
    page.close();
    await server.close();
  });
  return server.port;
}

/** A large pool, with one gateway of each kind. */
export function poolSnapshot(): Snapshot {
  const snapshot = calmOperator();
  const { operator } = snapshot;
  if (operator?.pool === undefined) throw new Error('the fixture has a pool');
  const odd: Readonly<Record<number, Partial<GatewayRow>>> = {
    3: { state: 'draining', movedConnections: 40, connections: 3, isUpdated: false },
    4: { state: 'silent', ageMs: 24_000, why: 'its admin port does not answer' },
    5: { state: 'starting', why: 'ImagePullBackOff: no such image' },
    6: { epoch: 6 },
  };
  const gateways = Array.from({ length: 250 }, (_, index) =>
    gatewayRowOf(`main-${String(index).padStart(3, '0')}`, {
      connections: index,
      busy: 0.1 + index / 400,
      weight: 1,
      zone: `zone-${index % 3}`,
      ...odd[index],
    }),
  );
  return {
    ...snapshot,
    figures: {
      ...snapshot.figures,
      connections: 2_000,
      ready: 247,
      desired: 250,
      draining: 1,
      bytes: 3_400_000,
      subscriptions: 2_600,
      rooms: 900,
      reconciles: 0.5,
      reconcileErrors: 0,
      busy: 0.04,
      memory: 90_000_000,
    },
    operator: {
      ...operator,
      pool: {
        ...operator.pool,
        scaling: { at: snapshot.at, desired: 250, reason: '2000 connections at 10 a gateway and 25 % spare need 250', type: 'Connections' },
        gateways,
        channels: Array.from({ length: 8 }, (_, index) => ({
          channel: `video:${100_001 + index}`,
          members: 400 - index * 40,
          gateways: 1 + (index % 3),
          home: `main-00${index}`,
          atHome: 390 - index * 45,
        })),
      },
    },
  };
}

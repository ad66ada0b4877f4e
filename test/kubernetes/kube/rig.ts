import { Registry } from 'prom-client';
import { onTestFinished, vi } from 'vitest';
import { KubeClient, type KubeClientOptions } from '../../../operator/kube/client.ts';
import { ClientMetrics } from '../../../operator/kube/client-metrics.ts';
import { KubeConnection } from '../../../operator/kube/connection.ts';
import { Reflector, type ReflectorOptions, type ReflectorTimes } from '../../../operator/kube/reflector.ts';
import { resources } from '../../../operator/kube/resources.ts';
import { Store } from '../../../operator/kube/store.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import type { Clock } from '../../../core/clock.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { sharedApiServer } from '../../support/cluster.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { ListingApi } from '../../support/listing-api.ts';
import { silentJournal } from '../../support/silent-journal.ts';

/** As fast as the machine allows: what a test waits for should not be the rate. */
const noRate = { ratePerSecond: 10_000, burst: 10_000 };

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export function configMap(namespace: string, name: string, data: Readonly<Record<string, string>> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name, labels: { made: 'by-test' } }, data };
}

/** The operator's runtime before a real API server, with a proxy between that can fail; and a way past the proxy. */
export interface Rig {
  readonly namespace: string;
  readonly proxy: FaultProxy;
  readonly registry: Registry;
  readonly metrics: ClientMetrics;
  readonly connection: KubeConnection;
  readonly client: KubeClient;
  readonly api: ListingApi;
  /** Does not go through the proxy. */
  readonly direct: ListingApi;
}

/** Everything of it ends with the test. */
export async function openRig(options: Partial<KubeClientOptions> = {}): Promise<Rig> {
  const cluster = await sharedApiServer();
  const namespace = await cluster.createNamespace('runtime');
  const proxy = await FaultProxy.start(cluster.kubeconfig);
  const connection = new KubeConnection({ kubeconfig: proxy.kubeconfig });
  const past = new KubeConnection({ kubeconfig: cluster.kubeconfig });
  onTestFinished(async () => {
    connection.close();
    past.close();
    await proxy.close();
  });
  const registry = new Registry();
  const metrics = new ClientMetrics(registry);
  const shared = { clock: systemClock, random: Math.random, rate: noRate };
  const client = new KubeClient({ ...shared, connection, metrics, ...options });
  const direct = new ListingApi(new KubeClient({ ...shared, connection: past, metrics: new ClientMetrics(new Registry()) }));
  return { namespace, proxy, registry, metrics, connection, client, api: new ListingApi(client), direct };
}

/** A reflector of the namespace's ConfigMaps that is running, and a handle to end it. */
export interface RunningReflector {
  readonly store: Store<ConfigMap>;
  readonly reflector: Reflector<ConfigMap>;
  stop(): Promise<void>;
}

/** A clock on which everything takes less time than it says. */
export function accelerated(factor: number): Clock {
  return {
    monotonic: () => systemClock.monotonic() * factor,
    wall: () => systemClock.wall(),
    after: (ms, run) => systemClock.after(ms / factor, run),
    every: (ms, run) => systemClock.every(ms / factor, run),
    soon: (run) => systemClock.soon(run),
  };
}

/** Waits a hundredth of what the product waits. */
export const fastTimes: ReflectorTimes = {
  backoff: { baseMs: 8, capMs: 300 },
  unreachableCapMs: 40,
  watchSeconds: { min: 300, max: 600 },
  beginMs: 30_000,
  quietMs: 150_000,
  relistMs: 36_000_000,
};

/** @param also may replace any option */
export function reflectConfigMaps(rig: Rig, also: Partial<ReflectorOptions<ConfigMap>> = {}): RunningReflector {
  const store = also.store ?? new Store<ConfigMap>({ failed: () => {} });
  const reflector = new Reflector<ConfigMap>({
    resource: resources.configMap,
    selection: { namespace: rig.namespace, labelSelector: 'made=by-test' },
    client: rig.client,
    store,
    clock: systemClock,
    random: Math.random,
    journal: silentJournal,
    times: fastTimes,
    ...also,
  });
  const leaving = new AbortController();
  const run = reflector.run(leaving.signal);
  const stop = async (): Promise<void> => {
    leaving.abort();
    await run;
  };
  onTestFinished(stop);
  return { store, reflector, stop };
}

/** Waits for a condition, for as long as a loaded machine may need. */
export async function eventually(condition: () => unknown): Promise<void> {
  await vi.waitUntil(condition, { timeout: 45_000, interval: 20 });
}

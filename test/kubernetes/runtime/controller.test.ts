import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { LeaderElection } from '../../../operator/kube/leader-election.ts';
import { ControllerTelemetry } from '../../../operator/reconcile/controller-telemetry.ts';
import { resources } from '../../../operator/kube/resources.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import { Controller } from '../../../operator/runtime/controller.ts';
import { defaultElectionTimes } from '../../../operator/runtime/election.ts';
import type { Outcome } from '../../../operator/runtime/outcome.ts';
import { configMap, eventually, openRig, reflectConfigMaps, type Rig } from '../kube/rig.ts';
import { silentJournal } from '../../support/silent-journal.ts';

/** The smallest controller there is: it says in each ConfigMap how long its `word` is. */
async function startLengths(rig: Rig) {
  const { store, reflector } = reflectConfigMaps(rig);
  const registry = new Registry();
  const reconcile = async (key: string, signal: AbortSignal): Promise<Outcome> => {
    const found = store.get(key);
    const word = found?.data?.['word'];
    if (found === undefined || word === undefined || found.data?.['length'] === String(word.length)) return { kind: 'done' };
    const length = { word, length: String(word.length) };
    await rig.api.apply(resources.configMap, configMap(rig.namespace, found.metadata.name ?? '', length), signal);
    return { kind: 'done' };
  };
  const observer = new ControllerTelemetry(registry, silentJournal);
  const controller = new Controller({ name: 'lengths', reconcile, workers: 4, clock: systemClock, observer });
  onTestFinished(() => controller.stop(1000));
  store.onChange(({ key }) => controller.enqueue(key));
  await reflector.synced;
  controller.start();
  return { store, controller, registry };
}

test('a controller over a store brings the world to what it should be, through failures, and then rests', async () => {
  const rig = await openRig();
  const names = Array.from({ length: 30 }, (_, index) => `map-${index}`);
  for (const name of names) await rig.direct.apply(resources.configMap, configMap(rig.namespace, name, { word: name }));
  let writes = 0;
  rig.proxy.fault = ({ verb }) =>
    verb === 'patch' && writes++ % 3 === 0 ? { kind: 'status', code: [409, 500][writes % 2] ?? 500 } : undefined;
  const { store, controller, registry } = await startLengths(rig);
  await eventually(() => store.all().every(({ data }) => data?.['length'] === String(data?.['word']?.length)) && controller.isIdle);
  expect(await registry.getSingleMetricAsString('controller_runtime_reconcile_errors_total')).toMatch(/lengths"} 1\d/);
  expect(await registry.getSingleMetricAsString('controller_runtime_reconcile_panics_total')).toMatch(/lengths"} 0/);
  const before = rig.proxy.seen().length;
  for (const name of names) controller.enqueue(`${rig.namespace}/${name}`);
  await eventually(() => controller.isIdle);
  expect(rig.proxy.seen().length - before, 'requests of thirty reconciles that had nothing to do').toBe(0);
});

test('a converged operator asks for nothing but its watch, and writes nothing but its Lease', async () => {
  const rig = await openRig();
  await rig.direct.apply(resources.configMap, configMap(rig.namespace, 'one', { word: 'one' }));
  const election = new LeaderElection({
    connection: rig.connection.separate(),
    lease: { namespace: rig.namespace, name: 'operator' },
    candidate: { identity: 'one' },
    clock: systemClock,
    random: Math.random,
    journal: silentJournal,
    metrics: rig.metrics,
    times: { ...defaultElectionTimes, retryMs: 100 },
  });
  onTestFinished(() => election.stop());
  election.start();
  await election.elected;
  const { store, controller } = await startLengths(rig);
  await eventually(() => store.get(`${rig.namespace}/one`)?.data?.['length'] === '3' && controller.isIdle && rig.proxy.openWatches === 1);
  const before = rig.proxy.seen().length;
  // As many renewals as the product makes in a minute.
  await eventually(() => rig.proxy.seen().length - before >= 30);
  const kinds = rig.proxy
    .seen()
    .slice(before)
    .map(({ verb, resource }) => `${verb} ${resource}`);
  expect([...new Set(kinds)]).toEqual(['update leases']);
});

test('a change is acted on within a second', async () => {
  const rig = await openRig();
  const { store } = await startLengths(rig);
  await eventually(() => rig.proxy.openWatches === 1);
  const tookMs: number[] = [];
  for (let length = 1; length <= 5; length += 1) {
    const changedAt = performance.now();
    await rig.direct.apply(resources.configMap, configMap(rig.namespace, 'one', { word: '-'.repeat(length) }));
    await eventually(() => store.get(`${rig.namespace}/one`)?.data?.['length'] === String(length));
    tookMs.push(performance.now() - changedAt);
  }
  expect(tookMs.toSorted((a, b) => a - b)[2]).toBeLessThan(1000);
});

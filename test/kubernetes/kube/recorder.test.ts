import { expect, test } from 'vitest';
import { EventRecorder } from '../../../operator/kube/recorder.ts';
import { resources } from '../../../operator/kube/resources.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import type { Occurrence } from '../../../operator/runtime/event-series.ts';
import { regarding, type KubeObject } from '../../../operator/runtime/kube-api.ts';
import { sharedApiServer } from '../../support/cluster.ts';
import { configMap, openRig, type Rig } from './rig.ts';
import { silentJournal } from '../../support/silent-journal.ts';

interface StoredEvent extends KubeObject {
  readonly reason: string;
  readonly note: string;
  readonly series?: { readonly count: number };
}

/** A recorder, something to tell of, and what the API server has of it. */
async function openRecorder(rig: Rig, countEveryMs = 0) {
  const about = regarding(resources.configMap, await rig.direct.apply(resources.configMap, configMap(rig.namespace, 'one')));
  const series = { windowMs: 60_000, countEveryMs, perReason: { ratePerSecond: 1 / 300, burst: 25 }, rememberedMax: 100 };
  const recorder = new EventRecorder({
    client: rig.client,
    clock: systemClock,
    journal: silentJournal,
    metrics: rig.metrics,
    instance: 'test',
    series,
  });
  const occurrence = (reason: string, note: string): Occurrence => ({ regarding: about, type: 'Normal', reason, action: 'Scale', note });
  const stored = () => rig.direct.list<StoredEvent>(resources.event, { namespace: rig.namespace });
  return { recorder, occurrence, stored };
}

test('an event is shown by kubectl describe; the same again is a count', async () => {
  const rig = await openRig();
  const { recorder, occurrence, stored } = await openRecorder(rig);
  for (let time = 0; time < 3; time += 1) {
    recorder.record(occurrence('ScaledUp', 'from 2 to 3 gateways'));
    await recorder.flushed();
  }
  recorder.record(occurrence('ScaledUp', 'from 3 to 4 gateways'));
  await recorder.flushed();
  const events = (await stored()).toSorted((one, other) => one.note.localeCompare(other.note));
  expect(events.map(({ note, series }) => [note, series?.count])).toEqual([
    ['from 2 to 3 gateways', 3],
    ['from 3 to 4 gateways', undefined],
  ]);
  const cluster = await sharedApiServer();
  const described = await cluster.kubectl(['-n', rig.namespace, 'describe', 'configmap', 'one']);
  expect(described).toMatch(/Normal\s+ScaledUp.*barrage.dev\/operator\s+from 3 to 4 gateways/);
  expect(described).toMatch(/x3 over.*from 2 to 3 gateways/);
});

test('kubectl describe shows events in the order in which they happened, also from the tenth on', async () => {
  const rig = await openRig();
  const { recorder, occurrence } = await openRecorder(rig);
  const notes = Array.from({ length: 12 }, (_, index) => `step ${String.fromCodePoint(97 + index)}`);
  for (const note of notes) recorder.record(occurrence('PodCreated', note));
  await recorder.flushed();
  const cluster = await sharedApiServer();
  const described = await cluster.kubectl(['-n', rig.namespace, 'describe', 'configmap', 'one']);
  expect([...described.matchAll(/step [a-l]/g)].map(([note]) => note)).toEqual(notes);
});

test('what an object has too much of is combined, and what can not be told costs nothing', async () => {
  const rig = await openRig();
  const { recorder, occurrence, stored } = await openRecorder(rig, 60_000);
  rig.proxy.fault = ({ verb }) => (verb === 'create' && rig.proxy.seen().length === 1 ? { kind: 'status', code: 500 } : undefined);
  for (let time = 0; time < 40; time += 1) recorder.record(occurrence('PodCreated', `number ${time}`));
  recorder.record(occurrence('PodCreated', 'number 3'));
  recorder.record(occurrence('ScaledUp', 'from 2 to 3 gateways'));
  recorder.record(occurrence('Recovered', 'QuotaExceeded is over'));
  await recorder.flushed();
  const notes = (await stored()).map(({ note }) => note);
  expect(notes).toHaveLength(24 + 1 + 2);
  for (const note of ['(combined from similar events): number 25', 'from 2 to 3 gateways', 'QuotaExceeded is over'])
    expect(notes).toContain(note);
  const metric = await rig.registry.getSingleMetricAsString('barrage_operator_events_total');
  for (const count of ['{result="created"} 27', '{result="failed"} 1', '{result="kept"} 15']) expect(metric).toContain(count);
});

test('who ends writes what waits, and where nobody answers drops it after a while', async () => {
  const rig = await openRig();
  const { recorder, occurrence, stored } = await openRecorder(rig);
  for (let time = 0; time < 20; time += 1) recorder.record(occurrence('PodCreated', `number ${time}`));
  await recorder.close(30_000);
  expect(await stored()).toHaveLength(20);
  recorder.record(occurrence('PodCreated', 'after the end'));
  const silent = await openRecorder(rig);
  rig.proxy.outage('silent');
  for (let time = 0; time < 20; time += 1) silent.recorder.record(silent.occurrence('PodCreated', `number ${time}`));
  const begun = performance.now();
  await silent.recorder.close(500);
  // Not the 30 s that a request may take.
  expect(performance.now() - begun).toBeLessThan(10_000);
  const metric = await rig.registry.getSingleMetricAsString('barrage_operator_events_total');
  expect(metric).toContain('{result="dropped"} 21');
  expect(await stored()).toHaveLength(20);
});

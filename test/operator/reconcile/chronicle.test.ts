import { expect, test } from 'vitest';
import type { ActionEvent } from '../../../operator/decide/actions.ts';
import { operatorJournal } from '../../../operator/kube/log-lines.ts';
import { Chronicle } from '../../../operator/reconcile/chronicle.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { recordedLog } from '../../support/recorded-log.ts';
import { poolWith } from '../decide/pool-fixture.ts';

function newChronicle() {
  const clock = new FakeClock();
  const { logger, lines } = recordedLog();
  const events: string[] = [];
  const recorder = { record: ({ reason }: { readonly reason: string }) => void events.push(reason) };
  const journal = operatorJournal(logger, clock);
  return { lines, events, clock, chronicle: new Chronicle({ recorder, journal, clock }) };
}

test('each event of a pool has its line: a number, a step to another bus, the beginning and the end of a fault', () => {
  const { chronicle, lines, events } = newChronicle();
  const told: readonly ActionEvent[] = [
    { type: 'Normal', reason: 'ScaledUp', message: 'From 1 to 2 gateways' },
    { type: 'Normal', reason: 'BusChangeStarted', message: 'spec.bus names another bus' },
    { type: 'Warning', reason: 'BusMoveForced', message: 'before every gateway listens to it' },
    { type: 'Warning', reason: 'MissingSecret', message: 'Secret redis is missing' },
    { type: 'Normal', reason: 'Recovered', message: 'MissingSecret is over', ended: 'MissingSecret' },
  ];
  for (const event of told) chronicle.event(poolWith() as never, event);
  expect(lines.map(({ event, reason }) => `${event} ${String(reason)}`)).toEqual([
    'pool-scaled ScaledUp',
    'bus-change-step BusChangeStarted',
    'bus-change-step BusMoveForced',
    'fault-began MissingSecret',
    'fault-ended MissingSecret',
  ]);
  expect(events).toEqual(told.map(({ reason }) => reason));
});

test('a command that a silent gateway gets again and again is one line; a name that is free again has another', () => {
  const { chronicle, lines } = newChronicle();
  const pool = poolWith() as never;
  const pod = { name: 'web-aaaaa-0', uid: 'uid' };
  const created = {
    kind: 'create-pod',
    name: pod.name,
    revision: 'a',
    event: { type: 'Normal', reason: 'PodCreated', message: 'Created' },
  } as const;
  for (let times = 0; times < 10; times += 1)
    chronicle.action(pool, { kind: 'send-drain', pod, connectionsPerSecond: 1, deadlineSeconds: 60 });
  chronicle.action(pool, created);
  chronicle.action(pool, created);
  expect(lines.map((line) => (line as { readonly action?: string }).action)).toEqual(['send-drain', 'create-pod', 'create-pod']);
});

import { expect, test } from 'vitest';
import { defaultEventSeries, EventSeries, type EventSeriesOptions, type Occurrence } from '../../../operator/runtime/event-series.ts';

function occurrence(note: string, uid = 'uid'): Occurrence {
  const regarding = { apiVersion: 'barrage.dev/v1alpha1', kind: 'GatewayPool', namespace: 'live', name: 'main', uid };
  return { regarding, type: 'Normal', reason: 'ScaledUp', action: 'Scale', note };
}

function open(also: Partial<EventSeriesOptions> = {}): EventSeries {
  return new EventSeries({ ...defaultEventSeries, ...also });
}

test('the same again within the window is one event with a count, which is written now and then', () => {
  const series = open();
  expect(series.occurred(occurrence('a'), 0)).toEqual({ kind: 'create', id: '1', isCombined: false });
  expect(series.occurred(occurrence('a'), 10_000)).toEqual({ kind: 'keep' });
  expect(series.occurred(occurrence('a'), 30_000)).toEqual({ kind: 'count', id: '1', count: 3 });
  expect(series.occurred(occurrence('a'), 59_999)).toEqual({ kind: 'keep' });
  expect(series.occurred(occurrence('a'), 60_000)).toEqual({ kind: 'count', id: '1', count: 5 });
});

test('the same again after the window is a new event', () => {
  const series = open();
  series.occurred(occurrence('a'), 0);
  expect(series.occurred(occurrence('a'), 360_000).kind).toBe('count');
  expect(series.occurred(occurrence('a'), 720_001)).toEqual({ kind: 'create', id: '2', isCombined: false });
});

test('other words, or another object, are another event', () => {
  const series = open();
  const kinds = [occurrence('a'), occurrence('b'), occurrence('a', 'another')].map((each) => series.occurred(each, 0));
  expect(kinds).toEqual([1, 2, 3].map((id) => ({ kind: 'create', id: String(id), isCombined: false })));
});

test('what an object has too much to tell of becomes one event with a count, and in time it may speak again', () => {
  const series = open();
  const steps = Array.from({ length: 30 }, (_, index) => series.occurred(occurrence(`note ${index}`), 0));
  expect(steps.filter((step) => step.kind === 'create' && !step.isCombined)).toHaveLength(25);
  expect(steps.slice(25)).toEqual([{ kind: 'create', id: '26', isCombined: true }, ...Array(4).fill({ kind: 'keep' })]);
  expect(series.occurred(occurrence('note 40'), 30_000)).toEqual({ kind: 'count', id: '26', count: 6 });
  expect(series.occurred(occurrence('other', 'another'), 0)).toMatchObject({ kind: 'create', isCombined: false });
  expect(series.occurred(occurrence('note 100'), 300_000)).toMatchObject({ kind: 'create', isCombined: false });
  expect(series.occurred(occurrence('note 101'), 300_000)).toEqual({ kind: 'count', id: '26', count: 7 });
  // What has an event of its own is counted there.
  expect(series.occurred(occurrence('note 3'), 300_000)).toMatchObject({ kind: 'count', id: '4' });
});

test('a crowd of gateways silences neither what the pool does nor its faults', () => {
  const series = open();
  const told = (reason: string, type: Occurrence['type'] = 'Normal') =>
    Array.from({ length: 200 }, (_, index) => series.occurred({ ...occurrence(`note ${index}`), reason, type }, index));
  for (const reason of ['PodCreated', 'PodRemoved', 'PodDrainStarted']) told(reason);
  told('DrainDeadlineExceeded', 'Warning');
  for (const [reason, type] of [['ScaledUp'], ['Recovered'], ['RedisUnreachable', 'Warning']] as const)
    expect(series.occurred({ ...occurrence('one'), reason, type: type ?? 'Normal' }, 200)).toMatchObject({
      kind: 'create',
      isCombined: false,
    });
});

test('however much there is to tell, new events and writes of counts are few', () => {
  const series = open();
  const steps = Array.from({ length: 36_000 }, (_, index) => series.occurred(occurrence(`note ${index}`), index * 100).kind);
  const count = (kind: string): number => steps.filter((each) => each === kind).length;
  // An hour: 25 at once and twelve later, one for all others, and its count every 30 s.
  expect(count('create')).toBe(25 + 12 - 1 + 1);
  expect(count('count')).toBeLessThanOrEqual(120);
});

test('what is remembered is bounded: the oldest is forgotten', () => {
  const series = open({ rememberedMax: 2 });
  for (const uid of ['a', 'b', 'c']) series.occurred(occurrence('x', uid), 0);
  expect(series.occurred(occurrence('x', 'c'), 1).kind).toBe('keep');
  expect(series.occurred(occurrence('x', 'a'), 1).kind).toBe('create');
});

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
  expect(series.occurred(occurrence('a'), 0)).toEqual({ kind: 'create', id: '1' });
  expect(series.occurred(occurrence('a'), 10_000)).toEqual({ kind: 'keep' });
  expect(series.occurred(occurrence('a'), 30_000)).toEqual({ kind: 'count', id: '1', count: 3 });
  expect(series.occurred(occurrence('a'), 59_999)).toEqual({ kind: 'keep' });
  expect(series.occurred(occurrence('a'), 60_000)).toEqual({ kind: 'count', id: '1', count: 5 });
});

test('the same again after the window is a new event', () => {
  const series = open();
  series.occurred(occurrence('a'), 0);
  expect(series.occurred(occurrence('a'), 360_000).kind).toBe('count');
  expect(series.occurred(occurrence('a'), 720_001)).toEqual({ kind: 'create', id: '2' });
});

test('other words, or another object, are another event', () => {
  const series = open();
  const kinds = [occurrence('a'), occurrence('b'), occurrence('a', 'another')].map((each) => series.occurred(each, 0));
  expect(kinds).toEqual([1, 2, 3].map((id) => ({ kind: 'create', id: String(id) })));
});

test('an object with too many different events is silenced, the others are not, and in time it may speak again', () => {
  const series = open();
  const steps = Array.from({ length: 30 }, (_, index) => series.occurred(occurrence(`note ${index}`), 0).kind);
  expect(steps.filter((kind) => kind === 'create')).toHaveLength(25);
  expect(steps.slice(25)).toEqual(Array(5).fill('drop'));
  expect(series.occurred(occurrence('other', 'another'), 0).kind).toBe('create');
  expect(series.occurred(occurrence('note 100'), 300_000).kind).toBe('create');
  expect(series.occurred(occurrence('note 101'), 300_000).kind).toBe('drop');
});

test('a crowd of Normal events of an object does not silence its Warnings', () => {
  const series = open();
  for (let index = 0; index < 100; index += 1) series.occurred(occurrence(`note ${index}`), 0);
  const warnings = Array.from({ length: 30 }, (_, index) => series.occurred({ ...occurrence(`note ${index}`), type: 'Warning' }, 0).kind);
  expect(warnings.filter((kind) => kind === 'create')).toHaveLength(25);
});

test('what is remembered is bounded: the oldest is forgotten', () => {
  const series = open({ rememberedMax: 2 });
  for (const uid of ['a', 'b', 'c']) series.occurred(occurrence('x', uid), 0);
  expect(series.occurred(occurrence('x', 'c'), 1).kind).toBe('keep');
  expect(series.occurred(occurrence('x', 'a'), 1).kind).toBe('create');
});

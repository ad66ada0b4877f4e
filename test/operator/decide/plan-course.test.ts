import { expect, test } from 'vitest';
import type { PoolAction } from '../../../operator/decide/actions.ts';
import { PlanCourse } from '../../../operator/decide/plan-course.ts';

const event = { type: 'Normal', reason: 'PodCreated', message: '' } as const;
const create = (name: string): PoolAction => ({ kind: 'create-pod', name, revision: 'aaaaa11111', event });
const mark = (name: string): PoolAction => ({ kind: 'mark-draining', pod: { name, uid: name }, startedAt: 0, deadlineAt: 1, event });
const remove = (name: string): PoolAction => ({ kind: 'delete-pod', pod: { name, uid: name }, event });

test('a refusal ends what concerns its pod, and nothing else', () => {
  const course = new PlanCourse([], []);
  course.refused(mark('a'), 'Forbidden');
  expect(course.mayTake(remove('a'))).toBe(false);
  expect([mark('b'), remove('c'), create('d')].every((action) => course.mayTake(action))).toBe(true);
});

test('a refused creation ends the other creations, but where only its name was taken', () => {
  const course = new PlanCourse([], []);
  course.refused(create('a'), 'NameTaken');
  expect(course.mayTake(create('b'))).toBe(true);
  course.refused(create('b'), 'QuotaExceeded');
  expect(course.mayTake(create('c'))).toBe(false);
  expect(course.mayTake(mark('d'))).toBe(true);
});

test('where a refused action succeeds now, no further gateway begins to leave', () => {
  const course = new PlanCourse(['a'], ['leaving']);
  course.done(mark('b'));
  expect(course.mayTake(mark('c'))).toBe(true);
  course.done(mark('a'));
  expect(course.mayTake(mark('c'))).toBe(false);
  expect(course.mayTake(remove('c'))).toBe(false);
  expect(course.mayTake(remove('leaving'))).toBe(true);
  expect(course.mayTake(create('d'))).toBe(true);
});

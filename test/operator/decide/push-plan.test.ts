import { expect, test } from 'vitest';
import { planPushes, type Recipient } from '../../../operator/decide/push-plan.ts';

function recipient(name: string, more: Partial<Recipient> = {}): Recipient {
  return { name, uid: `uid-${name}`, address: name, poolEpoch: 4, policiesHash: 'old', silentMs: 0, trusts: '', ...more };
}

const document = { epoch: 5, policiesHash: 'new' };

test('policies go only to pods that report another hash', () => {
  const planned = planPushes(
    [recipient('has', { policiesHash: 'new' }), recipient('lacks'), recipient('empty', { policiesHash: '' })],
    document,
    1,
  );
  expect(planned.map(({ to, needsPolicies }) => [to.name, needsPolicies])).toEqual([
    ['has', false],
    ['lacks', true],
    ['empty', true],
  ]);
});

test('a pod with the document, or with a newer one, gets nothing', () => {
  expect(planPushes([recipient('same', { poolEpoch: 5 }), recipient('newer', { poolEpoch: 6 })], document, 1)).toEqual([]);
});

test('pods that answered come first; a pod gets nothing from the bound of silence on', () => {
  const recipients = [recipient('at', { silentMs: 10 }), recipient('below', { silentMs: 9 }), recipient('answers')];
  expect(planPushes(recipients, document, 10).map(({ to }) => to.name)).toEqual(['answers', 'below']);
});

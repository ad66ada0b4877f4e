import { expect, test } from 'vitest';
import type { PoolAction } from '../../../operator/decide/actions.ts';
import { finishing } from '../../../operator/decide/finishing.ts';
import { begin, gatewayWith } from './pool-fixture.ts';

const event = { type: 'Normal', reason: 'PodRemoved', message: '' } as const;

test('without settings for new pods nothing is begun, and what is on its way out goes on', () => {
  const leaving = gatewayWith('web-a-0', { drain: { startedAt: begin, deadlineAt: begin + 1000 } });
  const serving = gatewayWith('web-a-1');
  const pod = ({ name, uid }: { readonly name: string; readonly uid: string }) => ({ name, uid });
  const kept: readonly PoolAction[] = [
    { kind: 'send-drain', pod: pod(leaving), connectionsPerSecond: 1, deadlineSeconds: 1 },
    { kind: 'unmark-draining', pod: pod(leaving), event },
    { kind: 'delete-pod', pod: pod(leaving), event },
    { kind: 'set-serving', pod: pod(serving), serving: true, reason: 'Serving', message: '' },
  ];
  const left: readonly PoolAction[] = [
    { kind: 'create-pod', name: 'web-b-0', revision: 'aaaaa11111', event },
    { kind: 'mark-draining', pod: pod(serving), startedAt: begin, deadlineAt: begin + 1000, event },
    { kind: 'delete-pod', pod: pod(serving), event },
  ];
  expect(finishing([...left, ...kept], [leaving, serving])).toEqual(kept);
});

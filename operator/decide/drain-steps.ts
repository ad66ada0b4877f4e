import { counted } from '../../core/counted.ts';
import { reference, removal, type ActionEvent, type PoolAction } from './actions.ts';
import type { Crew } from './crew.ts';
import { drainDeadline, drainState, mayAbort } from './drain.ts';
import { pollOf, type ObservedGateway, type ObservedPool } from './observed.ts';

/** Aborts drains of gateways that are wanted again. The youngest drain goes first: it has lost the fewest clients. */
export function takeBack(
  { pool, now, updateRevision }: ObservedPool,
  crew: Crew,
  count: number,
): { readonly gateways: readonly ObservedGateway[]; readonly actions: readonly PoolAction[] } {
  const gateways = crew.draining
    .filter((gateway) => gateway.revision === updateRevision && mayAbort(gateway, pool.spec.drain, now))
    .toSorted((a, b) => (b.drain?.startedAt ?? 0) - (a.drain?.startedAt ?? 0) || (a.name < b.name ? -1 : 1))
    .slice(0, count);
  const actions = gateways.flatMap((gateway): readonly PoolAction[] => {
    const message = `${gateway.name} stays: it is needed again`;
    const unmark = {
      kind: 'unmark-draining',
      pod: reference(gateway),
      event: { type: 'Normal', reason: 'ScaleDownAborted', message },
    } as const;
    const isTold = (pollOf(gateway)?.drainState ?? 'serving') !== 'serving';
    return isTold ? [{ kind: 'send-abort', pod: reference(gateway) }, unmark] : [unmark];
  });
  return { gateways, actions };
}

/** The next steps of a gateway's drain. */
export function drainActions({ pool, now, updateRevision }: ObservedPool, gateway: ObservedGateway): readonly PoolAction[] {
  const drain = drainState(gateway, pool.spec.drain, now);
  const pod = reference(gateway);
  const unready: readonly PoolAction[] =
    gateway.serving === 'True'
      ? [{ kind: 'set-serving', pod, serving: false, reason: 'Draining', message: 'The gateway is leaving.' }]
      : [];
  switch (drain.state) {
    case 'serving':
      return [];
    case 'unreadable': {
      const message = `${gateway.name}: its drain annotations could not be read; the drain begins anew`;
      const event: ActionEvent = { type: 'Warning', reason: 'PodDrainStarted', message };
      return [{ kind: 'mark-draining', pod, startedAt: now, deadlineAt: drainDeadline(now, pool.spec.drain), event }];
    }
    case 'propagating':
      return unready;
    case 'evicting': {
      const isTold = (pollOf(gateway)?.drainState ?? 'serving') !== 'serving';
      const { connectionsPerSecond } = pool.spec.drain;
      return isTold ? unready : [...unready, { kind: 'send-drain', pod, connectionsPerSecond, deadlineSeconds: drain.secondsLeft }];
    }
    case 'empty': {
      const isOld = gateway.revision !== updateRevision;
      return [removal(gateway, isOld ? 'PodReplaced' : 'PodDrained', `${gateway.name} is empty and is deleted`)];
    }
    case 'overdue': {
      const left = drain.connections === undefined ? 'an unknown number of connections' : counted(drain.connections, 'connection');
      const message = `${gateway.name} still has ${left} at its deadline and is deleted; it closes what is left`;
      return [{ kind: 'delete-pod', pod, event: { type: 'Warning', reason: 'DrainDeadlineExceeded', message } }];
    }
  }
}

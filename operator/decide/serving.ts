/**
 * Which gateways may serve: the condition `barrage.dev/Serving` and the members of the pool document.
 *
 * A new gateway first gets its place in the document, and becomes Ready when it is known to hold one: so nobody is sent
 * to a gateway before the others know it. One that serves stays where it is while its bus is away or its admin port is
 * silent: if readiness decided, an outage of Redis would empty the document and take everybody's gateway away at once.
 */
import type { PoolAction } from './actions.ts';
import type { DocumentMember } from './document.ts';
import { isServable, pollOf, type ObservedGateway, type ObservedPool } from './observed.ts';

/** The document's gateways, by name. `live` may hold gateways whose drain was just taken back. */
export function members(live: readonly ObservedGateway[], draining: readonly ObservedGateway[]): readonly DocumentMember[] {
  const serving = live
    .filter(
      (gateway) =>
        gateway.isRunning &&
        gateway.phase === 'Running' &&
        (gateway.serving === 'True' || gateway.containersReady || pollOf(gateway)?.ready === true),
    )
    .map((gateway) => member(gateway, 'serving'));
  const leaving = draining.filter(({ isRunning }) => isRunning).map((gateway) => member(gateway, 'draining'));
  return [...serving, ...leaving].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Whose condition is to be written, and who is to be told that it does not leave. A condition that is absent holds a
 * pod back as False does.
 */
export function servingActions({ document }: ObservedPool, live: readonly ObservedGateway[]): readonly PoolAction[] {
  return live.flatMap((gateway): readonly PoolAction[] => {
    if (!isServable(gateway)) return [];
    const pod = { name: gateway.name, uid: gateway.uid };
    const polled = pollOf(gateway);
    // Nobody has marked it: an operator stopped between two steps of taking a drain back.
    if (polled !== undefined && polled.drainState !== 'serving') return [{ kind: 'send-abort', pod }];
    if (gateway.serving === 'True') return [];
    const isPlaced = document?.memberUids.includes(gateway.uid) === true && (polled?.poolEpoch ?? 0) > 0;
    if (gateway.containersReady && polled?.ready === true && isPlaced)
      return [{ kind: 'set-serving', pod, serving: true, reason: 'Placed', message: 'The gateway is in the pool document.' }];
    return [];
  });
}

function member(gateway: ObservedGateway, state: DocumentMember['state']): DocumentMember {
  return { name: gateway.name, uid: gateway.uid, ip: gateway.ip, hostIp: gateway.hostIp, weight: 1, state };
}

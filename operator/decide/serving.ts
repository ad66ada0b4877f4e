/**
 * Decides which gateways may serve: the condition `barrage.dev/Serving`, and the members of the pool document.
 *
 * A new gateway first enters the document. It becomes Ready once it has a document itself, so no client is sent to a
 * gateway before the others know it. A serving gateway stays while its bus is away or its admin port is silent.
 * Otherwise an outage of Redis would empty the document and take every client's gateway away.
 *
 * A dead gateway is left out: its pod is not ready, it has been silent, and most of the others are well. One sign alone
 * is none: readiness falls with the bus, and a network policy may silence a gateway that serves. Where most others show
 * the same signs, the operator's own view may be what is lost. It is back with its first answer.
 */
import type { PoolAction } from './actions.ts';
import type { DocumentMember } from './document.ts';
import { isAvailable, isServable, pollOf, silentMs, type ObservedGateway, type ObservedPool } from './observed.ts';

/**
 * The document's gateways, sorted by name.
 * @param live may hold gateways whose drain was just aborted
 */
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
 * The gateways that are taken for dead. A new operator has asked nobody yet: an unready gateway that the stored
 * document leaves out stays left out until it answers.
 */
export function deadGateways({ document, now }: ObservedPool, live: readonly ObservedGateway[]): ReadonlySet<ObservedGateway> {
  const isSilent = ({ unansweredSince }: ObservedGateway): boolean => unansweredSince !== undefined && now - unansweredSince >= silentMs;
  const isLeftOut = (gateway: ObservedGateway): boolean =>
    pollOf(gateway) === undefined && document !== undefined && !document.memberUids.includes(gateway.uid);
  const serving = live.filter((gateway) => isServable(gateway) && gateway.serving === 'True');
  const well = serving.filter((gateway) => isAvailable(gateway) && !isSilent(gateway)).length;
  const others = serving.length - 1;
  if (well * 2 <= others) return new Set();
  return new Set(serving.filter((gateway) => !gateway.isReady && (isSilent(gateway) || isLeftOut(gateway))));
}

/** Conditions to write, and drains to abort. An absent condition holds a pod back as False does. */
export function servingActions({ document }: ObservedPool, live: readonly ObservedGateway[]): readonly PoolAction[] {
  return live.flatMap((gateway): readonly PoolAction[] => {
    if (!isServable(gateway)) return [];
    const pod = { name: gateway.name, uid: gateway.uid };
    const polled = pollOf(gateway);
    // Draining without a mark: an operator stopped in the middle of aborting the drain.
    if (polled !== undefined && polled.drainState !== 'serving') return [{ kind: 'send-abort', pod }];
    if (gateway.serving === 'True') return [];
    const isPlaced = document?.memberUids.includes(gateway.uid) === true && (polled?.poolEpoch ?? 0) > 0;
    if (gateway.containersReady && polled?.ready === true && isPlaced)
      return [{ kind: 'set-serving', pod, serving: true, reason: 'Placed', message: 'The gateway is in the pool document.' }];
    return [];
  });
}

function member(gateway: ObservedGateway, state: DocumentMember['state']): DocumentMember {
  return {
    name: gateway.name,
    uid: gateway.uid,
    ip: gateway.ip,
    hostIp: gateway.hostIp,
    hasTls: gateway.hasTls === true,
    weight: 1,
    state,
  };
}

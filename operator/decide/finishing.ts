import type { PoolAction } from './actions.ts';
import type { ObservedGateway } from './observed.ts';

/**
 * What of a plan may be done while the settings that new pods start with can't be stored: a pod made now would start
 * with older ones, and pass for one that has the new. So nothing is begun, as no gateway could be followed by another;
 * what is on its way out goes on.
 */
export function finishing(actions: readonly PoolAction[], gateways: readonly ObservedGateway[]): readonly PoolAction[] {
  const leaving = new Set(gateways.filter(({ drain }) => drain !== undefined).map(({ uid }) => uid));
  return actions.filter((action) => {
    if (action.kind === 'create-pod' || action.kind === 'mark-draining') return false;
    return action.kind !== 'delete-pod' || leaving.has(action.pod.uid);
  });
}

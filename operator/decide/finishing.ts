import type { PoolAction } from './actions.ts';
import type { ObservedGateway } from './observed.ts';

/**
 * The actions that are allowed while the settings Secret can't be stored. A pod made now would start with older
 * settings and pass for a new one. So nothing is begun; drains under way continue.
 */
export function finishing(actions: readonly PoolAction[], gateways: readonly ObservedGateway[]): readonly PoolAction[] {
  const leaving = new Set(gateways.filter(({ drain }) => drain !== undefined).map(({ uid }) => uid));
  return actions.filter((action) => {
    if (action.kind === 'create-pod' || action.kind === 'mark-draining') return false;
    return action.kind !== 'delete-pod' || leaving.has(action.pod.uid);
  });
}

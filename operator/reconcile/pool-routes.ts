import type { GatewayPool } from '../api/gateway-pool.ts';
import type { ObservedGateway } from '../decide/observed.ts';
import { judgeRoutes, type ObservedRoute, type RouteVerdict } from '../decide/route-fault.ts';
import { childNames } from '../desired/labels.ts';
import { resources } from '../kube/resources.ts';
import { ownFieldsOf } from './own-fields.ts';
import type { Stores } from './stores.ts';

/** What Gateways say about a pool's routes. */
export function judgedRoutes(
  pool: GatewayPool,
  gateways: readonly ObservedGateway[],
  { stores, now }: { readonly stores: Pick<Stores, 'child'>; readonly now: number },
): RouteVerdict {
  const { namespace } = pool.metadata;
  const { type, httpRoute } = pool.spec.exposure;
  if (type !== 'HTTPRoute' || httpRoute === undefined) return { fault: undefined, reviewAfterMs: undefined };
  const names = [childNames.clients(pool), ...gateways.filter(({ isTerminating }) => !isTerminating).map(({ name }) => name)];
  const routes = names.map((name): ObservedRoute => {
    const route = stores.child(resources.httpRoute, namespace, name);
    const createdAt = Date.parse(route?.metadata.creationTimestamp ?? '');
    const changedAt = (route && ownFieldsOf(route)?.at) ?? (Number.isNaN(createdAt) ? now : createdAt);
    return { name, route, changedAt };
  });
  return judgeRoutes(routes, { parent: httpRoute.parentRef, namespace, now });
}

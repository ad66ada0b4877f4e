import type { ObservedFault } from './fault.ts';

/** The part of an HTTPRoute that its gateway's controller writes (Gateway API v1, `RouteParentStatus`). */
interface RouteStatus {
  readonly parents?: readonly {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  }[];
}

/**
 * The fault of a route that its parent Gateway refuses; `undefined` where it accepts the route, or where no controller
 * has said anything.
 */
export function routeFault(route: object | undefined, name: string): ObservedFault | undefined {
  const { parents = [] } = (route as { readonly status?: RouteStatus } | undefined)?.status ?? {};
  const refusals = parents.flatMap(({ conditions = [] }) =>
    conditions.filter(({ type, status }) => (type === 'Accepted' || type === 'ResolvedRefs') && status === 'False'),
  );
  const [first] = refusals;
  if (first === undefined) return undefined;
  const words = `its Gateway answers ${first.type}=False (${first.reason ?? 'no reason'}): ${first.message ?? ''}`;
  return { kind: 'RouteRefused', subject: `HTTPRoute ${name}`, message: words };
}

import type { GatewayPoolExposureHttpRouteParentRef as ParentRef } from '../api/gateway-pool.ts';
import type { ObservedFault } from './fault.ts';

/** The parts of an HTTPRoute that its Gateway's controller writes (Gateway API v1, `RouteParentStatus`). */
interface RouteObject {
  readonly metadata?: { readonly generation?: number };
  readonly status?: {
    readonly parents?: readonly { readonly parentRef?: Partial<ParentRef>; readonly conditions?: readonly RouteCondition[] }[];
  };
}

interface RouteCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly observedGeneration?: number;
}

/** One of a pool's routes. */
export interface ObservedRoute {
  readonly name: string;
  /** As the store has it; `undefined`: it does not exist. */
  readonly route: object | undefined;
  /** When the operator changed it last, in Unix milliseconds by the API server's clock. */
  readonly changedAt: number;
}

export interface RouteVerdict {
  /** The first route that is not accepted; `undefined` where each is, or still has time. */
  readonly fault: ObservedFault | undefined;
  /** Milliseconds until the next verdict even without a change. */
  readonly reviewAfterMs: number | undefined;
}

/** How long a Gateway's controller may take to answer a route, in milliseconds. */
export const answerMs = 30_000;

/**
 * Whether the Gateway takes the routes.
 * @param routes the pool's own route first, then the ones of its gateways
 * @param now Unix milliseconds
 */
export function judgeRoutes(
  routes: readonly ObservedRoute[],
  { parent, namespace, now }: { readonly parent: ParentRef; readonly namespace: string; readonly now: number },
): RouteVerdict {
  const answers = routes.flatMap(({ name, route, changedAt }) => {
    if (route === undefined) return [];
    return [{ name, waitedMs: now - changedAt, ...answerTo(route as RouteObject, parent, namespace) }];
  });
  const isLate = (answer: (typeof answers)[number]): boolean => answer.kind === 'none' && answer.waitedMs >= answerMs;
  const troubled = answers.filter((answer) => answer.kind === 'refused' || isLate(answer));
  const waits = answers.flatMap((answer) =>
    answer.kind === 'none' && !isLate(answer) ? [Math.min(answerMs, answerMs - answer.waitedMs)] : [],
  );
  const reviewAfterMs = waits.length === 0 ? undefined : Math.min(...waits);
  const [first, ...others] = troubled;
  if (first === undefined) return { fault: undefined, reviewAfterMs };
  const more = others.length === 0 ? '' : ` (and ${others.length} more of the pool's routes)`;
  const subject = `HTTPRoute ${first.name}`;
  if (first.kind === 'refused') return { fault: { kind: 'RouteRefused', subject, message: `${first.words}${more}` }, reviewAfterMs };
  const gateway = `${parent.namespace ?? namespace}/${parent.name}`;
  const message = `no controller has accepted it for the Gateway ${gateway} in ${answerMs / 1000} s${more}`;
  return { fault: { kind: 'RouteUnanswered', subject, message }, reviewAfterMs };
}

type Answer = { readonly kind: 'accepted' } | { readonly kind: 'none' } | { readonly kind: 'refused'; readonly words: string };

/** An answer to an earlier state of the route is none. */
function answerTo({ metadata, status }: RouteObject, parent: ParentRef, namespace: string): Answer {
  const generation = metadata?.generation ?? 0;
  const conditions = (status?.parents ?? [])
    .filter(({ parentRef }) => parentRef !== undefined && isSameParent(parentRef, parent, namespace))
    .flatMap((each) => each.conditions ?? [])
    .filter(({ observedGeneration = generation }) => observedGeneration >= generation);
  const refusal = conditions.find(({ type, status: is }) => (type === 'Accepted' || type === 'ResolvedRefs') && is === 'False');
  if (refusal !== undefined) {
    const { type, reason = 'no reason', message = '' } = refusal;
    return { kind: 'refused', words: `its Gateway answers ${type}=False (${reason}): ${message}` };
  }
  return conditions.some(({ type, status: is }) => type === 'Accepted' && is === 'True') ? { kind: 'accepted' } : { kind: 'none' };
}

function isSameParent(one: Partial<ParentRef>, other: ParentRef, namespace: string): boolean {
  return (
    one.name === other.name &&
    (one.namespace ?? namespace) === (other.namespace ?? namespace) &&
    (one.sectionName ?? '') === (other.sectionName ?? '')
  );
}

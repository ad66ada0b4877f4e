/** A child as the stores have it: what of it decides whether its pool still has a use for it. */
export interface ObservedChild {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  /** Uid of its controller. */
  readonly owner: string | undefined;
  readonly isGoing: boolean;
}

/**
 * Kinds of which a pool has only what its spec asks for now: a pool that leaves Redis has no publishers any more, one
 * whose exposure changes no routes. Secrets and ConfigMaps are not among them: what they hold (keys, the last document)
 * is to survive a mistake.
 */
export const perishableKinds: ReadonlySet<string> = new Set([
  'Service',
  'Deployment',
  'HorizontalPodAutoscaler',
  'PodDisruptionBudget',
  'NetworkPolicy',
  'HTTPRoute',
]);

/**
 * The children that are to be deleted.
 * @param desired all that the pool should have, Secrets and ConfigMaps aside
 * @param owners uids of the pool and its gateway pods: what anybody else made is left alone, whatever its labels say
 */
export function obsoleteChildren<Child extends ObservedChild>(
  observed: readonly Child[],
  desired: readonly { readonly kind: string; readonly name: string }[],
  owners: ReadonlySet<string>,
): readonly Child[] {
  const wanted = new Set(desired.map(({ kind, name }) => `${kind}/${name}`));
  return observed.filter(
    ({ kind, name, owner, isGoing }) =>
      perishableKinds.has(kind) && !isGoing && owner !== undefined && owners.has(owner) && !wanted.has(`${kind}/${name}`),
  );
}

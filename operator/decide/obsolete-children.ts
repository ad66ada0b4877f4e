/** The fields of a stored child that decide whether its pool still needs it. */
export interface ObservedChild {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  /** Uid of its controller. */
  readonly owner: string | undefined;
  readonly isGoing: boolean;
}

/**
 * Kinds that are deleted once the spec does not ask for them: without Redis a pool has no publishers, with another
 * exposure no routes. An older revision goes when a newer one is complete. Secrets and ConfigMaps stay: the keys and
 * the last document must survive a mistake.
 */
export const perishableKinds: ReadonlySet<string> = new Set([
  'Service',
  'Deployment',
  'HorizontalPodAutoscaler',
  'PodDisruptionBudget',
  'NetworkPolicy',
  'HTTPRoute',
  'ControllerRevision',
]);

/**
 * The children to delete.
 * @param desired every child that the pool should have, Secrets and ConfigMaps aside
 * @param owners uids of the pool and its gateway pods; objects of other owners stay, whatever their labels say
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

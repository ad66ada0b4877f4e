/**
 * What we wrote ourselves and the store has not heard of yet. A plan made without it would name a second victim, or
 * count a pod that is on its way out. Creations need none of this (their names are the first free ones), but are kept
 * too, so that a plan is not made twice.
 */
export interface VersionedObject {
  readonly metadata: {
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly deletionTimestamp?: string;
  };
}

/** One answer of the API server to a write of ours. `deleted`: it took the deletion of this uid. */
export interface OwnWrite<Stored extends VersionedObject> {
  readonly uid: string;
  readonly result: Stored | 'deleted';
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface WithOwnWrites<Stored extends VersionedObject> {
  readonly objects: readonly Stored[];
  /** Writes that the store is still to hear of: keep these for the next time. */
  readonly pending: readonly OwnWrite<Stored>[];
}

/**
 * A store that has not heard of a write after this time, in milliseconds, never will: somebody deleted the pod
 * meanwhile, or it was not done after all.
 */
export const pendingMsMax = 60_000;

/** @param isOlder compares resourceVersions: `isOlder(a, b)` where a came before b */
export function withOwnWrites<Stored extends VersionedObject>(
  stored: readonly Stored[],
  writes: readonly OwnWrite<Stored>[],
  { isOlder, now }: { readonly isOlder: (version: string | undefined, than: string | undefined) => boolean; readonly now: number },
): WithOwnWrites<Stored> {
  const objects = new Map(stored.map((object) => [object.metadata.uid, object]));
  const inStore = new Set(objects.keys());
  const pending: OwnWrite<Stored>[] = [];
  for (const write of writes) {
    if (now - write.at > pendingMsMax) continue;
    const known = objects.get(write.uid);
    if (write.result === 'deleted') {
      if (known === undefined || known.metadata.deletionTimestamp !== undefined) continue;
      objects.set(write.uid, { ...known, metadata: { ...known.metadata, deletionTimestamp: new Date(write.at).toISOString() } });
    } else {
      const isKnown = known !== undefined && !isOlder(known.metadata.resourceVersion, write.result.metadata.resourceVersion);
      const isGone = known?.metadata.deletionTimestamp !== undefined;
      if (isKnown || isGone) continue;
      objects.set(write.uid, write.result);
    }
    if (inStore.has(write.uid) || write.result !== 'deleted') pending.push(write);
  }
  return { objects: [...objects.values()], pending };
}

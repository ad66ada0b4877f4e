/**
 * An object with the fields that decide whether the store has heard of our own write. A plan that ignores a late write
 * would name a second victim, or count a leaving pod. Creations would do without (a name is used once), but keeping
 * them saves a second plan.
 */
export interface VersionedObject {
  readonly metadata: {
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly deletionTimestamp?: string;
  };
}

/** The API server's answer to one of our writes. `deleted`: it accepted the deletion of this uid. */
export interface OwnWrite<Stored extends VersionedObject> {
  readonly uid: string;
  readonly result: Stored | 'deleted';
  /** Milliseconds of the monotonic clock. */
  readonly at: number;
  /** The same moment in Unix milliseconds. */
  readonly unix: number;
}

export interface WithOwnWrites<Stored extends VersionedObject> {
  readonly objects: readonly Stored[];
  /** Writes that the store has not heard of. Pass them to the next call. */
  readonly pending: readonly OwnWrite<Stored>[];
}

/**
 * How long a write may stay unheard of, in milliseconds. After that it is dropped: it was not done, or the watch is
 * late.
 */
export const pendingMsMax = 60_000;

/**
 * @param isOlder compares resourceVersions: `isOlder(a, b)` where a came before b
 * @param heard version up to which the store has heard of every change; `undefined`: not known
 */
export function withOwnWrites<Stored extends VersionedObject>(
  stored: readonly Stored[],
  writes: readonly OwnWrite<Stored>[],
  about: {
    readonly isOlder: (version: string | undefined, than: string | undefined) => boolean;
    readonly heard: string | undefined;
    /** Milliseconds of the monotonic clock. */
    readonly now: number;
  },
): WithOwnWrites<Stored> {
  const { isOlder, heard, now } = about;
  const isHeard = ({ metadata: { resourceVersion } }: Stored): boolean =>
    resourceVersion !== undefined && (resourceVersion === heard || isOlder(resourceVersion, heard));
  const objects = new Map(stored.map((object) => [object.metadata.uid, object]));
  const inStore = new Set(objects.keys());
  const pending: OwnWrite<Stored>[] = [];
  for (const write of writes) {
    if (now - write.at > pendingMsMax) continue;
    const known = objects.get(write.uid);
    if (write.result === 'deleted') {
      if (known === undefined || known.metadata.deletionTimestamp !== undefined) continue;
      objects.set(write.uid, { ...known, metadata: { ...known.metadata, deletionTimestamp: new Date(write.unix).toISOString() } });
    } else {
      const isKnown = known !== undefined && !isOlder(known.metadata.resourceVersion, write.result.metadata.resourceVersion);
      const isGoing = known?.metadata.deletionTimestamp !== undefined;
      // The store has heard of this write and of what came after it: a deletion, or the loss of the labels it asks for.
      const isGone = known === undefined && isHeard(write.result);
      if (isKnown || isGoing || isGone) continue;
      objects.set(write.uid, write.result);
    }
    if (inStore.has(write.uid) || write.result !== 'deleted') pending.push(write);
  }
  return { objects: [...objects.values()], pending };
}

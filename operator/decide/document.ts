/**
 * Decides when a pool gets another document, with which epoch, and when the ConfigMap is written.
 *
 * Every pod of the pool mounts the ConfigMap: each write costs its size for each node. It holds what a pod needs to
 * start. A change of members is pushed at once, and written once in `membersWriteMs`; a pod that started from an older
 * document gets the newest one after its first answer. Any other change is written before it is pushed: no pod may
 * start with older policies than those that another pod already enforces.
 *
 * Invariant: no epoch is given to two documents, though two operators believe to lead. The ConfigMap is the fence.
 *
 * - A write replaces only the version that its writer has read. A document of epoch E in the ConfigMap reserves the
 *   epochs E to E + `epochsReserved` − 1 for its writer.
 * - An operator pushes without a write only from its own reservation. It goes by what it wrote, not by its store, so it
 *   needs no news of others.
 * - Anybody else, and the same operator after a restart, begins behind the reservation, with a write. Of two such
 *   writes on one version, one fails.
 * - Known epochs behind the reservation show that the ConfigMap was lost, or restored. The writer of those epochs may
 *   have reserved as many again that nobody has heard of. The next document comes behind both.
 *
 * The Lease keeps two operators from leading for long; no epoch depends on it. A lost ConfigMap is no fence against an
 * epoch that is known to nobody: neither by a pod's answer nor by the pool's status.
 */

/** One gateway of the pool document. `gatewayUrl` in desired/ adds the URL. */
export interface DocumentMember {
  readonly name: string;
  readonly uid: string;
  readonly ip: string | undefined;
  readonly hostIp: string | undefined;
  readonly hasTls?: boolean;
  readonly weight: number;
  readonly state: 'serving' | 'draining';
}

/** Content of a document without its epoch, as texts that are equal where the content is. */
export interface DocumentContent {
  readonly members: string;
  /** Everything else: policies, bus, hash seed, and the key that signs it. */
  readonly rest: string;
}

interface NumberedContent extends DocumentContent {
  readonly epoch: number;
}

export interface DocumentDecisionInput {
  /** The ConfigMap's document, where it carries our present signature. */
  readonly stored: NumberedContent | undefined;
  /** Last epoch that the ConfigMap reserves for whoever wrote it, by `reservedBy`; 0: nothing of ours is stored. */
  readonly reservedUntil: number;
  /** `undefined` where the ConfigMap is not as this operator wrote it last: then the reservation is not its own. */
  readonly own:
    | {
        /** The newest document that it gave, which may not be in the ConfigMap. */
        readonly newest: NumberedContent;
        /** Milliseconds since its last write. */
        readonly sinceWriteMs: number;
      }
    | undefined;
  /** The desired content. */
  readonly content: DocumentContent;
  /** Every epoch that a pod has reported, that the pool's status holds, or that this operator gave. */
  readonly knownEpochs: readonly number[];
}

/**
 * `keep`: the newest document is right; push it to pods with a lower epoch. `push`: a new document goes to the pods
 * without a write. `write`: write the document of this epoch to the ConfigMap first, then push it; the epoch may be
 * that of the newest document.
 */
export interface DocumentDecision {
  readonly kind: 'keep' | 'push' | 'write';
  readonly epoch: number;
  /** Milliseconds until the newest document must be written. Absent where the ConfigMap has it. */
  readonly writeAfterMs?: number;
}

/** Number of epochs that one write reserves. */
export const epochsReserved = 1_000;

/** Least time between two writes that differ in members only, in milliseconds. */
export const membersWriteMs = 5_000;

/**
 * Highest epoch that is believed. No operator ever gets there; a pod that reports more is wrong, and above the last
 * safe integer no epoch could follow.
 */
const believedMax = 2 ** 52;

/** The last epoch that a document in the ConfigMap reserves for its writer. */
export function reservedBy(epoch: number): number {
  return epoch + epochsReserved - 1;
}

export function nextDocument({ stored, reservedUntil, own, content, knownEpochs }: DocumentDecisionInput): DocumentDecision {
  const newest = own?.newest ?? stored;
  const known = highestBelieved(knownEpochs, newest?.epoch ?? 0);
  const isRight = newest !== undefined && isSame(newest, content) && known <= newest.epoch;
  if (own === undefined || known > own.newest.epoch) {
    if (isRight) return { kind: 'keep', epoch: newest.epoch };
    return { kind: 'write', epoch: known > reservedUntil ? behindLost(known) : reservedUntil + 1 };
  }
  if (isRight && stored?.epoch === newest.epoch) return { kind: 'keep', epoch: newest.epoch };
  const epoch = isRight ? newest.epoch : own.newest.epoch + 1;
  const writeAfterMs = membersWriteMs - own.sinceWriteMs;
  const mustWrite = writeAfterMs <= 0 || stored?.rest !== content.rest || epoch > reservedUntil;
  return mustWrite ? { kind: 'write', epoch } : { kind: isRight ? 'keep' : 'push', epoch, writeAfterMs };
}

/** The first epoch behind a reservation that was lost with its ConfigMap, and behind one more. */
function behindLost(known: number): number {
  return known + 2 * epochsReserved;
}

function highestBelieved(epochs: readonly number[], newest: number): number {
  const believed = Math.max(believedMax, newest);
  return epochs.reduce((highest, epoch) => (Number.isSafeInteger(epoch) && epoch <= believed ? Math.max(highest, epoch) : highest), 0);
}

function isSame(one: DocumentContent, other: DocumentContent): boolean {
  return one.members === other.members && one.rest === other.rest;
}

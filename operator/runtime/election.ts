/**
 * Who leads, decided from the Lease as it was read and a clock that never runs backwards.
 *
 * The times written in the Lease are for people. A Lease counts as held until its duration has passed since *we saw it
 * change*, so clocks that differ between machines change nothing. A leader counts from *before* it sent its last
 * accepted write, the others from after it was written: the leader's deadline, being shorter than the duration, always
 * ends first.
 *
 * The Lease of an earlier process of the same pod is not waited for: a kubelet starts a container again only when the
 * one before has ended, and a pod never runs on two nodes, so that process is gone. A write that it had still sent
 * changes the version, which refuses ours, and we read again.
 */

/** Kubernetes' own are 15 s, 10 s and 2 s. */
export interface ElectionTimes {
  /** How long the others wait after the last change that they saw. */
  readonly leaseDurationMs: number;
  /** How long a leader leads after its last accepted write. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

export const defaultElectionTimes: ElectionTimes = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };

/** Who stands for election. */
export interface Candidate {
  /** Another for each process, also of the same pod. */
  readonly identity: string;
  /**
   * How the identities of all processes of our pod begin, of which one runs at a time; absent where nobody sees to
   * that.
   */
  readonly pod?: string;
}

/** @param podUid as the kubelet told it; empty: the process does not know of a pod */
export function candidateOf(process: { readonly name: string; readonly podUid: string; readonly nonce: string }): Candidate {
  const { name, podUid, nonce } = process;
  return podUid === '' ? { identity: `${name}_${nonce}` } : { identity: `${name}_${podUid}_${nonce}`, pod: `${name}_${podUid}_` };
}

/** What of a Lease matters; `version` changes with every write. An empty holder has released it. */
export interface LeaseRecord {
  readonly holder: string;
  readonly durationMs: number;
  readonly version: string;
}

export interface ElectionState {
  /** The Lease as last read; `undefined` where there is none. */
  readonly record: LeaseRecord | undefined;
  /** When we first saw this record. */
  readonly changedAt: number;
  /** When we sent the last write that was accepted; `undefined` while we do not lead. */
  readonly renewedAt: number | undefined;
}

export type ElectionStep =
  | { readonly kind: 'create' }
  | { readonly kind: 'acquire' }
  | { readonly kind: 'renew' }
  /** Somebody else leads: nothing can change for `forMs` milliseconds unless they release it. */
  | { readonly kind: 'wait'; readonly forMs: number }
  /** We led and do no longer: the process must end, since what it has begun may be somebody else's now. */
  | { readonly kind: 'lost'; readonly reason: string };

export const nothingObserved: ElectionState = { record: undefined, changedAt: 0, renewedAt: undefined };

/** The Lease was read, or written by us: `renewedAt` is then the time before the write was sent. */
export function observed(state: ElectionState, record: LeaseRecord | undefined, now: number, renewedAt?: number): ElectionState {
  const isSame = state.record?.version === record?.version && state.record?.holder === record?.holder;
  return { record, changedAt: isSame ? state.changedAt : now, renewedAt: renewedAt ?? state.renewedAt };
}

/** Whether we may act as the leader at this moment. */
export function leads(state: ElectionState, times: ElectionTimes, now: number): boolean {
  return state.renewedAt !== undefined && now < state.renewedAt + times.renewDeadlineMs;
}

export function nextStep(state: ElectionState, { identity, pod }: Candidate, times: ElectionTimes, now: number): ElectionStep {
  const { record, renewedAt } = state;
  if (renewedAt !== undefined) {
    if (now >= renewedAt + times.renewDeadlineMs) return { kind: 'lost', reason: 'the Lease could not be renewed in time' };
    if (record === undefined) return { kind: 'create' };
    return record.holder === identity ? { kind: 'renew' } : { kind: 'lost', reason: `the Lease is held by ${record.holder || 'nobody'}` };
  }
  if (record === undefined) return { kind: 'create' };
  if (record.holder === '' || (pod !== undefined && record.holder.startsWith(pod))) return { kind: 'acquire' };
  // Without a pod, a record with our name that we know nothing of is waited for like any other's.
  const heldUntil = state.changedAt + record.durationMs;
  return now >= heldUntil ? { kind: 'acquire' } : { kind: 'wait', forMs: heldUntil - now };
}

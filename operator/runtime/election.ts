/**
 * Decides who leads, from the Lease and a clock that never runs backwards.
 *
 * The times written in the Lease are for people. A Lease counts as held until its duration has passed since *we saw it
 * change*, so different clocks on different machines do no harm. A leader counts from *before* its last accepted write,
 * the others from after it. The leader's deadline is shorter than the duration, so it always ends first.
 *
 * The Lease of an earlier process of the same pod is taken over without a wait. A kubelet restarts a container only
 * after the earlier one has ended, and a pod never runs on two nodes, so that process is gone. A late write of it
 * changes the version, which refuses ours, and we read again.
 */

/** Times of an election. Kubernetes' own components use 15 s, 10 s and 2 s. */
export interface ElectionTimes {
  /** How long the other candidates wait after the last change that they saw. */
  readonly leaseDurationMs: number;
  /** How long a leader leads after its last accepted write. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

export const defaultElectionTimes: ElectionTimes = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };

/** A process that stands for election. */
export interface Candidate {
  /** Unique for each process, also within one pod. */
  readonly identity: string;
  /** Common beginning of the identities of our pod's processes, of which one runs at a time. Absent outside a pod. */
  readonly pod?: string;
}

/** @param podUid as the kubelet told it; empty: the process does not run in a pod that it knows of */
export function candidateOf(process: { readonly name: string; readonly podUid: string; readonly nonce: string }): Candidate {
  const { name, podUid, nonce } = process;
  return podUid === '' ? { identity: `${name}_${nonce}` } : { identity: `${name}_${podUid}_${nonce}`, pod: `${name}_${podUid}_` };
}

/** The fields of a Lease that matter. `version` changes with every write. An empty holder means released. */
export interface LeaseRecord {
  readonly holder: string;
  readonly durationMs: number;
  readonly version: string;
}

export interface ElectionState {
  /** The Lease as last read; `undefined`: there is none. */
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
  /** Somebody else leads: for `forMs` milliseconds only a release can change that. */
  | { readonly kind: 'wait'; readonly forMs: number }
  /** We have lost the lead. The process must end: its unfinished work may be another leader's now. */
  | { readonly kind: 'lost'; readonly reason: string };

export const nothingObserved: ElectionState = { record: undefined, changedAt: 0, renewedAt: undefined };

/** State after the Lease was read or written. After a write of ours `renewedAt` is the time before it was sent. */
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
  // Without a pod, an unknown record with our name is waited for like any other.
  const heldUntil = state.changedAt + record.durationMs;
  return now >= heldUntil ? { kind: 'acquire' } : { kind: 'wait', forMs: heldUntil - now };
}

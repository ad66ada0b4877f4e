/**
 * Decides which faults of a pool have begun and which are over. Conditions say what is so; events say when it began and
 * ended.
 *
 * A refusal of the API server is told at once. Trouble of a pod is told once it has lasted: a starting gateway waits a
 * moment for its bus and its document. It is over only when the pool has settled: a gateway that crashes again and
 * again runs in between.
 */
import { eventReasons, type ActionEvent, type EventReason } from './actions.ts';
import { faultBlockers, gatewayBlockers } from './blocker.ts';
import type { Condition, ConditionDraft } from './conditions.ts';
import type { PoolFacts } from './pool-conditions.ts';
import { isAvailable } from './observed.ts';

/** A fault at this moment. */
export interface Complaint {
  readonly reason: EventReason;
  /** The object of the fault; empty for the pool itself. */
  readonly subject: string;
  readonly message: string;
  /** Whether the fault counts only once it has lasted, as a pod's trouble does. */
  readonly isFleeting: boolean;
}

/** A fault that has begun and is not over. */
export interface OpenComplaint {
  readonly reason: EventReason;
  /** `undefined`: a fault that an earlier operator told of, about any object. */
  readonly subject: string | undefined;
  readonly isFleeting: boolean;
  /** Milliseconds of the monotonic clock. */
  readonly since: number;
  readonly isTold: boolean;
}

export interface ComplaintDecision {
  /** Pass these to the next decision. */
  readonly open: readonly OpenComplaint[];
  readonly events: readonly ActionEvent[];
  /** Milliseconds until the next decision even without a change. */
  readonly reviewAfterMs: number | undefined;
}

/** How long a pod's trouble lasts before it is told, in milliseconds. */
export const fleetingMs = 5_000;

/** The faults of a pool, and whether the absence of others means anything. */
export interface Complaints {
  readonly complaints: readonly Complaint[];
  /** Whether every pod is available and none is on its way. */
  readonly isSettled: boolean;
  /** Whether refused steps are tried again. Only then does the absence of a refusal mean that it is over. */
  readonly isTrying: boolean;
}

/** @param drafts the pool's present conditions */
export function complaintsOf(facts: PoolFacts, drafts: readonly ConditionDraft[]): Complaints {
  const { observed, publishers } = facts;
  const faults = faultBlockers(observed.faults).map((blocker) => ({ ...blocker, isFleeting: false }));
  const standing = observed.gateways.filter(({ isTerminating, drain }) => !isTerminating && drain === undefined);
  const troubles = gatewayBlockers(
    standing.filter((gateway) => !isAvailable(gateway)),
    observed.now,
  ).map(({ reason, message }) => ({
    reason: knownReason(reason) ?? 'GatewayNotReady',
    subject: '',
    message,
    isFleeting: true,
  }));
  const spoken = drafts.flatMap(({ type, status, reason, message }) => {
    const known = knownReason(reason);
    return status === 'False' && complainingTypes.has(type) && known !== undefined
      ? [{ reason: known, subject: '', message, isFleeting: false }]
      : [];
  });
  const hasPublisher = publishers === undefined || publishers.available > 0;
  const mute: readonly Complaint[] =
    hasPublisher || publishers.obstacle === undefined
      ? []
      : [{ reason: 'PublishersNotReady', subject: '', message: `No publisher is ready. ${publishers.obstacle}`, isFleeting: true }];
  const isStarting = drafts.some(({ type, reason }) => type === 'Ready' && reason === 'GatewaysStarting');
  return {
    complaints: [...faults, ...troubles, ...spoken, ...mute],
    isSettled: !isStarting && standing.every(isAvailable) && hasPublisher,
    isTrying: !observed.pool.spec.paused,
  };
}

/**
 * @param open the result of the last decision; after a start of the operator `toldBy` the stored conditions
 * @param now milliseconds of the monotonic clock
 */
export function decideComplaints(
  open: readonly OpenComplaint[],
  { complaints, isSettled, isTrying }: Complaints,
  now: number,
): ComplaintDecision {
  const next: OpenComplaint[] = [];
  const events = new Map<EventReason, ActionEvent>();
  for (const { reason, subject, message, isFleeting } of complaints) {
    const before = open.find((each) => isAbout(each, { reason, subject }));
    const since = before?.since ?? now;
    const isTold = before?.isTold ?? false;
    const tells = !isTold && (!isFleeting || now - since >= fleetingMs);
    if (tells && !events.has(reason)) events.set(reason, { type: 'Warning', reason, message });
    if (!next.some((each) => each.reason === reason && each.subject === subject))
      next.push({ reason, subject, isFleeting, since, isTold: isTold || tells });
  }
  const gone = open.filter((each) => each.isTold && !complaints.some((complaint) => isAbout(each, complaint)));
  const lasting = gone.filter(({ isFleeting }) => !isTrying || (isFleeting && !isSettled));
  const over = gone.filter((each) => !lasting.includes(each) && !next.some(({ reason }) => reason === each.reason));
  const recoveries = [...Map.groupBy(over, ({ reason }) => reason)].map(([reason, each]): ActionEvent => recovery(reason, each));
  const waits = next.flatMap(({ isTold, since }) => (isTold ? [] : [Math.max(0, since + fleetingMs - now)]));
  return {
    open: [...next, ...lasting],
    events: [...recoveries, ...events.values()],
    reviewAfterMs: waits.length === 0 ? undefined : Math.min(...waits),
  };
}

/** The faults that an earlier operator told of, from the conditions that it stored. */
export function toldBy(conditions: readonly Condition[]): readonly OpenComplaint[] {
  const told = conditions.flatMap(({ type, status, reason }) => {
    const known = knownReason(reason);
    const complains = status === 'False' && (complainingTypes.has(type) || type === 'Ready' || type === 'Progressing');
    return complains && known !== undefined ? [known] : [];
  });
  return [...new Set(told)].map((reason) => ({
    reason,
    subject: undefined,
    isFleeting: fleetingReasons.has(reason),
    since: 0,
    isTold: true,
  }));
}

/** Conditions that are a fault whenever they are False. */
const complainingTypes: ReadonlySet<string> = new Set(['PodSecurity', 'TemplateApplied', 'DrainTimely', 'BusSeparate', 'PoliciesInForce']);

const fleetingReasons: ReadonlySet<EventReason> = new Set([
  'Unschedulable',
  'ImagePullFailed',
  'ContainerConfigError',
  'GatewayCrashes',
  'RedisUnreachable',
  'GatewaySilent',
  'GatewayNotReady',
  'PublishersNotReady',
]);

function knownReason(reason: string): EventReason | undefined {
  return eventReasons.find((each) => each === reason);
}

function isAbout(open: OpenComplaint, { reason, subject }: Pick<Complaint, 'reason' | 'subject'>): boolean {
  return open.reason === reason && (open.subject === undefined || open.subject === subject);
}

function recovery(reason: EventReason, over: readonly OpenComplaint[]): ActionEvent {
  const subjects = over.flatMap(({ subject }) => (subject === undefined || subject === '' ? [] : [subject]));
  const about = subjects.length === 0 ? '' : ` (${subjects.slice(0, 3).join(', ')}${subjects.length > 3 ? ', …' : ''})`;
  return { type: 'Normal', reason: 'Recovered', message: `${reason} is over${about}`, ended: reason };
}

/**
 * Which faults of a pool have begun and which are over: conditions say what is so, events when it became so.
 *
 * What the API server refuses is told at once. What a pod goes through is told when it has lasted, since a gateway that
 * starts waits for its bus and its document for a moment; and it is over only when nothing is on its way any more,
 * since a gateway that ends again and again runs in between.
 */
import { eventReasons, type ActionEvent, type EventReason } from './actions.ts';
import { faultBlockers, gatewayBlockers } from './blocker.ts';
import type { Condition, ConditionDraft } from './conditions.ts';
import type { PoolFacts } from './pool-conditions.ts';
import { isAvailable } from './observed.ts';

/** Something that is wrong at this moment. */
export interface Complaint {
  readonly reason: EventReason;
  /** What it is about, where several things can be wrong for one reason; empty where it is the pool. */
  readonly subject: string;
  readonly message: string;
  /** Pods come and go: it counts only when it lasts. */
  readonly isFleeting: boolean;
}

/** A fault that has begun and is not over. */
export interface OpenComplaint {
  readonly reason: EventReason;
  /** `undefined`: of an earlier operator, whatever it was about. */
  readonly subject: string | undefined;
  readonly isFleeting: boolean;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly isTold: boolean;
}

export interface ComplaintDecision {
  /** Keep these for the next time. */
  readonly open: readonly OpenComplaint[];
  readonly events: readonly ActionEvent[];
  /** Decide again after this time even if nothing changes, in milliseconds. */
  readonly reviewAfterMs: number | undefined;
}

/** How long a pod's trouble lasts before it is told, in milliseconds. */
export const fleetingMs = 5_000;

/** What is wrong with a pool, and what is known of the rest. */
export interface Complaints {
  readonly complaints: readonly Complaint[];
  /** All its pods are where they should be. */
  readonly isSettled: boolean;
  /** What was refused is tried again: that nothing is refused says something. */
  readonly isTrying: boolean;
}

/** @param drafts the pool's conditions of this moment */
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
 * @param open what the last decision handed back; after a start of the operator `toldBy` the stored conditions
 * @param now milliseconds since 1970
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

/** What an earlier operator has told already, by the conditions that it has left. */
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

/** Conditions that are a fault by themselves whenever they are False. */
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
  return { type: 'Normal', reason: 'Recovered', message: `${reason} is over${about}` };
}

/**
 * Makes the times that others wrote (the API server, kubelets, an earlier leader) comparable with this operator's
 * clock. Their clocks may differ, and the own one may be set at any moment. So a time counts by its age: the age at its
 * first sight, and from then on the monotonic clock. A time that appears while this operator looks is no older than its
 * last look. So after a clock was set, waits last as long as before; under a new leader a wait may begin anew, once.
 */
import type { ObservedGateway } from './observed.ts';

/** The times of a pool's gateways as they were first seen. */
export interface TimeMemory {
  /** When the gateways were last looked at, in milliseconds of the monotonic clock. */
  readonly lookedAt: number;
  readonly sights: ReadonlyMap<string, Sight>;
}

interface Sight {
  /** The time as it was written, in Unix milliseconds. */
  readonly written: number;
  /** Its age when it was first seen, in milliseconds. */
  readonly ageMs: number;
  /** When it was first seen, in milliseconds of the monotonic clock. */
  readonly seenAt: number;
}

/** Difference up to which a time stays as it was written, in milliseconds, so that the order of times stays too. */
const toleranceMs = 1_000;

/**
 * @param before `undefined` after a start of the operator
 * @param clocks the present moment: `now` in Unix milliseconds, `monotonic` in milliseconds of the monotonic clock
 * @returns the gateways with times by the present wall clock
 */
export function withSteadyTimes(
  gateways: readonly ObservedGateway[],
  before: TimeMemory | undefined,
  { now, monotonic }: { readonly now: number; readonly monotonic: number },
): { readonly gateways: readonly ObservedGateway[]; readonly memory: TimeMemory } {
  const sinceLookMs = monotonic - (before?.lookedAt ?? monotonic);
  const sights = new Map<string, Sight>();
  const steady = (key: string, written: number, ageAtStartMax = Infinity): number => {
    const known = before?.sights.get(key);
    const sight =
      known?.written === written
        ? known
        : { written, ageMs: Math.min(Math.max(0, now - written), before === undefined ? ageAtStartMax : sinceLookMs), seenAt: monotonic };
    sights.set(key, sight);
    const time = now - (sight.ageMs + monotonic - sight.seenAt);
    return Math.abs(time - written) < toleranceMs ? written : time;
  };
  const steadied = gateways.map((gateway): ObservedGateway => {
    const { uid, deletedAt, endedAt, drain } = gateway;
    const startedAt = drain?.startedAt === undefined ? undefined : steady(`${uid} drain`, drain.startedAt);
    return {
      ...gateway,
      createdAt: steady(`${uid} created`, gateway.createdAt),
      // A new operator waits for a deleted gateway that it has not asked yet, however old the deletion looks.
      deletedAt: deletedAt === undefined ? undefined : steady(`${uid} deleted`, deletedAt, 0),
      endedAt: endedAt === undefined ? undefined : steady(`${uid} ended`, endedAt),
      // Both times of a drain are of one clock: the time in between is right.
      drain:
        drain?.startedAt === undefined || startedAt === undefined
          ? drain
          : { startedAt, deadlineAt: drain.deadlineAt === undefined ? undefined : startedAt + drain.deadlineAt - drain.startedAt },
    };
  });
  return { gateways: steadied, memory: { lookedAt: monotonic, sights } };
}

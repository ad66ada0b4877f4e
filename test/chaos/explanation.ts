import { isOrderOf } from '../../core/publication.ts';
import type { Gap } from './fault.ts';
import type { Absence, ChannelRules, Incident } from './record.ts';

/**
 * After the world is whole again a gap may still come of what was done to it: a lost subscription is found within ten
 * seconds, and any process may stand still for some.
 */
const graceMs = 20_000;
/**
 * A reader that pulls leaves a silent gateway after 15 s, and then waits up to 20 s. It believes an order that it does
 * not know at the fourth head. So it may learn later than others that a channel began anew.
 */
const newOrderGraceMs = 45_000;
/** Most publications that a client which comes back is given, by default. */
const resumePublicationsMax = 300;

/**
 * What nobody did: the machine had no time for this process or for a gateway, and so perhaps for Redis and its proxies.
 * Clients and buses give up what stands still.
 */
export const stall = 'stall';

/** Whether something that was done to the world may cost this viewer this gap. */
export function isExplained(gap: Gap, rules: ChannelRules, known: KnownTroubles): boolean {
  const stalledMs = known.incidents.reduce((sum, { what, from, to }) => (what === stall ? sum + to - from : sum), 0);
  const isPulledOrder = known.isPulled && gap.reason === 'epoch';
  const untilMs = (isPulledOrder ? newOrderGraceMs : graceMs) + stalledMs;
  const near = known.incidents.filter(({ from, to }) => from <= gap.at && gap.at <= to + untilMs);
  if (near.some(({ data }) => data)) return true;
  const wasAway = known.absences.some(({ from, to }) => from <= gap.at && gap.at <= to + untilMs);
  const isOfConnection = near.some(({ connections }) => connections) && (wasAway || gap.reason !== 'reconnect');
  if (rules.history) return isOfConnection && isTooLong(gap);
  return isOfConnection || near.some(({ bus }) => bus);
}

interface KnownTroubles {
  readonly incidents: readonly Incident[];
  /** Of this viewer. */
  readonly absences: readonly Absence[];
  /** Whether it pulls. */
  readonly isPulled: boolean;
}

/** Whether a client that comes back is not given so many publications. */
function isTooLong({ from, to }: Gap): boolean {
  return from !== undefined && isOrderOf(from, to.epoch) && to.offset - from.offset > resumePublicationsMax;
}

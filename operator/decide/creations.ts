import type { PoolAction } from './actions.ts';
import { hasEnded, type ObservedPool } from './observed.ts';
import { joinsGateways } from './rollout.ts';

/** Bound of creations in one plan. The next plan creates the rest. */
const creationsMax = 64;

/**
 * New pods take the first free names. So a plan that is made again from a late store asks for the same names.
 * @param provable how many of them may be of the update revision; the others are of the one that was complete last
 */
export function createPods(observed: ObservedPool, missing: number, provable: number): readonly PoolAction[] {
  const { pool, gateways, foreignNames, faults, updateRevision, keptRevision = updateRevision } = observed;
  const count = joinsGateways(pool.spec) || gateways.every(hasEnded) ? missing : 0;
  // A pod without our labels is seen only by the refusal of its name.
  const refused = faults.flatMap(({ kind, subject }) => (kind === 'NameTaken' && subject.startsWith('Pod ') ? [subject.slice(4)] : []));
  const taken = new Set([...gateways.map(({ name }) => name), ...foreignNames, ...refused]);
  const actions: PoolAction[] = [];
  for (let slot = 0; actions.length < Math.min(count, creationsMax);) {
    const isKept = actions.length >= provable;
    const revision = isKept ? keptRevision : updateRevision;
    const name = `${pool.metadata.name}-${revision.slice(0, 5)}-${slot}`;
    slot += 1;
    if (taken.has(name)) continue;
    taken.add(name);
    const why = isKept ? ` of revision ${revision}, which was complete last: ${updateRevision} has not shown that it works` : '';
    actions.push({
      kind: 'create-pod',
      name,
      revision,
      event: { type: 'Normal', reason: 'PodCreated', message: `Created gateway ${name}${why}` },
    });
    if (actions.length === provable) slot = 0;
  }
  return actions;
}

import type { PoolAction } from '../decide/actions.ts';
import type { ObservedGateway } from '../decide/observed.ts';
import { PlanCourse, podOf } from '../decide/plan-course.ts';
import type { Clock } from '../../core/clock.ts';
import type { ActionShell, ActionSurroundings, PodWrite } from './action-shell.ts';
import type { Attempts } from './attempts.ts';
import type { PoolMemory, Refusal } from './pool-memories.ts';

/** How long the refusal of an action that is not due again stands, in milliseconds. */
const refusalMs = 120_000;

interface PlanContext {
  readonly gateways: readonly ObservedGateway[];
  readonly memory: Pick<PoolMemory, 'writes' | 'refusals'>;
  readonly attempts: Attempts;
  readonly surroundings: ActionSurroundings;
  readonly taken: (action: PoolAction) => void;
}

/** Carries out the actions of a plan, and remembers what was refused. */
export class PlanRunner {
  readonly #actions: ActionShell;
  readonly #clock: Clock;

  constructor(options: { readonly actions: ActionShell; readonly clock: Clock }) {
    this.#actions = options.actions;
    this.#clock = options.clock;
  }

  /** @throws errors without an answer of the API server */
  async run(actions: readonly PoolAction[], { gateways, memory, attempts, surroundings, taken }: PlanContext): Promise<void> {
    const draining = gateways.filter(({ drain }) => drain !== undefined).map(({ name }) => name);
    const course = new PlanCourse(memory.refusals.keys(), draining);
    const refusals = this.#standing(gateways, memory.refusals);
    for (const action of actions) {
      if (!course.mayTake(action)) continue;
      const name = podOf(action);
      const faultsBefore = attempts.faults.length;
      const step = await attempts.run(`Pod ${name}`, async () => {
        const write = await this.#actions.apply(action, surroundings);
        if (write !== undefined) memory.writes = withWrite(memory.writes, write);
      });
      if (step === 'failed') {
        const fault = attempts.faults.at(faultsBefore);
        course.refused(action, fault?.kind);
        refusals.set(name, { fault, at: this.#clock.monotonic() });
        continue;
      }
      course.done(action);
      refusals.delete(name);
      taken(action);
    }
    memory.refusals = refusals;
  }

  /** Refusals that still count: their pods exist, and their last attempt is not long ago. */
  #standing(gateways: readonly ObservedGateway[], refusals: PoolMemory['refusals']): Map<string, Refusal> {
    const existing = new Set(gateways.map(({ name }) => name));
    const now = this.#clock.monotonic();
    return new Map([...refusals].filter(([name, { at }]) => existing.has(name) && now - at < refusalMs));
  }
}

/** The latest write of a pod is enough: it contains the earlier ones. */
function withWrite(writes: readonly PodWrite[], write: PodWrite): readonly PodWrite[] {
  return [...writes.filter(({ uid }) => uid !== write.uid), write];
}

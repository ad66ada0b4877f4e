import type { PoolAction } from './actions.ts';
import type { ObservedFault } from './fault.ts';

/**
 * Decides which actions of a plan may still be taken after some were refused.
 *
 * - A refused action ends only the actions for its pod.
 * - A refused creation ends the other creations, since all pods are alike: a quota or a template refuses them too. A
 *   taken name says nothing about other names.
 * - An action that was refused before and succeeds now makes the plan out of date: it was made without that action. No
 *   further gateway begins to leave.
 */
export class PlanCourse {
  readonly #refusedBefore: ReadonlySet<string>;
  readonly #leaving: ReadonlySet<string>;
  readonly #refused = new Set<string>();
  #mayCreate = true;
  #isOutdated = false;

  /**
   * @param refusedBefore names of pods for which an earlier plan's action was refused
   * @param leaving names of pods that drain already
   */
  constructor(refusedBefore: Iterable<string>, leaving: Iterable<string>) {
    this.#refusedBefore = new Set(refusedBefore);
    this.#leaving = new Set(leaving);
  }

  mayTake(action: PoolAction): boolean {
    const name = podOf(action);
    if (this.#refused.has(name)) return false;
    if (action.kind === 'create-pod') return this.#mayCreate;
    const begins = action.kind === 'mark-draining' || (action.kind === 'delete-pod' && !this.#leaving.has(name));
    return !(begins && this.#isOutdated);
  }

  done(action: PoolAction): void {
    const counts = action.kind === 'create-pod' || action.kind === 'mark-draining' || action.kind === 'delete-pod';
    if (counts && this.#refusedBefore.has(podOf(action))) this.#isOutdated = true;
  }

  /** @param fault `undefined`: it may pass by itself */
  refused(action: PoolAction, fault: ObservedFault['kind'] | undefined): void {
    this.#refused.add(podOf(action));
    if (action.kind === 'create-pod' && fault !== 'NameTaken') this.#mayCreate = false;
  }
}

/** Name of the action's pod. */
export function podOf(action: PoolAction): string {
  return action.kind === 'create-pod' ? action.name : action.pod.name;
}

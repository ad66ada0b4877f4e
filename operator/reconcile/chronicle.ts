import type { Clock } from '../../core/clock.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import type { ActionEvent, PoolAction, PoolPlan } from '../decide/actions.ts';
import { decideComplaints, type Complaints } from '../decide/complaints.ts';
import type { ObservedPool } from '../decide/observed.ts';
import { podOf } from '../decide/plan-course.ts';
import { rolloutProgress } from '../decide/rollout-progress.ts';
import type { OperatorJournal } from '../kube/log-lines.ts';
import type { Recorder } from '../kube/recorder.ts';
import { resources } from '../kube/resources.ts';
import { regarding, type KubeObject } from '../runtime/kube-api.ts';
import type { PoolMemory } from './pool-memories.ts';

/** Tells what happens to pools: users by events, and operators of the operator by its log. */
export class Chronicle {
  readonly #recorder: Recorder;
  readonly #journal: OperatorJournal;
  readonly #clock: Clock;

  constructor(options: { readonly recorder: Recorder; readonly journal: OperatorJournal; readonly clock: Clock }) {
    this.#recorder = options.recorder;
    this.#journal = options.journal;
    this.#clock = options.clock;
  }

  /** An action that the API server or the gateway has taken. */
  action(pool: GatewayPool & KubeObject, action: PoolAction): void {
    const { namespace, name } = pool.metadata;
    const event = 'event' in action ? action.event : undefined;
    const fields = {
      namespace,
      pool: name,
      pod: podOf(action),
      action: action.kind,
      reason: event?.reason ?? ('reason' in action ? action.reason : undefined),
      note: event?.message ?? ('message' in action ? action.message : undefined),
    };
    // A silent gateway gets its command again and again. A name that was free again may have another pod.
    if (action.kind === 'create-pod') this.#journal.write('action-taken', fields);
    else {
      const change = action.kind === 'set-serving' ? `${action.kind} ${action.serving}` : action.kind;
      this.#journal.writeChange('action-taken', { subject: action.pod.uid, change }, fields);
    }
    if (event !== undefined) this.#record(pool, event);
  }

  /** An event about the pool itself: its number of gateways, a step from one bus to another, or a fault. */
  event(pool: GatewayPool & KubeObject, event: ActionEvent): void {
    this.#log(pool, event);
    this.#record(pool, event);
  }

  /**
   * Tells of faults that have begun and faults that are over.
   * @returns when a fault that has not lasted long enough must be reviewed, in milliseconds
   */
  complain(pool: GatewayPool & KubeObject, complaints: Complaints, memory: Pick<PoolMemory, 'complaints'>): number | undefined {
    const { open, events, reviewAfterMs } = decideComplaints(memory.complaints, complaints, this.#clock.monotonic());
    memory.complaints = open;
    for (const event of events) this.event(pool, event);
    return reviewAfterMs;
  }

  rollout({ metadata }: GatewayPool, observed: ObservedPool, { rollout, scaling }: PoolPlan, memory: Pick<PoolMemory, 'rollout'>): void {
    const next = rolloutProgress(memory.rollout, observed, { state: rollout.state, desired: scaling.desired });
    memory.rollout = next.memory;
    if (next.progress === undefined) return;
    const { kind, ...figures } = next.progress;
    this.#journal.write(`rollout-${kind}`, { namespace: metadata.namespace, pool: metadata.name, ...figures, note: rollout.message });
  }

  #log({ metadata: { namespace, name } }: GatewayPool, event: ActionEvent): void {
    const { reason, message, ended } = event;
    const line = lineOf(event);
    const fields = { namespace, pool: name, reason: ended ?? reason, note: message };
    // The next observation may not have heard of the status that told of the same.
    this.#journal.writeChange(line, { subject: `${namespace}/${name} ${fields.reason}`, change: `${line} ${message}` }, fields);
  }

  #record(pool: KubeObject, { type, reason, message }: ActionEvent): void {
    this.#recorder.record({ regarding: regarding(resources.gatewayPool, pool), type, reason, action: reason, note: message });
  }
}

/** The name of an event's line in the log. */
function lineOf({ type, reason, ended }: ActionEvent): 'fault-began' | 'fault-ended' | 'pool-scaled' | 'bus-change-step' {
  if (ended !== undefined) return 'fault-ended';
  if (reason.startsWith('Bus')) return 'bus-change-step';
  return type === 'Warning' ? 'fault-began' : 'pool-scaled';
}

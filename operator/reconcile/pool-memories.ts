import type { GatewayPool } from '../api/gateway-pool.ts';
import type { BusMemory } from '../decide/bus-change.ts';
import { toldBy, type OpenComplaint } from '../decide/complaints.ts';
import type { ObservedFault } from '../decide/fault.ts';
import type { RolloutMemory } from '../decide/rollout-progress.ts';
import type { ScalingDecision, ScalingMemory } from '../decide/scaling.ts';
import type { PoolDocument } from '../../core/pool/pool-document.ts';
import type { TimeMemory } from '../decide/steady-times.ts';
import { storedConditions } from '../decide/conditions.ts';
import type { PodWrite } from './action-shell.ts';
import type { Children } from './children.ts';
import type { DocumentKeeper } from './document-keeper.ts';
import type { StatusPace } from './pool-status.ts';

/** A refused action for a pod. */
export interface Refusal {
  /** `undefined`: it may pass by itself. */
  readonly fault: ObservedFault | undefined;
  /** Of the last attempt, in milliseconds of the monotonic clock. */
  readonly at: number;
}

/** What the operator decided last about a pool, for its operations page. */
export interface PoolDecision {
  /** In Unix milliseconds. */
  readonly at: number;
  readonly scaling: ScalingDecision;
  /** The newest pool document; `undefined` before the first. */
  readonly document: PoolDocument | undefined;
  /** Revision of the pod that the pool describes. */
  readonly updateRevision: string;
}

/** What the operator keeps of a pool between two reconciles. Nothing in it is needed to be right, only to be smooth. */
export interface PoolMemory {
  scaling: ScalingMemory | undefined;
  faults: readonly ObservedFault[];
  /** The refused actions, by the name of their pod. */
  refusals: ReadonlyMap<string, Refusal>;
  /** For each subject that fails for a passing reason: when that began, in milliseconds of the monotonic clock. */
  failing: ReadonlyMap<string, number>;
  /** Our own writes to pods that the store has not heard of. */
  writes: readonly PodWrite[];
  /** Faults that have begun and are not over. */
  complaints: readonly OpenComplaint[];
  readonly statusPace: StatusPace;
  /** The rollout under way; `undefined` after a start. */
  rollout: RolloutMemory | 'none' | undefined;
  /** The times of its gateways; `undefined` after a start. */
  times: TimeMemory | undefined;
  bus: BusMemory;
  /** `undefined` before the first. */
  decision: PoolDecision | undefined;
}

/** The memories of all pools, by `namespace/name`. A new pool under an old name starts with a new memory. */
export class PoolMemories {
  readonly #children: Children;
  readonly #documents: DocumentKeeper;
  readonly #memories = new Map<string, { readonly uid: string; readonly memory: PoolMemory }>();

  constructor(options: { readonly children: Children; readonly documents: DocumentKeeper }) {
    this.#children = options.children;
    this.#documents = options.documents;
  }

  get size(): number {
    return this.#memories.size;
  }

  of(key: string, { metadata, status }: GatewayPool): PoolMemory {
    const known = this.#memories.get(key);
    if (known?.uid === metadata.uid) return known.memory;
    this.forget(key);
    const memory: PoolMemory = {
      scaling: undefined,
      faults: [],
      refusals: new Map(),
      failing: new Map(),
      writes: [],
      complaints: toldBy(storedConditions(status ?? {})),
      statusPace: { writtenAt: undefined },
      rollout: undefined,
      times: undefined,
      bus: { movedSince: undefined, awaySince: undefined },
      decision: undefined,
    };
    this.#memories.set(key, { uid: metadata.uid, memory });
    return memory;
  }

  /** The last decision about a pool; `undefined` before the first. */
  decisionOf(key: string): PoolDecision | undefined {
    return this.#memories.get(key)?.memory.decision;
  }

  /** Forgets the pool, its children and its document. */
  forget(key: string): void {
    const known = this.#memories.get(key);
    this.#memories.delete(key);
    this.#children.forgetAllBut(key, new Set());
    if (known !== undefined) this.#documents.forget(key, known.uid);
  }
}

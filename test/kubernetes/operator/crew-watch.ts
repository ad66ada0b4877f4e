import { names } from '../../../operator/desired/labels.ts';
import type { PoolPod } from '../../../operator/reconcile/pod-view.ts';
import type { OperatedCluster } from './operated-cluster.ts';

/** What was the worst that a pool's gateways went through since `begin`. */
export interface WorstOfCrew {
  /** Fewest that were ready for clients. */
  readonly available: number;
  /** Most that were on their way out at once. */
  readonly leaving: number;
}

/** Looks at a pool's gateways at every change of them. */
export class CrewWatch {
  readonly #operated: OperatedCluster;
  readonly #pool: string;
  #worst: WorstOfCrew = { available: Infinity, leaving: 0 };

  constructor(operated: OperatedCluster, pool: string) {
    this.#operated = operated;
    this.#pool = pool;
    operated.pods.pods.onChange(() => this.#look());
  }

  begin(): void {
    this.#worst = { available: Infinity, leaving: 0 };
    this.#look();
  }

  get worst(): WorstOfCrew {
    return this.#worst;
  }

  #look(): void {
    const pods = this.#operated.gateways(this.#pool);
    const available = pods.filter(isAvailable).length;
    const leaving = pods.filter((pod) => isLeaving(pod)).length;
    this.#worst = { available: Math.min(this.#worst.available, available), leaving: Math.max(this.#worst.leaving, leaving) };
  }
}

function isAvailable(pod: PoolPod): boolean {
  const isTrue = (wanted: string): boolean =>
    pod.status?.conditions?.some(({ type, status }) => type === wanted && status === 'True') ?? false;
  return pod.metadata.deletionTimestamp === undefined && isTrue('ContainersReady') && isTrue(names.serving);
}

function isLeaving({ metadata }: PoolPod): boolean {
  return metadata.deletionTimestamp !== undefined || metadata.annotations?.[names.annotation.drainStarted] !== undefined;
}

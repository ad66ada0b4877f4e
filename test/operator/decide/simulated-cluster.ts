import { poolWith } from './pool-fixture.ts';
import { Random } from '../../simulation/random.ts';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import type { PoolAction, PoolPlan } from '../../../operator/decide/actions.ts';
import type { ObservedGateway, ObservedPool, PolledGateway } from '../../../operator/decide/observed.ts';
import { withOwnWrites, type OwnWrite } from '../../../operator/decide/own-writes.ts';
import { planPool } from '../../../operator/decide/pool-plan.ts';
import { withSteadyTimes, type TimeMemory } from '../../../operator/decide/steady-times.ts';
import { isAvailable } from '../../../operator/decide/observed.ts';
import { podsOf } from '../../../operator/desired/amount.ts';
import { childLabels, names } from '../../../operator/desired/labels.ts';

/** One pod of the simulated API server, with the process in it. */
interface SimulatedPod {
  readonly metadata: { readonly uid: string; readonly name: string; resourceVersion: string; deletionTimestamp?: string };
  createdAt: number;
  revision: string;
  labels: Record<string, string>;
  phase: ObservedGateway['phase'];
  startsAt: number;
  endedAt: number | undefined;
  serving: ObservedGateway['serving'];
  drain: ObservedGateway['drain'];
  connections: number;
  isTold: boolean;
  poolEpoch: number;
  goneAt: number;
}

export interface World {
  /** Plans are made from what the store knew so many changes ago at most. */
  readonly lagMax: number;
  /** Revisions whose pods never become ready. */
  readonly broken: ReadonlySet<string>;
  /** What a quota allows: a creation beyond it is refused, and ends the plan. Absent: no quota. */
  readonly podsMax?: number;
}

/**
 * A pool, an API server with a late store, kubelets and gateways: as little of each as the plan can tell apart. Time
 * passes a second a step.
 */
export class SimulatedCluster {
  readonly random: Random;
  readonly world: World;
  now = Date.parse('2026-06-01T12:00:00Z');
  /** How far the operator's wall clock is ahead of everybody else's, in milliseconds. */
  aheadMs = 0;
  pool: GatewayPool = poolWith();
  revision = 'aaaaa11111';
  /** What went against the promises, in words. */
  readonly breaches: string[] = [];
  pods: SimulatedPod[] = [];
  created = 0;
  #version = 1;
  #snapshots: { readonly pods: readonly SimulatedPod[]; readonly version: string }[] = [{ pods: [], version: '1' }];
  #seen = 0;
  #document: { epoch: number; memberUids: readonly string[] } | undefined;
  #memory: ObservedPool['scaling'];
  #times: TimeMemory | undefined;
  /** Revision of the ControllerRevision. */
  #keptRevision: string | undefined;
  #writes: readonly OwnWrite<SimulatedPod>[] = [];
  /** A new operator makes its first plan before any gateway has answered it. */
  #hasAsked = false;

  constructor(seed: number, world: World) {
    this.random = new Random(seed);
    this.world = world;
  }

  /** The operator dies and another begins: only pods and document remain. */
  restartOperator(): void {
    this.#memory = undefined;
    this.#times = undefined;
    this.#writes = [];
    this.#hasAsked = false;
    // A new operator lists what is there now.
    this.#seen = this.#snapshots.length - 1;
  }

  observe(): ObservedPool {
    const newest = this.#snapshots.length - 1;
    this.#seen = Math.max(this.#seen, newest - this.random.below(this.world.lagMax + 1));
    const { pods: stored = [], version: heard } = this.#snapshots[this.#seen] ?? {};
    const isOlder = (version: string | undefined, than: string | undefined) => Number(version) < Number(than);
    const { objects, pending } = withOwnWrites(stored, this.#writes, { isOlder, heard, now: this.now });
    this.#writes = pending;
    const moment = { now: this.now + this.aheadMs, monotonic: this.now - 1_000_000_000 };
    const steady = withSteadyTimes(
      objects.map((pod) => this.#observeGateway(pod)),
      this.#times,
      moment,
    );
    this.#times = steady.memory;
    this.#hasAsked = true;
    return {
      ...moment,
      pool: this.pool,
      updateRevision: this.revision,
      keptRevision: this.#keptRevision,
      updateDifference: undefined,
      gateways: steady.gateways,
      foreignNames: ['web-aaaaa-1'],
      document: this.#document,
      budget: undefined,
      scaling: this.#memory,
      faults: [],
      refusedPods: [],
    };
  }

  /** Observes, plans and applies; dies after `actionsMax` actions. Returns the plan and what it was made from. */
  reconcile(actionsMax = Infinity): { readonly plan: PoolPlan; readonly observed: ObservedPool } {
    const observed = this.observe();
    const plan = planPool(observed);
    this.#memory = plan.scaling.memory;
    this.#judge(observed, plan);
    for (const action of plan.actions.slice(0, actionsMax)) {
      if (action.kind === 'create-pod' && this.pods.length >= (this.world.podsMax ?? Infinity)) break;
      this.apply(action);
    }
    if (plan.actions.length > actionsMax) {
      this.restartOperator();
      return { plan, observed };
    }
    if (plan.rollout.state === 'complete' && plan.counts.updated > 0) this.#keptRevision = observed.updateRevision;
    const memberUids = plan.members.map(({ uid }) => uid);
    if (JSON.stringify(memberUids) !== JSON.stringify(this.#document?.memberUids))
      this.#document = { epoch: (this.#document?.epoch ?? 0) + 1, memberUids };
    for (const pod of this.pods) if (this.#isUp(pod)) pod.poolEpoch = this.#document?.epoch ?? 0;
    return { plan, observed };
  }

  apply(action: PoolAction): void {
    if (action.kind === 'create-pod') {
      this.#create(action.name, action.revision);
      return;
    }
    const pod = this.pods.find(({ metadata }) => metadata.uid === action.pod.uid);
    if (pod === undefined) return;
    switch (action.kind) {
      case 'delete-pod':
        this.#judgeDeletion(pod);
        this.delete(pod);
        this.#writes = [...this.#writes, { uid: pod.metadata.uid, result: 'deleted', at: this.now, unix: this.now }];
        return;
      case 'mark-draining':
        this.#write(pod, { drain: { startedAt: action.startedAt, deadlineAt: action.deadlineAt }, serving: 'False' });
        return;
      case 'unmark-draining':
        this.#write(pod, { drain: undefined });
        return;
      case 'set-serving':
        this.#write(pod, { serving: action.serving ? 'True' : 'False' });
        return;
      case 'restore-labels':
        this.#write(pod, { labels: { ...action.labels } });
        return;
      case 'send-drain':
        pod.isTold = this.#isUp(pod);
        return;
      case 'send-abort':
        pod.isTold = false;
        return;
    }
  }

  /** A second passes: pods start, move their clients when told, and end. */
  step(): void {
    this.now += 1000;
    const { connectionsPerSecond } = this.pool.spec.drain;
    const serving = this.pods.filter((pod) => this.#isUp(pod) && pod.serving === 'True' && pod.metadata.deletionTimestamp === undefined);
    for (const pod of this.pods) {
      if (pod.phase === 'Pending' && this.now >= pod.startsAt) this.#change(pod, { phase: 'Running' });
      const moves = pod.isTold || pod.metadata.deletionTimestamp !== undefined ? Math.min(pod.connections, connectionsPerSecond) : 0;
      pod.connections -= moves;
      const [first] = serving.filter((other) => other !== pod && !other.isTold);
      if (first !== undefined) first.connections += moves;
    }
    const gone = this.pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined && this.now >= pod.goneAt);
    if (gone.length > 0) {
      this.pods = this.pods.filter((pod) => !gone.includes(pod));
      this.#snapshot();
    }
  }

  /** As `kubectl delete pod` does. */
  delete(pod: SimulatedPod): void {
    if (pod.metadata.deletionTimestamp !== undefined) return;
    pod.goneAt = this.now + 1000 * (1 + this.random.below(30));
    pod.metadata.deletionTimestamp = new Date(this.now).toISOString();
    this.#change(pod, {});
  }

  /** The node takes the pod's end. */
  fail(pod: SimulatedPod): void {
    pod.connections = 0;
    this.#change(pod, { phase: 'Failed', endedAt: this.now });
  }

  /** Somebody edits a pod by hand. */
  edit(pod: SimulatedPod, change: Partial<Pick<SimulatedPod, 'drain' | 'serving' | 'labels' | 'revision'>>): void {
    this.#change(pod, change);
  }

  get available(): number {
    return this.pods.map((pod) => this.#observeGateway(pod)).filter(isAvailable).length;
  }

  /** The end state without what may differ (names, times). */
  summary(): string {
    const alive = this.pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    return JSON.stringify(alive.map(({ revision, serving, drain, phase }) => ({ revision, serving, drain, phase })));
  }

  #create(name: string, revision: string): void {
    if (this.pods.some(({ metadata }) => metadata.name === name)) return;
    this.created += 1;
    const pod: SimulatedPod = {
      metadata: { uid: `uid-${this.created}`, name, resourceVersion: '0' },
      createdAt: this.now,
      revision,
      labels: { ...childLabels(this.pool, 'gateway'), [names.label.gateway]: name },
      phase: 'Pending',
      startsAt: this.now + 1000 * (1 + this.random.below(5)),
      endedAt: undefined,
      serving: 'Unknown',
      drain: undefined,
      connections: 0,
      isTold: false,
      poolEpoch: 0,
      goneAt: 0,
    };
    this.pods.push(pod);
    this.#write(pod, {});
  }

  #write(pod: SimulatedPod, change: Partial<SimulatedPod>): void {
    this.#change(pod, change);
    this.#writes = [...this.#writes, { uid: pod.metadata.uid, result: structuredClone(pod), at: this.now, unix: this.now }];
  }

  #change(pod: SimulatedPod, change: Partial<SimulatedPod>): void {
    this.#version += 1;
    Object.assign(pod, change);
    pod.metadata.resourceVersion = String(this.#version);
    this.#snapshot();
  }

  #snapshot(): void {
    this.#snapshots.push({ pods: structuredClone(this.pods), version: String(this.#version) });
    if (this.#snapshots.length > 50) {
      this.#snapshots.shift();
      this.#seen = Math.max(0, this.#seen - 1);
    }
  }

  #isUp(pod: SimulatedPod): boolean {
    return pod.phase === 'Running';
  }

  #observeGateway(pod: SimulatedPod): ObservedGateway {
    const isUp = this.#isUp(pod);
    const ready = isUp && !this.world.broken.has(pod.revision);
    return {
      name: pod.metadata.name,
      uid: pod.metadata.uid,
      createdAt: pod.createdAt,
      revision: pod.revision,
      labels: pod.labels,
      phase: pod.phase,
      isTerminating: pod.metadata.deletionTimestamp !== undefined,
      deletedAt: pod.metadata.deletionTimestamp === undefined ? undefined : Date.parse(pod.metadata.deletionTimestamp),
      isRunning: isUp,
      containersReady: ready,
      isReady: ready && pod.serving === 'True',
      serving: pod.serving,
      endedAt: pod.endedAt,
      drain: pod.drain,
      ip: '10.0.0.1',
      hostIp: '10.1.0.1',
      zone: undefined,
      obstacle: undefined,
      endpointReady: undefined,
      polled: isUp && this.#hasAsked ? this.#poll(pod.metadata.uid, ready) : undefined,
      unansweredSince: undefined,
    };
  }

  /** Polls ask the process itself: they are as fresh as the store is late. */
  #poll(uid: string, ready: boolean): PolledGateway | undefined {
    const pod = this.pods.find(({ metadata }) => metadata.uid === uid);
    if (pod === undefined) return undefined;
    const drainState = pod.isTold ? (pod.connections === 0 ? 'drained' : 'draining') : 'serving';
    return {
      at: this.now + this.aheadMs,
      uid,
      ready,
      waitingFor: [],
      poolEpoch: pod.poolEpoch,
      policiesHash: '',
      connections: pod.connections,
      isRefusing: false,
      drainState,
    };
  }

  #judge(observed: ObservedPool, plan: PoolPlan): void {
    const draining = observed.gateways.filter(
      ({ drain, isTerminating, phase }) => drain !== undefined && !isTerminating && phase !== 'Failed',
    );
    const begun = plan.actions.filter(
      (action) => action.kind === 'mark-draining' && !draining.some(({ uid }) => uid === action.pod.uid),
    ).length;
    const ending = observed.gateways.filter(
      ({ isTerminating, isRunning, polled, deletedAt = 0 }) =>
        isTerminating && isRunning && (polled !== undefined || observed.now - deletedAt < 10_000),
    );
    const leaving = draining.length + ending.length + begun;
    const { gateways, pool } = observed;
    const standing = gateways.filter(({ isTerminating, phase }) => !isTerminating && phase !== 'Failed').length;
    const concurrent = Math.max(1, podsOf(pool.spec.drain.maxConcurrentPods, standing, 'up'));
    if (begun > 0 && leaving > concurrent) this.breaches.push(`${leaving} gateways are on their way out at once`);
    if (observed.pool.spec.paused && plan.actions.length > 0) this.breaches.push('a paused pool is changed');
    const marked = new Set(plan.actions.flatMap((action) => (action.kind === 'mark-draining' ? [action.pod.uid] : [])));
    const before = observed.gateways.filter((gateway) => isAvailable(gateway) && gateway.drain === undefined);
    const after = before.filter(({ uid }) => !marked.has(uid)).length;
    // Without a surge one may be missing: disruption.maxUnavailable is 1.
    const floor = plan.scaling.desired - (observed.pool.spec.updateStrategy.maxSurge === 0 ? 1 : 0);
    if (after < before.length && after < floor) this.breaches.push(`${after} of ${plan.scaling.desired} remain available`);
    for (const action of plan.actions)
      if (action.kind === 'create-pod' && observed.foreignNames.includes(action.name)) this.breaches.push('a foreign name is used');
  }

  #judgeDeletion(pod: SimulatedPod): void {
    if (this.pool.spec.bus.type === 'Memory') return;
    const isOverdue = pod.drain?.deadlineAt !== undefined && this.now >= pod.drain.deadlineAt;
    if (pod.connections > 0 && this.#isUp(pod) && !isOverdue)
      this.breaches.push(`${pod.metadata.name} is deleted with ${pod.connections} connections`);
  }
}

import type { GatewayPool } from '../api/gateway-pool.ts';
import type { Complaint } from '../decide/complaints.ts';
import type { BusChange } from '../decide/bus-change.ts';
import { finishing } from '../decide/finishing.ts';
import type { ObservedPool } from '../decide/observed.ts';
import { obsoleteChildren } from '../decide/obsolete-children.ts';
import { pendingMsMax } from '../decide/own-writes.ts';
import { planPool } from '../decide/pool-plan.ts';
import { trustOf } from '../decide/signing-keys.ts';
import { poolSpecFaults } from '../decide/spec-faults.ts';
import { gatewayPod, podOfRevision } from '../desired/gateway-pod.ts';
import { childNames, names } from '../desired/labels.ts';
import type { AdminPeers } from '../desired/network-policies.ts';
import { podBuses, type BusSettings } from '../desired/bus-settings.ts';
import type { PodIngredients } from '../desired/pod-template.ts';
import { resources } from '../kube/resources.ts';
import type { OperatorJournal } from '../kube/log-lines.ts';
import type { Recorder } from '../kube/recorder.ts';
import type { Clock } from '../../core/clock.ts';
import { noTracer, type Tracer } from '../../core/trace.ts';
import type { KubeObject } from '../runtime/kube-api.ts';
import type { Outcome } from '../runtime/outcome.ts';
import type { ActionShell } from './action-shell.ts';
import { Attempts, faultRetryMs } from './attempts.ts';
import { Chronicle } from './chronicle.ts';
import { type Children, type DesiredChild } from './children.ts';
import type { DocumentKeeper } from './document-keeper.ts';
import { desiredChildren } from './desired-children.ts';
import type { KnownPolicies } from './known-policies.ts';
import type { PoolSecrets, PoolSecretsKeeper } from './pool-secrets.ts';
import { addressOf, trustedKeyOf, type PoolPod } from './pod-view.ts';
import { commandTimeOf, type Polls } from './polls.ts';
import { PlanRunner } from './plan-runner.ts';
import { PoolMemories, type PoolDecision, type PoolMemory } from './pool-memories.ts';
import type { PoolReport, PoolStatusWriter } from './pool-status.ts';
import { judgedRoutes } from './pool-routes.ts';
import type { Returned, Strays } from './strays.ts';
import type { Stores } from './stores.ts';
import { DocumentTeller } from './document-teller.ts';
import { PoolObserver } from './pool-observer.ts';

export interface PoolReconcilerOptions {
  readonly stores: Stores;
  readonly secrets: PoolSecretsKeeper;
  readonly children: Children;
  readonly documents: DocumentKeeper;
  readonly policies: KnownPolicies;
  readonly actions: ActionShell;
  readonly strays: Strays;
  readonly status: PoolStatusWriter;
  readonly polls: Polls;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly journal: OperatorJournal;
  /** Absent: no traces. */
  readonly tracer?: Tracer;
  /** The product's image. */
  readonly image: string;
  readonly adminPeers: AdminPeers;
}

const ofPool = 'pool';

/**
 * Kinds that must be applied before others. An autoscaler follows its Deployment's name, whoever owns that Deployment.
 * Publishers start with the settings in the Secret.
 */
const needs: Readonly<Record<string, string>> = {
  [resources.horizontalPodAutoscaler.kind]: resources.deployment.kind,
  [resources.deployment.kind]: resources.secret.kind,
};

/**
 * Brings one pool closer to its spec: Secrets, children, a plan for its gateways, the pool document, and last the
 * status. It reads only the stores and the polls, so it may run at any time. A failed step is a fault of the next
 * observation, and ends in a condition.
 */
export class PoolReconciler {
  readonly #options: PoolReconcilerOptions;
  readonly #memories: PoolMemories;
  readonly #observer: PoolObserver;
  readonly #plans: PlanRunner;
  readonly #chronicle: Chronicle;
  readonly #teller: DocumentTeller;

  constructor(options: PoolReconcilerOptions) {
    this.#options = options;
    this.#observer = new PoolObserver(options);
    this.#teller = new DocumentTeller(options);
    this.#memories = new PoolMemories(options);
    this.#plans = new PlanRunner(options);
    this.#chronicle = new Chronicle(options);
  }

  readonly reconcile = async (key: string, signal: AbortSignal): Promise<Outcome> => {
    const { stores, secrets: keeper, status, clock, journal, tracer = noTracer } = this.#options;
    const pool = stores.pools.get(key);
    if (pool === undefined || pool.metadata.deletionTimestamp !== undefined) {
      this.#memories.forget(key);
      this.#options.policies.forget(key);
      return { kind: 'done' };
    }
    const memory = this.#memories.of(key, pool);
    const specFaults = poolSpecFaults(pool);
    if (specFaults.length > 0) return this.#refuse(pool, specFaults, { memory, signal });
    const attempts = new Attempts({ signal, pool: pool.metadata, journal, now: clock.monotonic(), failing: memory.failing });
    const policies = this.#options.policies.of(key, stores.channels.withIndex(ofPool, key));
    this.#takeBack(pool, memory, pool.spec.paused ? [] : await this.#options.strays.lost(pool, attempts, signal));
    const secrets = await keeper.of(pool, this.#observer.secretNeeds(pool, memory), attempts, signal);
    if (!pool.spec.paused && secrets.canSign) {
      const members = this.#observer.newestDocument(pool, secrets.publicKey)?.document.gateways ?? [];
      const uids = new Set(members.map(({ uid }) => uid));
      this.#takeBack(pool, memory, await this.#options.strays.orphaned(pool, uids, { attempts, signal }));
    }
    await this.#nextTurn();
    const busChange = this.#observer.busChange(pool, secrets, memory.bus);
    const buses = busesOfPods(busChange, secrets);
    const ingredients: PodIngredients = {
      pool,
      image: this.#options.image,
      publicKey: secrets.publicKey,
      settingsDigests: secrets.digestsOf(buses?.main),
      buses: buses === undefined ? undefined : podBuses(buses),
    };
    const kept = this.#observer.keptRevision(pool, ingredients, keptBusOf(busChange));
    const observed: ObservedPool = { ...this.#observer.observe(pool, ingredients, memory), keptRevision: kept?.revision };
    await this.#nextTurn();
    const plan = await tracer.within('plan', {}, async (span) => {
      const planned = planPool(observed);
      const { scaling, actions } = planned;
      span?.set({
        'barrage.plan.gateways': observed.gateways.length,
        'barrage.plan.desired': scaling.desired,
        'barrage.plan.actions': actions.length,
      });
      return planned;
    });
    await this.#nextTurn();
    memory.scaling = plan.scaling.memory;
    const wanted = desiredChildren({
      ingredients,
      secrets,
      budget: plan.budget,
      adminPeers: this.#options.adminPeers,
      gateways: observed.gateways,
      publisherReplicas: this.#publisherReplicas(pool),
      kept,
      isComplete: plan.rollout.state === 'complete' && plan.counts.updated > 0,
    });
    // Without signing keys no pod would believe the operator: nothing is made or pushed.
    const mayChange = secrets.canSign && !pool.spec.paused;
    const isStored = mayChange && (await this.#applyAll(wanted.ofPool, { attempts, signal }));
    const routes = judgedRoutes(pool, observed.gateways, { stores, now: clock.wall() });
    if (routes.fault !== undefined) attempts.note(routes.fault);
    this.#chronicle.rollout(pool, observed, plan, memory);
    for (const event of [...plan.events, ...(mayChange ? busChange.events : [])]) this.#chronicle.event(pool, event);
    memory.bus = busChange.memory;
    const actions = isStored ? plan.actions : finishing(plan.actions, observed.gateways);
    await this.#plans.run(mayChange ? actions : [], {
      gateways: observed.gateways,
      memory,
      attempts,
      surroundings: {
        pool,
        privateKeyFor: (uid) => this.#privateKeyFor(pool, uid, secrets),
        makePod: (name, revision) =>
          (kept?.revision === revision ? podOfRevision(pool, kept, name) : gatewayPod(ingredients, name)) as unknown as KubeObject,
        addressOf: (uid) => this.#addressOf(pool, uid),
        issuedAt: (uid) => commandTimeOf(this.#options.polls.of(uid), clock),
        signal,
      },
      taken: (action) => this.#chronicle.action(pool, action),
    });
    // Of a thousand gateways these are thousands: what the plan does for clients does not wait for them.
    if (mayChange) {
      await this.#applyAll(wanted.ofGateways, { attempts, signal });
      await this.#removeObsolete(pool, observed, { wanted: [...wanted.ofPool, ...wanted.ofGateways], attempts, signal });
    }
    const retellAfterMs = mayChange
      ? await this.#teller.tell(pool, { secrets, members: plan.members, policies, buses: busChange.buses, attempts, signal })
      : undefined;
    await this.#nextTurn();
    const standing = [...memory.refusals.values()].flatMap(({ fault }) => (fault === undefined ? [] : [fault]));
    const faults = [...new Set([...attempts.faults, ...standing])];
    memory.failing = attempts.failing;
    memory.faults = faults;
    const document = this.#observer.newestDocument(pool, secrets.publicKey)?.document;
    const epoch = document?.epoch ?? 0;
    memory.decision = { at: clock.wall(), scaling: plan.scaling, document, updateRevision: observed.updateRevision };
    const report: PoolReport = { ingredients, observed: { ...observed, faults }, plan, policies, epoch, busChange };
    const verdict = status.judge(report);
    // Events come before the status: an operator that dies in between records an event twice rather than never.
    const complainAfterMs = this.#chronicle.complain(pool, verdict, memory);
    const statusAfterMs = await status.write(report, verdict, { pace: memory.statusPace, signal });
    // A passing failure is tried again soon. A fault that a person must mend is reviewed from time to time.
    if (attempts.passing !== undefined) throw attempts.passing;
    const isNewlyRefused = [...memory.refusals].some(([name, { fault }]) => fault !== undefined && !observed.refusedPods.includes(name));
    // The next plan goes on without what was refused.
    const faultAfterMs = isNewlyRefused ? 0 : faults.length > 0 ? faultRetryMs : undefined;
    // The store may never hear of a write: the next observation finds out.
    const pendingAfterMs = memory.writes.length > 0 ? pendingMsMax : undefined;
    const reviews = [
      busChange.reviewAfterMs,
      pendingAfterMs,
      plan.requeueAfterMs,
      retellAfterMs,
      complainAfterMs,
      statusAfterMs,
      faultAfterMs,
      routes.reviewAfterMs,
    ];
    const afterMs = Math.min(...reviews.map((review) => review ?? Infinity));
    return afterMs === Infinity ? { kind: 'done' } : { kind: 'retry-after', afterMs };
  };

  /** The steps of a pool of a thousand gateways are turns of their own: together they would hold up everything else. */
  async #nextTurn(): Promise<void> {
    await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
  }

  /** What was decided last about a pool (`namespace/name`); `undefined` before the first. */
  decisionOf(key: string): PoolDecision | undefined {
    return this.#memories.decisionOf(key);
  }

  /** For tests: how many pools, documents and children the memory holds. */
  get remembered(): { readonly pools: number; readonly documents: number; readonly children: number } {
    return { pools: this.#memories.size, documents: this.#options.documents.size, children: this.#options.children.size };
  }

  #takeBack(pool: GatewayPool & KubeObject, memory: PoolMemory, returned: readonly Returned[]): void {
    const uids = new Set(returned.map(({ write }) => write.uid));
    memory.writes = [...memory.writes.filter(({ uid }) => !uids.has(uid)), ...returned.map(({ write }) => write)];
    for (const { event } of returned) this.#chronicle.event(pool, event);
  }

  /** Leaves a pool with an unreadable spec as it is, and says so in a condition and an event. */
  async #refuse(
    pool: GatewayPool & KubeObject,
    specFaults: readonly string[],
    { memory, signal }: { readonly memory: PoolMemory; readonly signal: AbortSignal },
  ): Promise<Outcome> {
    const { clock, status } = this.#options;
    const now = clock.wall();
    const message = `${specFaults.slice(0, 5).join('; ')}. Correct the spec.`;
    const complaints: readonly Complaint[] = [{ reason: 'InvalidSpec', subject: '', message, isFleeting: false }];
    this.#chronicle.complain(pool, { complaints, isSettled: false, isTrying: false }, memory);
    await status.writeUnreadable(pool, { faults: specFaults, now }, signal);
    return { kind: 'done' };
  }

  /**
   * Applies children in their order.
   * @returns whether the settings Secret, with which pods start, is stored
   */
  async #applyAll(
    wanted: readonly DesiredChild[],
    { attempts, signal }: { readonly attempts: Attempts; readonly signal: AbortSignal },
  ): Promise<boolean> {
    const failed = new Set<string>();
    for (const child of wanted) {
      const { kind } = child.resource;
      const { namespace = '', name = '' } = child.object.metadata;
      if (failed.has(needs[kind] ?? '')) continue;
      const step = await attempts.run(`${kind} ${name}`, () =>
        this.#options.children.apply(child, this.#options.stores.child(child.resource, namespace, name), signal),
      );
      if (step === 'failed') failed.add(kind);
    }
    return !failed.has(resources.secret.kind);
  }

  async #removeObsolete(
    { metadata: { namespace, name, uid } }: GatewayPool,
    { gateways, updateRevision, keptRevision }: ObservedPool,
    about: { readonly wanted: readonly DesiredChild[]; readonly attempts: Attempts; readonly signal: AbortSignal },
  ): Promise<void> {
    const { stores, children } = this.#options;
    const wanted = about.wanted.map(({ resource, object }) => ({ kind: resource.kind, name: object.metadata.name ?? '' }));
    const { kind } = resources.controllerRevision;
    const revisions = stores
      .revisionsOf(`${namespace}/${name}`)
      .filter(({ metadata }) => keptRevision !== updateRevision || metadata.labels?.[names.label.revision] === updateRevision);
    wanted.push(...revisions.map(({ metadata }) => ({ kind, name: metadata.name ?? '' })));
    const owners = new Set([uid, ...gateways.map((gateway) => gateway.uid)]);
    for (const child of obsoleteChildren(stores.childrenOf(`${namespace}/${name}`), wanted, owners)) {
      await about.attempts.run(`${child.kind} ${child.name}`, () =>
        children.remove(child.resource, { namespace, pool: name, name: child.name, uid: child.uid }, about.signal),
      );
    }
  }

  #publisherReplicas(pool: GatewayPool): number | undefined {
    const deployment = this.#options.stores.child(resources.deployment, pool.metadata.namespace, childNames.publisher(pool));
    return (deployment as { readonly spec?: { readonly replicas?: number } } | undefined)?.spec?.replicas;
  }

  #podsOf({ metadata }: GatewayPool): readonly PoolPod[] {
    return this.#options.stores.pods.withIndex(ofPool, `${metadata.namespace}/${metadata.name}`);
  }

  #addressOf(pool: GatewayPool, uid: string): string | undefined {
    const pod = this.#podsOf(pool).find(({ metadata }) => metadata.uid === uid);
    return pod === undefined ? undefined : addressOf(pod);
  }

  /** The pod's own key for a pod that was made before the present one. */
  #privateKeyFor({ metadata }: GatewayPool, uid: string, { earlierKeys, privateKey }: PoolSecrets): string {
    const pod = this.#options.stores.podsOf(`${metadata.namespace}/${metadata.name}`).find((each) => each.metadata.uid === uid);
    const trusted = pod === undefined ? '' : trustedKeyOf(pod);
    return earlierKeys.find(({ publicKey }) => trustOf(publicKey) === trusted)?.privateKey ?? privateKey;
  }
}

/** The buses of new pods. */
function busesOfPods(
  { pods }: BusChange,
  { bus, buses }: PoolSecrets,
): { readonly main: BusSettings; readonly previous?: BusSettings } | undefined {
  const settingsOf = (id: string | undefined): BusSettings | undefined => buses.find((each) => each.id === id);
  const main = settingsOf(pods?.main) ?? bus;
  const previous = settingsOf(pods?.previous);
  return main === undefined ? undefined : { main, ...(previous === undefined ? {} : { previous }) };
}

/**
 * Id of the bus whose gateways may replace lost ones: the one to which all publish. Once the pool moves to another,
 * nobody may come who does not listen to both.
 */
function keptBusOf({ stage, buses }: BusChange): string | undefined {
  return stage === 'settled' || stage === 'joining' ? (buses?.publishTo ?? '') : undefined;
}

import { signCommand, type DrainCommand } from '../../core/pool/drain-command.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import type { PodReference, PoolAction } from '../decide/actions.ts';
import { claimedGateway, names } from '../desired/labels.ts';
import type { OperatorJournal } from '../kube/log-lines.ts';
import { resources } from '../kube/resources.ts';
import { ApiError } from '../runtime/api-error.ts';
import type { Clock } from '../../core/clock.ts';
import type { KubeApi, KubeObject, KubeReader } from '../runtime/kube-api.ts';
import type { AdminClient } from './admin-client.ts';
import { controllerOf } from './children.ts';
import type { OwnWrite } from '../decide/own-writes.ts';
import { drainAnnotations, type PoolPod } from './pod-view.ts';

export interface ActionSurroundings {
  readonly pool: GatewayPool;
  /** The private half of the key that a pod trusts, by the pod's uid. */
  readonly privateKeyFor: (uid: string) => string;
  readonly makePod: (name: string, revision: string) => KubeObject;
  readonly addressOf: (uid: string) => string | undefined;
  /** When a command to this pod counts as issued, in Unix milliseconds. */
  readonly issuedAt: (uid: string) => number;
  readonly signal: AbortSignal;
}

/** The API server's answer to a write of ours. The store may not have heard of it yet. */
export type PodWrite = OwnWrite<PoolPod>;

/** Carries out one action of a plan. Every action may be carried out twice, and none depends on another. */
export class ActionShell {
  readonly #api: KubeApi & KubeReader;
  readonly #admin: AdminClient;
  readonly #clock: Clock;
  readonly #journal: OperatorJournal;

  constructor(options: {
    readonly api: KubeApi & KubeReader;
    readonly admin: AdminClient;
    readonly clock: Clock;
    readonly journal: OperatorJournal;
  }) {
    this.#journal = options.journal;
    this.#api = options.api;
    this.#admin = options.admin;
    this.#clock = options.clock;
  }

  /**
   * @returns the changed pod as the API server stored it. The caller keeps it until the store has heard of it.
   * @throws ApiError
   */
  async apply(action: PoolAction, about: ActionSurroundings): Promise<PodWrite | undefined> {
    const { pool, signal } = about;
    const { namespace } = pool.metadata;
    switch (action.kind) {
      case 'create-pod':
        return this.#written(await this.#createPod(about.makePod(action.name, action.revision), signal));
      case 'mark-draining':
        await this.#api.annotatePod({ namespace, ...action.pod }, drainAnnotations(action), signal);
        return this.#written(
          await this.#setServing(
            { namespace, ...action.pod },
            { serving: false, reason: 'Draining', message: action.event.message },
            signal,
          ),
        );
      case 'unmark-draining':
        return this.#written(await this.#api.annotatePod({ namespace, ...action.pod }, {}, signal));
      case 'send-drain': {
        const { pod, connectionsPerSecond, deadlineSeconds } = action;
        const issuedAt = about.issuedAt(pod.uid);
        const command = { command: 'drain', gateway: pod.uid, connectionsPerSecond, deadlineSeconds, issuedAt } as const;
        const isStranger = await this.#command(pod, command, about);
        // A pod with another signing key refuses every command. It obeys its kubelet, and drains after its deletion at
        // the pool's rate.
        return isStranger ? this.#deletePod(namespace, pod, signal) : undefined;
      }
      case 'send-abort':
        await this.#command(
          action.pod,
          { command: 'abort-drain', gateway: action.pod.uid, issuedAt: about.issuedAt(action.pod.uid) },
          about,
        );
        return undefined;
      case 'set-serving':
        return this.#written(await this.#setServing({ namespace, ...action.pod }, action, signal));
      case 'restore-labels': {
        const metadata = claimedGateway(pool, { ...action.pod, labels: action.labels });
        return this.#written(await this.#api.apply(resources.pod, { metadata }, signal));
      }
      case 'delete-pod':
        return this.#deletePod(namespace, action.pod, signal);
    }
  }

  async #deletePod(namespace: string, pod: { readonly name: string; readonly uid: string }, signal: AbortSignal): Promise<PodWrite> {
    await this.#api.delete(resources.pod, { namespace, name: pod.name, uid: pod.uid }, signal);
    return { uid: pod.uid, result: 'deleted', at: this.#clock.monotonic(), unix: this.#clock.wall() };
  }

  #written(pod: KubeObject | undefined): PodWrite | undefined {
    const { uid, name } = pod?.metadata ?? {};
    return uid === undefined || name === undefined
      ? undefined
      : { uid, result: pod as PoolPod, at: this.#clock.monotonic(), unix: this.#clock.wall() };
  }

  /**
   * Creates the pod. A pod that already has the name is ours where the controller matches: the store was late, or
   * somebody removed the labels by which the store knows it. The labels are then restored.
   * @throws ApiError `AlreadyExists` where the pod belongs to somebody else
   */
  async #createPod(pod: KubeObject, signal: AbortSignal): Promise<KubeObject | undefined> {
    const { namespace = '', name = '', labels, ownerReferences } = pod.metadata;
    const created = await this.#api.create(resources.pod, pod, signal);
    if (created.kind === 'created') return created.object;
    const found = await this.#api.get(resources.pod, { namespace, name }, signal);
    if (found === undefined) return undefined;
    if (controllerOf(found) !== controllerOf(pod))
      throw new ApiError(`a Pod ${name} exists already and does not belong to this pool.`, { status: 409, reason: 'AlreadyExists' });
    const { uid = '' } = found.metadata;
    if (Object.entries(labels ?? {}).some(([key, value]) => found.metadata.labels?.[key] !== value))
      return this.#api.apply(resources.pod, { metadata: { namespace, name, uid, labels, ownerReferences } } as KubeObject, signal);
    return found;
  }

  async #setServing(
    pod: { readonly namespace: string; readonly name: string; readonly uid: string },
    { serving, reason, message }: { readonly serving: boolean; readonly reason: string; readonly message: string },
    signal: AbortSignal,
  ): Promise<KubeObject | undefined> {
    const lastTransitionTime = new Date(this.#clock.wall()).toISOString();
    const condition = {
      type: names.serving,
      status: serving ? ('True' as const) : ('False' as const),
      reason,
      message,
      lastTransitionTime,
    };
    return this.#api.setPodConditions(pod, [condition], signal);
  }

  /**
   * Sends a signed command. A silent pod is no failure: the next plan sends the command again, and the deadline holds.
   * A refusal is logged.
   * @returns whether the pod trusts another signing key, so that no command of ours will ever reach it
   */
  async #command(pod: PodReference, command: DrainCommand, about: ActionSurroundings): Promise<boolean> {
    const { gateway } = command;
    const address = about.addressOf(gateway);
    if (address === undefined) return false;
    const told = await this.#admin.putDrain(address, signCommand(command, about.privateKeyFor(gateway)));
    if (told.kind === 'refused') {
      const { namespace, name: pool } = about.pool.metadata;
      const fields = { namespace, pool, pod: pod.name, command: command.command, status: told.status };
      this.#journal.writeTrouble('command-refused', `${namespace}/${pool}`, told.message, fields);
    }
    return told.kind === 'refused' && told.status === 403;
  }
}

import type { AdminStatus } from '../../core/pool/admin-status.ts';
import type { DrainMark, ObservedGateway, PolledGateway } from '../decide/observed.ts';
import { trustOf } from '../decide/signing-keys.ts';
import { names } from '../desired/labels.ts';
import type { KubeObject, ObjectMeta } from '../runtime/kube-api.ts';

/** The fields of a pod that the operator reads. */
export interface PoolPod extends KubeObject {
  readonly metadata: ObjectMeta & { readonly name: string; readonly uid: string };
  readonly spec?: {
    readonly containers?: readonly {
      readonly name: string;
      readonly env?: readonly { readonly name: string; readonly value?: string }[];
    }[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly podIP?: string;
    readonly hostIP?: string;
    readonly conditions?: readonly PodConditionView[];
    readonly initContainerStatuses?: readonly ContainerStatusView[];
    readonly containerStatuses?: readonly ContainerStatusView[];
  };
}

interface PodConditionView {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

interface ContainerStatusView {
  readonly name: string;
  /** Its startup probe has passed. */
  readonly started?: boolean;
  readonly state?: {
    readonly running?: object;
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly terminated?: { readonly finishedAt?: string; readonly reason?: string; readonly message?: string; readonly exitCode?: number };
  };
  readonly lastState?: { readonly terminated?: { readonly exitCode?: number; readonly message?: string } };
}

const phases = ['Pending', 'Running', 'Succeeded', 'Failed'] as const;
const endingCharactersMax = 300;

/** Facts about a pod that neither the pod object nor its answers hold. */
export interface PodSurroundings {
  /** @see ObservedGateway.endpointReady */
  readonly endpointReady?: boolean | undefined;
  /** @see ObservedGateway.unansweredSince */
  readonly unansweredSince?: number | undefined;
}

/**
 * Turns a pod into the decisions' view of a gateway.
 * @param polled the newest answer of this very pod
 */
export function observeGateway(
  pod: PoolPod,
  polled: PolledGateway | undefined,
  { endpointReady, unansweredSince }: PodSurroundings = {},
): ObservedGateway {
  const { metadata, status } = pod;
  const container = status?.containerStatuses?.find(({ name }) => name === names.container);
  const phase = phases.find((each) => each === status?.phase) ?? 'Unknown';
  const labels = metadata.labels ?? {};
  return {
    name: metadata.name,
    uid: metadata.uid,
    createdAt: timeOf(metadata.creationTimestamp) ?? 0,
    revision: labels[names.label.revision] ?? '',
    labels,
    phase,
    isTerminating: metadata.deletionTimestamp !== undefined,
    deletedAt: deletionOf(metadata),
    isRunning: phase === 'Running' && container?.state?.running !== undefined,
    containersReady: conditionOf(pod, 'ContainersReady')?.status === 'True',
    isReady: conditionOf(pod, 'Ready')?.status === 'True',
    serving: servingOf(pod),
    endedAt: phase === 'Failed' || phase === 'Succeeded' ? endOf(pod, container) : undefined,
    drain: drainMark(metadata.annotations ?? {}),
    ip: nonEmpty(status?.podIP),
    hostIp: nonEmpty(status?.hostIP),
    hasTls:
      pod.spec?.containers?.find(({ name }) => name === names.container)?.env?.some(({ name }) => name === names.tlsVariable) === true,
    // Kubernetes 1.35 copies the label from the node; older clusters do so only with a feature gate.
    zone: nonEmpty(labels['topology.kubernetes.io/zone']),
    obstacle: obstacleOf(pod, container),
    endpointReady,
    polled,
    unansweredSince,
  };
}

/**
 * The part of an answer that decisions need.
 * @param at when the answer came, in Unix milliseconds
 */
export function observePoll(
  { uid, ready, waitingFor, poolEpoch, policiesHash, connections, refusedPerSecond = 0, drain }: AdminStatus,
  at: number,
): PolledGateway {
  return { at, uid, ready, waitingFor, poolEpoch, policiesHash, connections, isRefusing: refusedPerSecond > 0, drainState: drain.state };
}

/** The signing key that a pod trusts, by `trustOf`; empty where its spec has none. */
export function trustedKeyOf(pod: PoolPod): string {
  const known = trustedKeys.get(pod);
  if (known !== undefined) return known;
  const container = pod.spec?.containers?.find(({ name }) => name === names.container);
  const key = trustOf(container?.env?.find(({ name }) => name === names.publicKeyVariable)?.value ?? '');
  trustedKeys.set(pod, key);
  return key;
}

/** `trustedKeyOf` of pods in the stores, which never change. */
const trustedKeys = new WeakMap<PoolPod, string>();

/** Address of a pod's admin port, as long as the pod runs. A terminating pod may still answer. */
export function addressOf({ status }: PoolPod): string | undefined {
  return status?.phase === 'Running' ? nonEmpty(status.podIP) : undefined;
}

/** Whether the startup probe of the product's container has passed, so that the admin port is open. */
export function hasStarted({ status }: PoolPod): boolean {
  const container = status?.containerStatuses?.find(({ name }) => name === names.container);
  return status?.phase === 'Running' && container?.state?.running !== undefined && container.started === true;
}

/** The annotations that a `mark-draining` action writes. */
export function drainAnnotations(mark: { readonly startedAt: number; readonly deadlineAt: number }): Readonly<Record<string, string>> {
  return {
    [names.annotation.drainStarted]: new Date(mark.startedAt).toISOString(),
    [names.annotation.drainDeadline]: new Date(mark.deadlineAt).toISOString(),
  };
}

function drainMark(annotations: Readonly<Record<string, string>>): DrainMark | undefined {
  const started = annotations[names.annotation.drainStarted];
  const deadline = annotations[names.annotation.drainDeadline];
  if (started === undefined && deadline === undefined) return undefined;
  return { startedAt: timeOf(started), deadlineAt: timeOf(deadline) };
}

function conditionOf({ status }: PoolPod, type: string): PodConditionView | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

function servingOf(pod: PoolPod): ObservedGateway['serving'] {
  const status = conditionOf(pod, names.serving)?.status;
  return status === 'True' || status === 'False' ? status : 'Unknown';
}

function endOf(pod: PoolPod, container: ContainerStatusView | undefined): number | undefined {
  return timeOf(container?.state?.terminated?.finishedAt) ?? timeOf(conditionOf(pod, 'Ready')?.lastTransitionTime);
}

/**
 * The first obstacle in the API server's words. The product's container comes before containers that a template adds.
 */
function obstacleOf(pod: PoolPod, container: ContainerStatusView | undefined): ObservedGateway['obstacle'] {
  const scheduled = conditionOf(pod, 'PodScheduled');
  if (scheduled?.status === 'False') return { reason: scheduled.reason ?? 'Unschedulable', message: scheduled.message ?? '' };
  const own = containerObstacle(container);
  if (own !== undefined) return own;
  for (const other of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
    const obstacle = other === container ? undefined : containerObstacle(other);
    if (obstacle !== undefined) return { ...obstacle, message: `its container ${other.name}: ${obstacle.message}` };
  }
  if (pod.status?.phase === 'Failed') return { reason: pod.status.reason ?? 'Failed', message: pod.status.message ?? '' };
  return undefined;
}

function containerObstacle(container: ContainerStatusView | undefined): ObservedGateway['obstacle'] {
  const waiting = container?.state?.waiting;
  if (waiting?.reason !== undefined && waiting.reason !== 'ContainerCreating' && waiting.reason !== 'PodInitializing') {
    const last = container?.lastState?.terminated?.message;
    const ending = last === undefined ? '' : ` It ended with: ${last.trim().slice(-endingCharactersMax)}`;
    return { reason: waiting.reason, message: `${waiting.message ?? ''}${ending}`.trim() };
  }
  const ended = container?.state?.terminated;
  if (ended !== undefined && ended.exitCode !== 0)
    return { reason: ended.reason ?? 'Error', message: `exit status ${ended.exitCode ?? 'unknown'}. ${ended.message ?? ''}`.trim() };
  return undefined;
}

function deletionOf({ deletionTimestamp, deletionGracePeriodSeconds = 0 }: ObjectMeta): number | undefined {
  const goneAt = timeOf(deletionTimestamp);
  return goneAt === undefined ? undefined : goneAt - deletionGracePeriodSeconds * 1000;
}

function timeOf(text: string | undefined): number | undefined {
  const time = text === undefined ? NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

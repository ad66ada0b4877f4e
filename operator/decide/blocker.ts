/** Why a pool's gateways can't become ready: for each cause one reason and one sentence that says what to do. */
import type { EventReason } from './actions.ts';
import { busAdvice } from './bus-advice.ts';
import { pollOf } from './observed.ts';
import type { ObservedFault } from './fault.ts';
import type { ObservedGateway } from './observed.ts';
import { isAvailable } from './observed.ts';
import { ports } from '../desired/labels.ts';

export interface Blocker {
  readonly reason: string;
  readonly message: string;
}

/** A blocker that the API server itself has told of. */
export interface FaultBlocker extends Blocker {
  readonly reason: EventReason;
  /** `Pod web-1a2b3-0`, `Secret redis`. */
  readonly subject: string;
}

/** What the API server refused, or what is missing: the most telling. */
export function faultBlocker(faults: readonly ObservedFault[]): Blocker | undefined {
  return faultBlockers(faults)[0];
}

/** All that the API server refused, or that is missing; the most telling first. */
export function faultBlockers(faults: readonly ObservedFault[]): readonly FaultBlocker[] {
  const ordered = faults.toSorted((a, b) => faultOrder.indexOf(a.kind) - faultOrder.indexOf(b.kind));
  return ordered.map(({ kind, subject, message }) => {
    const { reason, advice } = faultReasons[kind];
    const words = message.startsWith(subject) ? message : `${subject}: ${message}`;
    return { reason, subject, message: `${sentence(words)} ${typeof advice === 'string' ? advice : advice(subject)}`.trim() };
  });
}

const faultReasons: Readonly<
  Record<ObservedFault['kind'], { readonly reason: EventReason; readonly advice: string | ((subject: string) => string) }>
> = {
  // What is said of a Secret says as well what to do with it.
  MissingSecret: { reason: 'MissingSecret', advice: '' },
  InvalidTemplate: { reason: 'InvalidTemplate', advice: templateAdvice },
  PodSecurity: { reason: 'PodSecurityRefused', advice: "Remove what asks for privileges, or change the namespace's Pod Security level." },
  QuotaExceeded: {
    reason: 'QuotaExceeded',
    advice: (subject) => `Raise the quota of the namespace${isOfPods(subject) ? ', or ask for fewer or smaller pods' : ''}.`,
  },
  MissingGatewayAPI: {
    reason: 'MissingGatewayAPI',
    advice:
      'Install the definitions of the Gateway API (gateway.networking.k8s.io/v1) in the cluster, or choose another spec.exposure.type.',
  },
  NameTaken: { reason: 'NameTaken', advice: 'Something else has this name: delete or rename it.' },
  Forbidden: { reason: 'Forbidden', advice: "Give the operator's ServiceAccount this permission, as its chart does." },
  Unavailable: {
    reason: 'ApiServerUnavailable',
    advice: 'It is tried again; an admission webhook that is named here has to be mended, or its configuration deleted.',
  },
  Other: { reason: 'ApplyFailed', advice: 'It is tried again.' },
};
function templateAdvice(subject: string): string {
  if (subject.startsWith('Pod ')) return 'Correct spec.template.';
  return subject.startsWith('Deployment ') ? 'Correct spec.publisher.template or spec.publisher.resources.' : "Correct the pool's spec.";
}

function isOfPods(subject: string): boolean {
  return subject.startsWith('Pod ') || subject.startsWith('Deployment ');
}

/** Words of others often end without a full stop, or with two. */
function sentence(words: string): string {
  return `${words.trim().replace(/[.:;,\s]+$/, '')}.`;
}

const faultOrder = Object.keys(faultReasons) as readonly ObservedFault['kind'][];

/** How long a gateway that has started may leave questions unanswered before it counts as silent, in milliseconds. */
export const silentMs = 10_000;

/** What keeps gateways that exist from being ready: that of the most gateways. @param now milliseconds since 1970 */
export function gatewayBlocker(gateways: readonly ObservedGateway[], now: number): Blocker | undefined {
  return gatewayBlockers(gateways, now)[0];
}

/**
 * All that keeps gateways that exist from being ready, each reason once; that of the most gateways first.
 * @param now milliseconds since 1970
 */
export function gatewayBlockers(gateways: readonly ObservedGateway[], now: number): readonly Blocker[] {
  const found = gateways
    .filter(({ isTerminating }) => !isTerminating)
    .flatMap((gateway) => {
      const blocker = blockerOf(gateway, now);
      return blocker === undefined ? [] : [blocker];
    });
  const groups = [...Map.groupBy(found, ({ reason }) => reason).values()].toSorted((a, b) => b.length - a.length);
  return groups.flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const more = others.length > 0 ? ` (and ${others.length} more ${others.length === 1 ? 'gateway' : 'gateways'})` : '';
    return [{ reason: first.reason, message: `${first.message}${more}` }];
  });
}

function blockerOf(gateway: ObservedGateway, now: number): Blocker | undefined {
  const { name, obstacle } = gateway;
  if (obstacle !== undefined) return obstacleBlocker(name, obstacle.reason, obstacle.message);
  // What it said before it fell silent is not what holds it up any more.
  if (isSilent(gateway, now))
    return {
      reason: 'GatewaySilent',
      message: `${name} runs, but does not answer the operator on port ${ports.admin}: let the operator's pods reach it (NetworkPolicies, service mesh), unless its node is lost.`,
    };
  const polled = pollOf(gateway);
  const bus = polled?.waitingFor.find((what) => what.startsWith('the bus'));
  if (bus !== undefined)
    return {
      reason: 'RedisUnreachable',
      message: `${name} waits for ${bus}. ${busAdvice(bus)}`,
    };
  const [other] = polled?.waitingFor.filter((what) => !what.startsWith('nothing')) ?? [];
  if (other !== undefined) return { reason: 'GatewayNotReady', message: `${name} waits for ${other}.` };
  return undefined;
}

/** One that serves holds nothing up, silent or not. */
function isSilent(gateway: ObservedGateway, now: number): boolean {
  const { isRunning, unansweredSince } = gateway;
  return isRunning && !isAvailable(gateway) && unansweredSince !== undefined && now - unansweredSince >= silentMs;
}

function obstacleBlocker(name: string, reason: string, message: string): Blocker {
  const words = message === '' ? reason : message;
  switch (reason) {
    case 'ErrImagePull':
    case 'ImagePullBackOff':
    case 'InvalidImageName':
    case 'ErrImageNeverPull':
    case 'RegistryUnavailable':
      return {
        reason: 'ImagePullFailed',
        message: `${name}: ${words} Check the image's name and tag, and imagePullSecrets in spec.template.`,
      };
    case 'Unschedulable':
    case 'SchedulingGated':
      return { reason: 'Unschedulable', message: `${name}: ${words} Add nodes, or ask for less in spec.template.` };
    case 'CreateContainerConfigError':
      return {
        reason: /secret|configmap/i.test(words) ? 'MissingSecret' : 'ContainerConfigError',
        message: `${name}: ${words}. Create what is missing, or name another in the pool.`,
      };
    case 'CrashLoopBackOff':
      return { reason: 'GatewayCrashes', message: `${name} ends again and again: ${words} See kubectl logs --previous ${name}.` };
    default:
      return { reason: /^[A-Za-z][A-Za-z0-9_]*$/.test(reason) ? reason : 'GatewayNotReady', message: `${name}: ${words}` };
  }
}

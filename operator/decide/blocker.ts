/**
 * Causes that keep a pool's gateways from becoming ready. Each cause has one reason, and one sentence that says what to
 * do.
 */
import type { EventReason } from './actions.ts';
import { busAdvice } from './bus-advice.ts';
import type { ObservedFault } from './fault.ts';
import { isAvailable, pollOf, silentMs, type ObservedGateway } from './observed.ts';
import { ports } from '../desired/labels.ts';

export interface Blocker {
  readonly reason: string;
  readonly message: string;
}

/** A blocker from an answer of the API server. */
export interface FaultBlocker extends Blocker {
  readonly reason: EventReason;
  /** `Pod web-1a2b3-0`, `Secret redis`. */
  readonly subject: string;
}

/** The most telling refusal or missing object. */
export function faultBlocker(faults: readonly ObservedFault[]): Blocker | undefined {
  return faultBlockers(faults)[0];
}

/** All refusals and missing objects, the most telling first. */
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
  // The message about a Secret already says what to do.
  MissingSecret: { reason: 'MissingSecret', advice: '' },
  InvalidTemplate: { reason: 'InvalidTemplate', advice: templateAdvice },
  PodSecurity: {
    reason: 'PodSecurityRefused',
    advice: "Remove these privileges from the template, or change the namespace's Pod Security level.",
  },
  QuotaExceeded: {
    reason: 'QuotaExceeded',
    advice: (subject) => `Raise the quota of the namespace${isOfPods(subject) ? ', or ask for fewer or smaller pods' : ''}.`,
  },
  MissingGatewayAPI: {
    reason: 'MissingGatewayAPI',
    advice:
      'Install the definitions of the Gateway API (gateway.networking.k8s.io/v1, release v1.2 or newer) in the cluster, or choose another spec.exposure.type.',
  },
  RouteRefused: {
    reason: 'RouteRefused',
    advice: 'Check spec.exposure.httpRoute: parentRef, its sectionName and the hostname must fit the Gateway.',
  },
  RouteUnanswered: {
    reason: 'RouteUnanswered',
    advice:
      'Check that this Gateway exists and that a controller looks after it (kubectl get gateways -A), or correct spec.exposure.httpRoute.parentRef.',
  },
  NameTaken: {
    reason: 'NameTaken',
    advice: (subject) => `Delete the object that has this name (kubectl delete ${commandName(subject)}), or give it another one.`,
  },
  AdmissionDenied: {
    reason: 'AdmissionDenied',
    advice: "An admission policy of the cluster refuses this. Change the pool to satisfy it, or have the policy's owner exempt the pool.",
  },
  NamespaceTerminating: {
    reason: 'NamespaceTerminating',
    advice: 'The namespace is being deleted, and the pool goes with it.',
  },
  Forbidden: { reason: 'Forbidden', advice: "Give the operator's ServiceAccount this permission, as its chart does." },
  Unavailable: {
    reason: 'ApiServerUnavailable',
    advice: 'The operator tries again. An admission webhook that is named here must be mended, or its configuration deleted.',
  },
  Other: { reason: 'ApplyFailed', advice: 'The operator tries again.' },
};
function templateAdvice(subject: string): string {
  if (subject.startsWith('Pod ')) return 'Correct spec.template.';
  return subject.startsWith('Deployment ') ? 'Correct spec.publisher.template or spec.publisher.resources.' : "Correct the pool's spec.";
}

/** `Secret redis` as kubectl takes it. */
function commandName(subject: string): string {
  const [kind = '', name = ''] = subject.split(' ');
  return `${kind.toLowerCase()}/${name}`;
}

function isOfPods(subject: string): boolean {
  return subject.startsWith('Pod ') || subject.startsWith('Deployment ');
}

/** Ends a foreign text with exactly one full stop. */
function sentence(words: string): string {
  return `${words.trim().replace(/[.:;,\s]+$/, '')}.`;
}

const faultOrder = Object.keys(faultReasons) as readonly ObservedFault['kind'][];

/**
 * The cause that keeps most of the existing gateways from being ready.
 * @param now Unix milliseconds
 */
export function gatewayBlocker(gateways: readonly ObservedGateway[], now: number): Blocker | undefined {
  return gatewayBlockers(gateways, now)[0];
}

/**
 * The causes that keep existing gateways from being ready, one for each reason. The cause with most gateways comes
 * first.
 * @param now Unix milliseconds
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
  // An answer from before the silence is no cause any more.
  if (isSilent(gateway, now))
    return {
      reason: 'GatewaySilent',
      message: `${name} runs, but does not answer the operator on port ${ports.admin}. Let the operator's pods reach it (NetworkPolicies, service mesh), or check its node.`,
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

/** An available gateway blocks nothing, even if it is silent. */
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
      return { reason: 'GatewayCrashes', message: `${name} crashes again and again: ${words} See kubectl logs --previous ${name}.` };
    default:
      return { reason: /^[A-Za-z][A-Za-z0-9_]*$/.test(reason) ? reason : 'GatewayNotReady', message: `${name}: ${words}` };
  }
}

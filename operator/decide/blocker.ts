/** Why a pool's gateways can't become ready, in one reason and one sentence that says what to do. */
import { pollOf } from './drain.ts';
import type { ObservedFault } from './fault.ts';
import type { ObservedGateway } from './observed.ts';

export interface Blocker {
  readonly reason: string;
  readonly message: string;
}

/** What the API server refused, or what is missing; the most telling first. */
export function faultBlocker(faults: readonly ObservedFault[]): Blocker | undefined {
  const fault = faultOrder.flatMap((kind) => faults.find((each) => each.kind === kind) ?? [])[0];
  if (fault === undefined) return undefined;
  return {
    reason: faultReasons[fault.kind].reason,
    message: `${fault.subject}: ${fault.message.trim()} ${faultReasons[fault.kind].advice}`,
  };
}

const faultReasons: Readonly<Record<ObservedFault['kind'], { readonly reason: string; readonly advice: string }>> = {
  MissingSecret: { reason: 'MissingSecret', advice: 'Create it, or name another in the pool.' },
  InvalidTemplate: { reason: 'InvalidTemplate', advice: 'Correct spec.template or spec.publisher.template.' },
  PodSecurity: { reason: 'PodSecurityRefused', advice: "Remove what asks for privileges, or change the namespace's Pod Security level." },
  QuotaExceeded: { reason: 'QuotaExceeded', advice: 'Raise the quota of the namespace, or ask for fewer or smaller pods.' },
  MissingGatewayAPI: {
    reason: 'MissingGatewayAPI',
    advice:
      'Install the definitions of the Gateway API (gateway.networking.k8s.io/v1) in the cluster, or choose another spec.exposure.type.',
  },
  NameTaken: { reason: 'NameTaken', advice: 'Something else has this name: delete or rename it.' },
  Forbidden: { reason: 'Forbidden', advice: "Give the operator's ServiceAccount this permission, as its chart does." },
  Unavailable: { reason: 'ApiServerUnavailable', advice: 'It is tried again.' },
  Other: { reason: 'ApplyFailed', advice: 'It is tried again.' },
};
const faultOrder = Object.keys(faultReasons) as readonly ObservedFault['kind'][];

/** What keeps gateways that exist from being ready; that of the most gateways first. */
export function gatewayBlocker(gateways: readonly ObservedGateway[]): Blocker | undefined {
  const found = gateways
    .filter(({ isTerminating }) => !isTerminating)
    .flatMap((gateway) => {
      const blocker = blockerOf(gateway);
      return blocker === undefined ? [] : [blocker];
    });
  const groups = [...Map.groupBy(found, ({ reason }) => reason).values()].toSorted((a, b) => b.length - a.length);
  const [first] = groups;
  if (first?.[0] === undefined) return undefined;
  const others = first.length > 1 ? ` (and ${first.length - 1} more ${first.length === 2 ? 'gateway' : 'gateways'})` : '';
  return { reason: first[0].reason, message: `${first[0].message}${others}` };
}

function blockerOf(gateway: ObservedGateway): Blocker | undefined {
  const { name, obstacle } = gateway;
  if (obstacle !== undefined) return obstacleBlocker(name, obstacle.reason, obstacle.message);
  const polled = pollOf(gateway);
  const bus = polled?.waitingFor.find((what) => what.startsWith('the bus'));
  if (bus !== undefined)
    return {
      reason: 'RedisUnreachable',
      message: `${name} waits for ${bus}. Check spec.bus.redis: its addresses, its credentialsSecret, and that Redis runs.`,
    };
  const [other] = polled?.waitingFor.filter((what) => !what.startsWith('nothing')) ?? [];
  if (other !== undefined) return { reason: 'GatewayNotReady', message: `${name} waits for ${other}.` };
  return undefined;
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

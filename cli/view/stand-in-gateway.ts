import type { ObservedGateway } from '../../operator/decide/observed.ts';
import type { ProcessReading } from './reading.ts';
import { sumOf } from './samples.ts';

/** A gateway without a pod, as the operator's decisions would see its pod: running, serving, with this load. */
export function standInGateway({ name, answer }: ProcessReading): ObservedGateway {
  const isTold = answer.kind === 'told';
  const status = isTold ? answer.status : undefined;
  return {
    name,
    uid: name,
    createdAt: 0,
    revision: '',
    labels: {},
    phase: 'Running',
    isTerminating: false,
    deletedAt: undefined,
    isRunning: true,
    containersReady: isTold,
    isReady: isTold,
    serving: 'True',
    endedAt: undefined,
    drain: undefined,
    ip: undefined,
    hostIp: undefined,
    zone: undefined,
    obstacle: undefined,
    endpointReady: undefined,
    unansweredSince: undefined,
    polled: isTold
      ? {
          at: answer.at,
          uid: name,
          ready: answer.waitingFor.length === 0,
          waitingFor: answer.waitingFor,
          poolEpoch: 0,
          policiesHash: '',
          connections: status?.connections ?? sumOf(answer.samples, 'barrage_gateway_connections') ?? 0,
          isRefusing: (status?.refusedPerSecond ?? 0) > 0,
          drainState: status?.drain.state ?? 'serving',
        }
      : undefined,
  };
}

import type { AdminStatus } from '../../core/pool/admin-status.ts';
import type { ObservedGateway } from '../../operator/decide/observed.ts';
import { sumOf, type Sample } from './samples.ts';

/** One gateway or publisher, and what it told when it was asked. */
export interface ProcessReading {
  readonly name: string;
  readonly role: 'gateway' | 'publisher';
  /** `namespace/pool`; `undefined` without Kubernetes. */
  readonly pool: string | undefined;
  readonly node: string | undefined;
  /** The pod as the operator's decisions see it, this answer included; `undefined` without Kubernetes. */
  readonly observed: ObservedGateway | undefined;
  readonly restarts: number;
  readonly answer: ProcessAnswer;
}

export type ProcessAnswer =
  | {
      readonly kind: 'told';
      /** When the answer came, in Unix milliseconds. */
      readonly at: number;
      /** `undefined`: the process has no admin port, or is older. */
      readonly status: AdminStatus | undefined;
      /** What the process waits for before it serves; empty: it is ready. */
      readonly waitingFor: readonly string[];
      readonly samples: readonly Sample[];
    }
  /** It was asked in vain, or not at all: `why` says which. */
  | { readonly kind: 'silent'; readonly why: string };

/** The figures of one gateway that tables show. `undefined`: it does not tell. */
export interface GatewayFigures {
  readonly connections: number | undefined;
  readonly subscriptions: number | undefined;
  readonly rooms: number | undefined;
  /** Busy share of the event loop, 0 to 1. */
  readonly loop: number | undefined;
  readonly bytesPerSecond: number | undefined;
  /** Publications × members handed to sockets. */
  readonly deliveredPerSecond: number | undefined;
  /** Publications × members that were not sent. */
  readonly droppedPerSecond: number | undefined;
}

const counters = {
  bytes: 'barrage_gateway_bytes_sent_total',
  delivered: 'barrage_gateway_publications_delivered_total',
  dropped: 'barrage_gateway_publications_dropped_total',
} as const;

/**
 * @param before an earlier reading of the same process, for rates; without it only those are known that the process
 *   tells itself
 */
export function figuresOf({ answer }: ProcessReading, before?: ProcessReading): GatewayFigures {
  if (answer.kind === 'silent') {
    return {
      connections: undefined,
      subscriptions: undefined,
      rooms: undefined,
      loop: undefined,
      bytesPerSecond: undefined,
      deliveredPerSecond: undefined,
      droppedPerSecond: undefined,
    };
  }
  const { status, samples } = answer;
  const perSecond = (name: string): number | undefined => {
    if (before?.answer.kind !== 'told') return undefined;
    const [now, then] = [sumOf(samples, name), sumOf(before.answer.samples, name)];
    const seconds = (answer.at - before.answer.at) / 1000;
    // A counter that fell is that of a restarted process.
    return now === undefined || then === undefined || seconds <= 0 || now < then ? undefined : (now - then) / seconds;
  };
  return {
    connections: status?.connections ?? sumOf(samples, 'barrage_gateway_connections'),
    subscriptions: status?.subscriptions ?? sumOf(samples, 'barrage_gateway_subscriptions'),
    rooms: status?.rooms ?? sumOf(samples, 'barrage_gateway_rooms'),
    loop: status?.loopUtilization,
    bytesPerSecond: perSecond(counters.bytes) ?? status?.bytesSentPerSecond,
    deliveredPerSecond: perSecond(counters.delivered),
    droppedPerSecond: perSecond(counters.dropped),
  };
}

/** Whether processes were asked, and none of them told its figures. */
export function isSilence(readings: readonly ProcessReading[]): boolean {
  return readings.length > 0 && readings.every(({ answer }) => answer.kind === 'silent');
}

/** The sum of the known figures; `undefined` where none is known. */
export function sum(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
}

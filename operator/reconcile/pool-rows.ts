import type { AdminStatus } from '../../core/pool/admin-status.ts';
import type { GatewayRow, PlacedChannel, PublisherRow } from '../../ops/view/snapshot.ts';
import { hasEnded, isAvailable, isPublishing, silentMs, type ObservedGateway } from '../decide/observed.ts';

/** A pod with its newest answer. */
export interface AnsweringPod {
  readonly observed: ObservedGateway;
  readonly status: AdminStatus | undefined;
  /** Age of the answer, in milliseconds. */
  readonly ageMs: number | undefined;
}

/** Most channels of a pool that its page lists. */
const channelsMax = 20;

/**
 * One gateway as the operations page shows it.
 * @param pool `weights`: of the gateways of the pool document, by uid; `now` in Unix milliseconds
 */
export function gatewayRow(
  { observed, status, ageMs }: AnsweringPod,
  pool: {
    readonly weights: ReadonlyMap<string, number>;
    readonly updateRevision: string | undefined;
    readonly node: string | undefined;
    readonly now: number;
  },
): GatewayRow {
  const { name, uid, revision, zone } = observed;
  const weight = pool.weights.get(uid);
  const { state, why } = stateOf(observed, status, pool.now);
  return {
    name,
    state,
    isUpdated: pool.updateRevision === undefined || revision === pool.updateRevision,
    ...(why === undefined ? {} : { why }),
    ...(zone === undefined ? {} : { zone }),
    ...(pool.node === undefined ? {} : { node: pool.node }),
    ...(weight === undefined ? {} : { weight }),
    ...(ageMs === undefined ? {} : { ageMs }),
    ...(status === undefined
      ? {}
      : {
          connections: status.connections,
          subscriptions: status.subscriptions,
          rooms: status.rooms,
          busy: status.loopUtilization,
          bytesPerSecond: status.bytesSentPerSecond,
          epoch: status.poolEpoch,
          movedConnections: status.drain.movedConnections,
        }),
  };
}

function stateOf(gateway: ObservedGateway, status: AdminStatus | undefined, now: number): Pick<GatewayRow, 'state' | 'why'> {
  const { obstacle, unansweredSince } = gateway;
  const because = (words: string | undefined): { readonly why?: string } => (words === undefined ? {} : { why: words });
  if (hasEnded(gateway)) return { state: 'ended', ...because(obstacle?.message) };
  if (gateway.isTerminating) return { state: 'leaving' };
  if (gateway.drain !== undefined) return { state: 'draining' };
  if (!gateway.isRunning)
    return { state: 'starting', ...because(obstacle === undefined ? undefined : `${obstacle.reason}: ${obstacle.message}`) };
  if (unansweredSince !== undefined && now - unansweredSince >= silentMs) return { state: 'silent', why: 'its admin port does not answer' };
  if (isAvailable(gateway)) return { state: 'serving' };
  return { state: status === undefined ? 'starting' : 'not ready', ...because(status?.waitingFor.join('; ')) };
}

/** One publisher as the operations page shows it. */
export function publisherRow({ observed, status, ageMs }: AnsweringPod): PublisherRow {
  return {
    name: observed.name,
    isReady: isPublishing(observed),
    ...(ageMs === undefined ? {} : { ageMs }),
    ...(status === undefined ? {} : { busy: status.loopUtilization, epoch: status.poolEpoch }),
  };
}

/** The largest channels of a pool, as far as its gateways tell, with the gateway that placement names first. */
export function placedChannels(statuses: Iterable<AdminStatus>, homeOf: (channel: string) => string | undefined): readonly PlacedChannel[] {
  const found = new Map<string, Map<string, number>>();
  for (const { name, topChannels } of statuses) {
    for (const { channel, members } of topChannels) {
      const byGateway = found.get(channel) ?? new Map<string, number>();
      found.set(channel, byGateway.set(name, members));
    }
  }
  const sums = Array.from(found, ([channel, byGateway]) => {
    const members = [...byGateway.values()].reduce((sum, count) => sum + count, 0);
    return { channel, byGateway, members };
  });
  const top = sums.toSorted((one, other) => other.members - one.members || (one.channel < other.channel ? -1 : 1)).slice(0, channelsMax);
  return top.map(({ channel, byGateway, members }) => {
    const home = homeOf(channel);
    return { channel, members, gateways: byGateway.size, ...(home === undefined ? {} : { home }), atHome: byGateway.get(home ?? '') ?? 0 };
  });
}

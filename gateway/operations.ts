import type { Registry } from 'prom-client';
import type { AdminStatus } from '../core/pool/admin-status.ts';
import type { Settings } from '../core/process/settings.ts';
import type { Clock } from '../core/clock.ts';
import { priorities } from '../core/publication.ts';
import { CountedRates } from '../ops/counted-rates.ts';
import type { OperationsPart } from '../ops/process-operations.ts';
import { RegistryReader } from '../ops/registry-reader.ts';
import type { Readings } from '../ops/view/readings.ts';
import type { ClientRow, RoomRow, Snapshot } from '../ops/view/snapshot.ts';
import type { GatewayMetrics } from './accounts/metrics.ts';
import { dropReasons, type TallyKind } from './accounts/tally.ts';
import type { Connection } from './connections/connection.ts';
import type { OpenConnections } from './connections/open-connections.ts';
import { SlowestConnections, type SlowConnection } from './connections/slowest-connections.ts';
import { BusiestRooms, type BusyRoom } from './rooms/busiest-rooms.ts';
import type { Room } from './rooms/room.ts';
import type { Rooms } from './rooms/rooms.ts';

/** The gateway on the operations page. */
export class GatewayOperations implements OperationsPart {
  readonly #rooms: Rooms;
  readonly #connections: OpenConnections;
  readonly #metrics: GatewayMetrics;
  readonly #reader: RegistryReader;
  readonly #clock: Clock;
  readonly #settings: Pick<Settings, 'connectionsMax' | 'fanOutPercent'>;
  readonly #drain: () => AdminStatus['drain'];
  readonly #slowest: SlowestConnections<Connection>;
  readonly #busiest: BusiestRooms<Room>;
  readonly #refused = new CountedRates();

  constructor(options: {
    readonly rooms: Rooms;
    readonly connections: OpenConnections;
    readonly metrics: GatewayMetrics;
    readonly registry: Registry;
    readonly clock: Clock;
    readonly settings: Pick<Settings, 'connectionsMax' | 'fanOutPercent'>;
    readonly drain: () => AdminStatus['drain'];
  }) {
    const { rooms, connections, metrics, clock } = options;
    this.#rooms = rooms;
    this.#connections = connections;
    this.#metrics = metrics;
    this.#reader = new RegistryReader(options.registry);
    this.#clock = clock;
    this.#settings = options.settings;
    this.#drain = options.drain;
    const onSlice = (milliseconds: number): void => metrics.loopSlice('ops', milliseconds);
    this.#slowest = new SlowestConnections({ connections: connections.byId, clock, onSlice });
    this.#busiest = new BusiestRooms({ rooms, clock, onSlice });
  }

  async read(): Promise<Readings> {
    const reader = this.#reader;
    const [received, frames, flushes, closed, busGaps, refused, merged, window, latency, pulled, pullReads, pullReadsRefused] =
      await Promise.all([
        reader.sum('barrage_gateway_publications_received_total'),
        reader.sum('barrage_gateway_frames_sent_total'),
        reader.sum('barrage_gateway_flushes_total'),
        reader.sum('barrage_gateway_connections_closed_total'),
        reader.sum('barrage_gateway_bus_gaps_total'),
        reader.sumsBy('barrage_gateway_connections_refused_total', 'reason'),
        reader.distribution('barrage_gateway_merge_publications'),
        reader.distribution('barrage_gateway_merge_window_seconds'),
        reader.distribution('barrage_delivery_latency_seconds'),
        reader.sumsBy('barrage_gateway_pull_requests_total', 'result'),
        reader.sum('barrage_gateway_pull_bus_reads_total'),
        reader.sum('barrage_gateway_pull_bus_reads_refused_total'),
      ]);
    this.#refused.add(refused, this.#clock.monotonic());
    const { tally } = this.#metrics;
    const totalOf = (kind: TallyKind): number => priorities.reduce((sum, priority) => sum + tally.count(kind, priority), 0);
    const dropped = Object.fromEntries(dropReasons.map((reason) => [reason, totalOf(reason)]));
    return {
      now: {
        connections: this.#connections.size,
        subscriptions: this.#rooms.subscriptions,
        rooms: this.#rooms.size,
        stretched: this.#rooms.stretched,
        fanOut: this.#rooms.demand,
        pullCache: this.#metrics.pull.sources.cacheBytes(),
        pending: priorities.reduce((sum, priority) => sum + tally.pending(priority), 0),
      },
      totals: {
        received: received ?? 0,
        delivered: totalOf('delivered'),
        ...dropped,
        bytes: this.#metrics.bytesSent,
        frames: frames ?? 0,
        flushes: flushes ?? 0,
        closed: closed ?? 0,
        busGaps: busGaps ?? 0,
        refused: Object.values(refused).reduce((sum, count) => sum + count, 0),
        pulled: Object.values(pulled).reduce((sum, count) => sum + count, 0),
        pullLimited: pulled['limited'] ?? 0,
        pullReads: pullReads ?? 0,
        pullReadsRefused: pullReadsRefused ?? 0,
      },
      distributions: {
        ...(merged === undefined ? {} : { merged }),
        ...(window === undefined ? {} : { window }),
        ...(latency === undefined ? {} : { latency }),
      },
    };
  }

  look(): void {
    this.#slowest.walk();
    this.#busiest.walk();
  }

  view(): Pick<Snapshot, 'gateway'> {
    const { state, movedConnections, startedAt } = this.#drain();
    return {
      gateway: {
        connectionsMax: this.#settings.connectionsMax,
        fanOutMax: this.#settings.fanOutPercent / 100,
        drain: { state, movedConnections, ...(startedAt === undefined ? {} : { startedAt }) },
        refused: this.#refused.rates,
        busiestRooms: this.#busiest.found.map(roomRow),
        slowestClients: this.#slowest.found.map((each) => this.#clientRow(each)),
        waitingClients: this.#slowest.waiting,
      },
    };
  }

  #clientRow({ connection, waitingBytes }: SlowConnection<Connection>): ClientRow {
    const { id, uid, encoding, members, isFull, lastSeenAt, peerAddress: address } = connection;
    const channel = members[0]?.room.channel;
    return {
      id,
      ...(uid === undefined ? {} : { user: uid }),
      ...(address === undefined ? {} : { address }),
      protocol: encoding.name,
      waitingBytes,
      isFull,
      channels: members.length,
      ...(channel === undefined ? {} : { channel }),
      silentMs: Math.round(this.#clock.monotonic() - lastSeenAt),
    };
  }
}

function roomRow({ room, load, share, leftOutPerSecond, lostPerSecond }: BusyRoom<Room>): RoomRow {
  return {
    channel: room.channel,
    members: room.size,
    fullMembers: room.fullMembers,
    publicationsPerSecond: load?.publicationsPerSecond ?? 0,
    bytesPerSecond: load?.bytesPerSecond ?? 0,
    windowMs: Math.round(room.windowMs),
    share,
    leftOutPerSecond,
    lostPerSecond,
  };
}

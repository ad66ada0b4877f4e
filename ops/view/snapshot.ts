import type { Figures } from './series.ts';

/** What a stream tells each second. Names in it are what clients and backends chose: they are never markup. */
export interface Snapshot {
  /** The process's clock, in Unix milliseconds. */
  readonly at: number;
  readonly process: ProcessView;
  /** Time of the sample that `figures` are of. */
  readonly sampledAt: number;
  readonly figures: Figures;
  readonly gateway?: GatewayView;
  readonly publisher?: PublisherView;
  readonly bus?: BusView;
  readonly operator?: OperatorView;
}

export interface ProcessView {
  readonly role: 'gateway' | 'publisher' | 'gateway and publisher' | 'operator';
  readonly name: string;
  /** In Unix milliseconds. */
  readonly startedAt: number;
  /** Conditions that it waits for before it can serve, in words; empty: ready. */
  readonly waitingFor: readonly string[];
}

export interface GatewayView {
  readonly connectionsMax: number;
  /** Share of the event loop that fan-out may take. */
  readonly fanOutMax: number;
  readonly drain: DrainView;
  /** Refused connections a second, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** The rooms with the most load, the busiest first. */
  readonly busiestRooms: readonly RoomRow[];
  /** Connections with the most waiting bytes, the most first. */
  readonly slowestClients: readonly ClientRow[];
  /** Connections with any waiting bytes. */
  readonly waitingClients: number;
}

export interface DrainView {
  readonly state: 'serving' | 'draining' | 'drained';
  readonly movedConnections: number;
  /** In Unix milliseconds. */
  readonly startedAt?: number;
}

export interface RoomRow {
  readonly channel: string;
  readonly members: number;
  /** Members whose queue is at its bound. */
  readonly fullMembers: number;
  readonly publicationsPerSecond: number;
  /** Payload bytes a second that come in. */
  readonly bytesPerSecond: number;
  /** Merge window in force, in milliseconds. */
  readonly windowMs: number;
  /** Share of the event loop that its flushes take. */
  readonly share: number;
  /** Publications × members a second that were left out on purpose. */
  readonly leftOutPerSecond: number;
  /** Publications × members a second that were lost. */
  readonly lostPerSecond: number;
}

export interface ClientRow {
  readonly id: number;
  readonly user?: string;
  readonly address?: string;
  readonly protocol: string;
  readonly waitingBytes: number;
  /** Whether its queue is at its bound, so that batches are being dropped. */
  readonly isFull: boolean;
  readonly channels: number;
  /** One of its channels. */
  readonly channel?: string;
  /** Milliseconds since anything came from it. */
  readonly silentMs: number;
}

export interface PublisherView {
  /** Publications a second that were refused, by result. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly apiConnections: number;
  readonly requestBytes: number;
}

export interface BusView {
  readonly isUp: boolean;
  /** Reason, while it is not up. */
  readonly fault?: string;
  /** Whether it is a bus in this process's memory. */
  readonly isMemory: boolean;
  readonly subscriptionsInForce: number;
  readonly subscriptionsWaiting: number;
  /** Since the start of the process. */
  readonly connectionErrors: number;
  /** Since the start, by reason; reasons without a failure are left out. */
  readonly appendFailures: Readonly<Record<string, number>>;
  /** Id of the bus that takes publications, where a pool names it. */
  readonly publishTo?: string;
  readonly listening?: readonly { readonly id: string; readonly up: boolean }[];
}

export interface OperatorView {
  readonly isLeader: boolean;
  /** Name of the operator that leads; empty where it is not known. */
  readonly leader: string;
  /** Keys that wait for a worker. */
  readonly queued: number;
  /** All pools, by namespace and name; at most `poolsMax`. */
  readonly pools: readonly PoolRow[];
  /** Number of pools, those beyond `poolsMax` included. */
  readonly poolCount: number;
  /** The pool that the page asked for, or the only one. */
  readonly pool?: PoolView;
}

/** Most pools that the page lists, and whose history is kept. */
export const poolsMax = 200;

export interface PoolRow {
  /** `namespace/name`. */
  readonly key: string;
  readonly connections: number;
  readonly ready: number;
  readonly desired: number;
  readonly draining: number;
  readonly isReady: boolean;
  /** The condition Ready, in words. */
  readonly message: string;
}

export interface PoolView {
  readonly key: string;
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
    readonly since: string;
  }[];
  readonly scaling?: ScalingView;
  readonly documentEpoch: number;
  readonly gateways: readonly GatewayRow[];
  readonly publishers: readonly PublisherRow[];
  readonly channels: readonly PlacedChannel[];
}

/** The last decision on the number of gateways. */
export interface ScalingView {
  /** In Unix milliseconds. */
  readonly at: number;
  readonly desired: number;
  /** In words. */
  readonly reason: string;
  readonly limited?: 'min' | 'max';
  readonly type: string;
}

export interface GatewayRow {
  readonly name: string;
  readonly state: 'serving' | 'starting' | 'not ready' | 'draining' | 'leaving' | 'ended' | 'silent';
  /** Why it is not serving, in words. */
  readonly why?: string;
  /** Age of its last answer, in milliseconds; absent before the first. */
  readonly ageMs?: number;
  readonly connections?: number;
  readonly subscriptions?: number;
  readonly rooms?: number;
  readonly busy?: number;
  readonly bytesPerSecond?: number;
  readonly epoch?: number;
  readonly zone?: string;
  readonly node?: string;
  /** Share of channels relative to the others, by the pool document. */
  readonly weight?: number;
  readonly movedConnections?: number;
  /** Whether its pod has the newest template. */
  readonly isUpdated: boolean;
}

export interface PublisherRow {
  readonly name: string;
  readonly isReady: boolean;
  readonly ageMs?: number;
  readonly busy?: number;
  readonly epoch?: number;
}

/** One of the pool's largest channels: where it is, and where placement wants it. */
export interface PlacedChannel {
  readonly channel: string;
  readonly members: number;
  /** The gateways that have members of it, as far as they tell. */
  readonly gateways: number;
  /** The gateway that placement names first. */
  readonly home?: string;
  /** Members at that gateway. */
  readonly atHome: number;
}

import { busCosts, fanOutCosts, gatewayCosts, measuredPayloadBytes } from './unit-costs.ts';

/** The load to reckon for. */
export interface Demand {
  /** Clients at the busiest time. */
  readonly connections: number;
  /** Channels that are in use at that time. */
  readonly channels: number;
  /** Publications a second, of all channels together. */
  readonly publicationsPerSecond: number;
  /** Bytes of one payload. */
  readonly payloadBytes: number;
  /** Channels of one client. */
  readonly subscriptions: number;
  /** `merge.windowMilliseconds` of the channels' policy. */
  readonly windowMilliseconds: number;
  /** `history.size` of the channels' policy; 0: no history. */
  readonly historySize: number;
  /**
   * Whether clients ask `GET /v1/connect?channel=…` for their gateway, which brings a channel's clients together.
   * Otherwise a balancer spreads them.
   */
  readonly isPlaced: boolean;
}

/** What is left free, and what a gateway is given at most. */
export interface Margins {
  /** Most CPU of a core that a process may need at the demand. A gateway's work is on one thread. */
  readonly coreShareMax: number;
  /** Most connections of one gateway. */
  readonly connectionsPerGatewayMax: number;
  /** Gateways beyond those needed: so many may be missing. */
  readonly spareGateways: number;
  /** Memory to request, as a multiple of what was reckoned. */
  readonly memoryFactor: number;
  /** Clients that read too slowly, as a share; each may have a full queue. The memory limit has room for them. */
  readonly slowShare: number;
}

export const defaultMargins: Margins = {
  coreShareMax: 0.5,
  connectionsPerGatewayMax: 20_000,
  spareGateways: 1,
  memoryFactor: 1.3,
  slowShare: 0.01,
};

/** Most gateways of a pool that can be reckoned: the bound of `spec.scaling.connections.minReplicas`. */
export const gatewaysMax = 1_000;
/** The default policy's `slowConsumer.queueBytesMax`, in bytes. */
const queueBytesMax = 1_048_576;
/** The default policy's `merge.publicationsMax`. */
const publicationsPerFlushMax = 500;
/** Newest publications of all rooms that a gateway keeps, in bytes (`limits.recentOfAllBytesMax`). */
const recentBytesMax = 134_217_728;
/** Bytes of TCP, IP and Ethernet for each segment, and bytes of payload that one segment carries. */
const segment = { overhead: 66, payload: 1_448 };
const mebibyte = 1_048_576;

/** What a demand needs. CPU is in cores, memory in MiB, traffic in Mbit/s. */
export interface Size {
  readonly demand: Demand;
  readonly margins: Margins;
  /** Subscribed clients of a channel, on average. */
  readonly members: number;
  /** Publications that reach a client, of all clients, each second. */
  readonly deliveriesPerSecond: number;
  /** Writes to sockets, of all clients, each second. */
  readonly writesPerSecond: number;
  readonly publicationsPerWrite: number;
  /** Gateways that have a channel, and so get its publications. */
  readonly gatewaysOfChannel: number;
  readonly gateways: {
    /** Gateways with the spare ones. */
    readonly count: number;
    /** What the number follows. */
    readonly boundBy: 'cpu' | 'connections' | 'one';
    /** Connections of one gateway while the spare ones are missing. */
    readonly connections: number;
    /** CPU of one gateway at these connections. */
    readonly cores: number;
    /** Resident memory of one gateway at these connections. */
    readonly residentMebibytes: number;
    /** Kernel memory of its sockets: idle ones, and one flush of each on its way. */
    readonly kernelMebibytes: number;
    readonly requestMebibytes: number;
    readonly limitMebibytes: number;
    /** To clients, of all gateways together. */
    readonly egressMegabits: number;
  };
  readonly publishers: { readonly count: number; readonly cores: number };
  readonly redis: {
    /** Masters that share the channels; 1 needs no Cluster. */
    readonly masters: number;
    /** Of all masters together. */
    readonly cores: number;
    readonly historyMebibytes: number;
    readonly egressMegabits: number;
  };
}

/**
 * Reckons what a demand needs, with channels that are all alike.
 * @throws RangeError where more than {@link gatewaysMax} gateways would be needed
 */
export function sizeOf(demand: Demand, margins: Margins = defaultMargins): Size {
  const { connections, channels, publicationsPerSecond, subscriptions } = demand;
  const members = (connections * subscriptions) / channels;
  const merged = mergingOf(publicationsPerSecond / channels, demand.windowMilliseconds);
  const writesPerSecond = connections * subscriptions * merged.flushesPerSecond;
  const load: Load = { demand, members, writesPerSecond, publicationsPerWrite: merged.publicationsPerFlush };
  const forConnections = Math.ceil(connections / margins.connectionsPerGatewayMax);
  const forCpu = gatewaysForCpu(load, margins);
  const needed = Math.max(forConnections, forCpu);
  const count = needed + margins.spareGateways;
  if (count > gatewaysMax) throw new RangeError(tooMany(count));
  const reached = gatewaysOfChannel(load, count);
  const bytesPerWrite = writeBytes(load);
  const memory = gatewayMemory(load, needed);
  const slowMebibytes = ((connections / needed) * margins.slowShare * queueBytesMax) / mebibyte;
  const requestMebibytes = (memory.residentMebibytes + memory.kernelMebibytes) * margins.memoryFactor;
  const publisherCores = (publicationsPerSecond * busCosts.publisherMicroseconds) / 1e6;
  const redisMicroseconds = demand.historySize > 0 ? busCosts.redisHistoryMicroseconds : busCosts.redisMicroseconds;
  const redisCores = (publicationsPerSecond * (redisMicroseconds + reached * busCosts.redisGatewayMicroseconds)) / 1e6;
  const kept = channels * demand.historySize * otherPayload(busCosts.redisKeptBytes, demand.payloadBytes);
  return {
    demand,
    margins,
    members,
    deliveriesPerSecond: publicationsPerSecond * members,
    writesPerSecond,
    publicationsPerWrite: merged.publicationsPerFlush,
    gatewaysOfChannel: reached,
    gateways: {
      count,
      boundBy: needed === 1 ? 'one' : forCpu > forConnections ? 'cpu' : 'connections',
      connections: Math.ceil(connections / needed),
      cores: gatewayCores(load, needed),
      ...memory,
      requestMebibytes,
      limitMebibytes: requestMebibytes + slowMebibytes,
      egressMegabits: (writesPerSecond * onWire(bytesPerWrite) * 8) / 1e6,
    },
    publishers: { count: Math.max(2, Math.ceil(publisherCores / margins.coreShareMax) + 1), cores: publisherCores },
    redis: {
      masters: Math.ceil(redisCores / margins.coreShareMax) <= 1 ? 1 : Math.max(3, Math.ceil(redisCores / margins.coreShareMax)),
      cores: redisCores,
      historyMebibytes: kept / mebibyte,
      egressMegabits: (publicationsPerSecond * reached * onWire(otherPayload(busCosts.redisGatewayBytes, demand.payloadBytes)) * 8) / 1e6,
    },
  };
}

interface Load {
  readonly demand: Demand;
  readonly members: number;
  readonly writesPerSecond: number;
  readonly publicationsPerWrite: number;
}

/**
 * How a merge window joins publications: the first one opens the window, and what comes before its end goes with it.
 * @param rate publications of one channel a second
 */
export function mergingOf(
  rate: number,
  windowMilliseconds: number,
): { readonly flushesPerSecond: number; readonly publicationsPerFlush: number } {
  const publicationsPerFlush = Math.min(1 + (rate * windowMilliseconds) / 1_000, publicationsPerFlushMax);
  return { flushesPerSecond: rate / publicationsPerFlush, publicationsPerFlush };
}

/**
 * CPU of one write, in microseconds: between two measured rows as on the line between them, beyond the last row as on
 * that line.
 */
export function writeMicroseconds(publicationsPerWrite: number): number {
  return onLine(
    publicationsPerWrite,
    fanOutCosts.map((cost) => [cost.publicationsPerWrite, cost.publicationsPerWrite * cost.microseconds]),
  );
}

/** Gateways, of so many in all, that have a member of a channel. */
export function gatewaysOfChannel({ demand, members }: Pick<Load, 'demand' | 'members'>, gateways: number): number {
  // A channel that is larger than a gateway's share is on several.
  if (demand.isPlaced) return Math.min(gateways, Math.max(1, (members * gateways) / demand.connections));
  return gateways * (1 - (1 - 1 / gateways) ** members);
}

function gatewaysForCpu(load: Load, { coreShareMax }: Margins): number {
  for (let gateways = 1; gateways <= gatewaysMax; gateways++) if (gatewayCores(load, gateways) <= coreShareMax) return gateways;
  throw new RangeError(tooMany(gatewaysMax));
}

/** CPU of one gateway of so many, in cores. */
function gatewayCores(load: Load, gateways: number): number {
  const { demand, writesPerSecond, publicationsPerWrite } = load;
  const share = gatewaysOfChannel(load, gateways) / gateways;
  const writes = (writesPerSecond / gateways) * writeMicroseconds(publicationsPerWrite);
  const publications = demand.publicationsPerSecond * share * publicationMicroseconds;
  const pings = ((demand.connections / gateways) * gatewayCosts.pingMicroseconds) / gatewayCosts.pingSeconds;
  return (writes + publications + pings) / 1e6;
}

/** CPU of a publication at a gateway, whoever is in the room: what is left of a small room without its writes. */
const publicationMicroseconds = gatewayCosts.smallRoomMicroseconds - gatewayCosts.smallRoomMembers * writeMicroseconds(1);

/** Resident memory of a room without its members, in KiB. */
const roomKibibytes =
  ((gatewayCosts.roomsMebibytes - gatewayCosts.emptyMebibytes) * 1_024) / gatewayCosts.roomsCounted - gatewayCosts.connectionKibibytes;

function gatewayMemory(load: Load, gateways: number): { readonly residentMebibytes: number; readonly kernelMebibytes: number } {
  const { demand } = load;
  const connections = demand.connections / gateways;
  const rooms = (demand.channels * gatewaysOfChannel(load, gateways)) / gateways;
  const recent = Math.min(rooms * demand.historySize * demand.payloadBytes, recentBytesMax) / mebibyte;
  return {
    residentMebibytes:
      gatewayCosts.emptyMebibytes + (connections * gatewayCosts.connectionKibibytes + rooms * roomKibibytes) / 1_024 + recent,
    kernelMebibytes: (connections * (gatewayCosts.kernelKibibytes + writeBytes(load) / 1_024)) / 1_024,
  };
}

/** Bytes of one write, without those of TCP. */
function writeBytes({ demand, publicationsPerWrite }: Load): number {
  const overhead = onLine(
    publicationsPerWrite,
    fanOutCosts.map((cost) => [cost.publicationsPerWrite, cost.publicationsPerWrite * (cost.bytes - measuredPayloadBytes)]),
  );
  return publicationsPerWrite * demand.payloadBytes + overhead;
}

function onWire(bytes: number): number {
  return bytes + Math.ceil(bytes / segment.payload) * segment.overhead;
}

/** Bytes that were measured with the bench's payload, for another payload. */
function otherPayload(bytes: number, payloadBytes: number): number {
  return bytes - measuredPayloadBytes + payloadBytes;
}

/** @param points by their first number, at least two */
function onLine(at: number, points: readonly (readonly [number, number])[]): number {
  const next = points.findIndex(([x], index) => index > 0 && at <= x);
  const to = next === -1 ? points.length - 1 : next;
  const [from, until] = [points[to - 1], points[to]];
  if (from === undefined || until === undefined) throw new RangeError('a line needs two points');
  const [[x0, y0], [x1, y1]] = [from, until];
  return y0 + ((at - x0) * (y1 - y0)) / (x1 - x0);
}

function tooMany(gateways: number): string {
  return `this needs more than ${gateways >= gatewaysMax ? gatewaysMax : gateways} gateways: split it over several pools, widen the merge window, or lower the publications`;
}

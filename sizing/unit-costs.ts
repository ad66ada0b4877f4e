/**
 * What one unit of load costs, as docs/performance.md measured it. A test compares each figure with that page, so a new
 * measurement there is a new size here. The figures are of payloads of 200 bytes, barrage.v1, and no TLS.
 */

/** A row of the fan-out tables: what one write to one member costs. */
export interface FanOutCost {
  /** The row's name in docs/performance.md. */
  readonly row: string;
  readonly publicationsPerWrite: number;
  /** CPU of the gateway, in microseconds for each publication that reached one member. */
  readonly microseconds: number;
  /** Bytes on the socket for each publication, the payload of 200 bytes included. */
  readonly bytes: number;
}

/** In the order of their merging. */
export const fanOutCosts: readonly FanOutCost[] = [
  { row: 'c-v1', publicationsPerWrite: 1, microseconds: 6.911, bytes: 346 },
  { row: 'd20-v1', publicationsPerWrite: 19.7, microseconds: 0.529, bytes: 246 },
  { row: 'd100-v1', publicationsPerWrite: 92.3, microseconds: 0.17, bytes: 241 },
];

/** Payload of the bench, in bytes. */
export const measuredPayloadBytes = 200;

/** Gateway, by the rows `memory-v1`, `small-rooms-share` and the resident memory of 50,000 rooms. */
export const gatewayCosts = {
  /** Resident memory without a client, in MiB. */
  emptyMebibytes: 108.5,
  /** Resident memory of an idle connection, in KiB. */
  connectionKibibytes: 5.7,
  /** Kernel memory of an idle connection, in KiB. The pod's memory limit counts it. */
  kernelKibibytes: 3.93,
  /** Resident memory of a gateway with {@link roomsCounted} rooms of one member, in MiB. */
  roomsMebibytes: 455,
  roomsCounted: 50_000,
  /** CPU of a publication from the bus to a room's two members, in microseconds. */
  smallRoomMicroseconds: 76.1,
  smallRoomMembers: 2,
  /** CPU of a ping and its answer, in microseconds. */
  pingMicroseconds: 57.1,
  /** Interval of pings (`BARRAGE_PING_INTERVAL_MS`), in seconds. */
  pingSeconds: 25,
} as const;

/** Publisher and Redis, by the rows `history-publisher` and `history-redis`. */
export const busCosts = {
  /** CPU of a publisher for one POST with one publication, in microseconds. */
  publisherMicroseconds: 110.4,
  /** CPU of Redis for one publication, in microseconds. */
  redisMicroseconds: 41.1,
  /** The same with a history. */
  redisHistoryMicroseconds: 54.8,
  /** CPU of Redis for each gateway that gets the publication, in microseconds. */
  redisGatewayMicroseconds: 6.5,
  /** Bytes that Redis sends each gateway for a publication of 200 bytes. */
  redisGatewayBytes: 308,
  /** Memory of Redis for each publication of 200 bytes in a history, in bytes. */
  redisKeptBytes: 283,
} as const;

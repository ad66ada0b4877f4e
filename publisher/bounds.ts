import assert from 'node:assert/strict';
import { limits } from '../core/limits.ts';

/**
 * The bounds of a publisher process alone: the name with its unit last, and the reason. Shared bounds are in
 * `core/limits.ts`.
 */
export const publisherBounds = {
  /** Largest payload of `mesh.send`, in bytes: a few of them must fit in the client's control queue. */
  directBytesMax: 65_536,
  /** Most bytes of requests that are being received or answered at a time. */
  requestBytesInFlightMax: 134_217_728,
  /** Most HTTP requests that are being received or answered at a time. */
  httpRequestsInFlightMax: 4_096,
  /** Most readings of histories whose answers are being made or sent at a time: each may have megabytes. */
  historyAnswersMax: 16,
  /** Most of them that read from the bus at a time: publications wait behind their pages. */
  historyReadsMax: 4,
  /** Most recalls by user that read histories at a time. */
  recallReadsMax: 2,
  /** Most recalls and clears of one channel a second: a window keeps every tombstone, however crowded it is. */
  recallsPerSecondMax: 50,
  /** Longest wait of a further reading for its turn, in milliseconds. */
  historyWaitMsMax: 3_000,
  /** Longest time in which a reader takes the answer, in milliseconds. */
  historySendMsMax: 30_000,
  /** Most WebSocket API requests of one connection that wait for an answer. */
  socketRequestsInFlightMax: 1_000,
  /** Most WebSocket API connections. */
  socketConnectionsMax: 1_000,
  /** Most sockets that stay open, of any kind: idle HTTP, half a request, WebSocket. */
  socketsMax: 16_384,
  /** Most TLS handshakes that begin in a second; further ones wait for their turn. */
  handshakesPerSecondMax: 200,
  /** Most bytes of replies that wait for a WebSocket API connection; above it the connection is closed. */
  socketReplyBytesMax: 1_048_576,
  /**
   * Ping interval of a WebSocket API connection, in milliseconds. A connection without an answer by the next ping is
   * cut off.
   */
  socketPingIntervalMs: 25_000,
  /** Most publications that wait for a bus that is away, in all channels whose policy lets them. */
  heldPublicationsMax: 2_000,
  /** Most payload bytes of these. */
  heldBytesMax: 33_554_432,
  /**
   * Longest time for which a publication with an idempotency key is repeated whose answer was lost, in milliseconds: a
   * backend gives up after some 10 s, and an attempt takes 2 s at most.
   */
  repeatMsMax: 3_000,
  /** Longest wait for a gateway's answer to a call, in milliseconds. */
  callDeadlineMs: 2_000,
  /** Wait of `wait=delivered` without `waitMs`, in milliseconds. */
  waitMsDefault: 2_000,
  waitMsMax: 10_000,
  /**
   * Most channels whose rate is remembered. Beyond it the channel that is quiet longest is forgotten and may burst
   * again.
   */
  rateChannelsMax: 65_536,
  /** Most publications of one `POST /v1/publish`, each counted once for each of its channels. */
  batchPublicationsMax: 1_000,
  /** Most payload bytes of one `POST /v1/publish`, each payload counted once for each of its channels. */
  batchBytesMax: 16_777_216,
  /** Most bytes that are read and discarded of a body refused for its size, so that its sender can read the answer. */
  discardedBytesMax: 16_777_216,
  discardingMsMax: 2_000,
} as const;

assert(publisherBounds.directBytesMax * 4 <= limits.controlQueueBytesMax);
assert(publisherBounds.requestBytesInFlightMax > limits.requestBytesMax);
// What is held leaves room for the requests of other channels.
assert(publisherBounds.heldPublicationsMax * 2 < publisherBounds.httpRequestsInFlightMax);
assert(publisherBounds.heldBytesMax * 2 < publisherBounds.requestBytesInFlightMax);
assert(publisherBounds.socketsMax > publisherBounds.socketConnectionsMax + publisherBounds.httpRequestsInFlightMax);

/** Times of the HTTP server and of its end, in milliseconds. */
export const serverTimes = {
  /** Longest wait for the head of a request, and for the whole request. */
  headersMs: 10_000,
  requestMs: 15_000,
  /** Time in which answers send HTTP backends elsewhere before idle connections are closed. */
  farewellMs: 500,
  /** Time for open requests and WebSocket API connections to end by themselves. */
  leavingMs: 3_000,
} as const;

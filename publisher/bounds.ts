import assert from 'node:assert/strict';
import { limits } from '../core/limits.ts';

/**
 * The bounds that only a publisher process has: name, unit last, reason. What it shares with the other parts is in
 * `core/limits.ts`.
 */
export const publisherBounds = {
  /**
   * Largest payload of `mesh.send`, in bytes: it goes through the addressee's control queue, and a few must fit there.
   */
  directBytesMax: 65_536,
  /** Most bytes of requests that are being received or answered at one time. */
  requestBytesInFlightMax: 134_217_728,
  /** Most HTTP requests that are being received or answered at one time. */
  httpRequestsInFlightMax: 4_096,
  /** Most WebSocket API requests that one connection may have waiting for an answer. */
  socketRequestsInFlightMax: 1_000,
  /** Most WebSocket API connections. */
  socketConnectionsMax: 1_000,
  /** Sockets that may stay, whatever they speak: HTTP between two requests, half a request, WebSocket. */
  socketsMax: 16_384,
  /**
   * Replies waiting for a WebSocket API connection that does not read them, in bytes; above it the connection is
   * closed.
   */
  socketReplyBytesMax: 1_048_576,
  /**
   * How often a WebSocket API connection is pinged; one that has not answered by the next ping is cut off. In
   * milliseconds.
   */
  socketPingIntervalMs: 25_000,
  /** Longest wait for a gateway that was asked to do something, in milliseconds. */
  callDeadlineMs: 2_000,
  /** How long `wait=delivered` waits unless `waitMs` says otherwise, in milliseconds. */
  waitMsDefault: 2_000,
  waitMsMax: 10_000,
  /**
   * Channels whose rate is remembered. Beyond it the one that has been quiet longest is forgotten: it may burst once
   * more.
   */
  rateChannelsMax: 65_536,
  /**
   * What is read and thrown away of a body that was refused for its size, so that its sender gets to read the answer,
   * in bytes.
   */
  discardedBytesMax: 16_777_216,
  discardingMsMax: 2_000,
} as const;

assert(publisherBounds.directBytesMax * 4 <= limits.controlQueueBytesMax);
assert(publisherBounds.requestBytesInFlightMax > limits.requestBytesMax);
assert(publisherBounds.socketsMax > publisherBounds.socketConnectionsMax + publisherBounds.httpRequestsInFlightMax);

/** Times of the HTTP server and of its end, in milliseconds. */
export const serverTimes = {
  /** How long the head of a request may take to arrive, and how long the whole of it. */
  headersMs: 10_000,
  requestMs: 15_000,
  /** How long backends that publish over HTTP are sent elsewhere before connections that are idle are closed. */
  farewellMs: 500,
  /** How long requests and WebSocket API connections that are there may take to end by themselves. */
  leavingMs: 3_000,
} as const;

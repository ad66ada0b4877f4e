import assert from 'node:assert/strict';

/**
 * Every bound of the data plane in one place: name, unit last, reason.
 * Policies and settings may choose lower values; nothing may exceed these.
 */
export const limits = {
  /** Longest channel name, in UTF-8 bytes. */
  channelNameBytesMax: 253,
  /** Largest WebSocket message that a client may send to a gateway, in bytes. */
  clientFrameBytesMax: 65_536,
  /** Largest body of a publish request (HTTP body or WebSocket API message), in bytes. */
  requestBytesMax: 2_097_152,
  /** Largest payload of one publication, in bytes, whatever the policy says. */
  payloadBytesMax: 1_048_576,
  /** Deepest nesting of JSON that a command or request may have. */
  jsonDepthMax: 16,
  /** Most subscriptions of one connection. */
  subscriptionsPerConnectionMax: 128,
  /**
   * Most commands that one connection may have waiting for an answer: all its subscriptions at once are not too many.
   */
  commandsInFlightMax: 200,
  /** Most commands a second of one connection, sustained; a burst of as many is allowed. */
  commandsPerSecondMax: 200,
  /** Most connections of one gateway process. */
  connectionsMax: 200_000,
  /** Most rooms of one gateway process. */
  roomsMax: 100_000,
  /**
   * Most rooms a second, sustained, that one gateway opens besides the first of each connection; each is a subscription
   * to the bus.
   */
  coldRoomsPerSecondMax: 500,
  /** Most rooms that one gateway opens at once, as when another one's clients come. */
  coldRoomsBurst: 10_000,
  /**
   * Most rooms a second, sustained, that one connection may be the first in; as many as it may have subscriptions at
   * once.
   */
  coldRoomsOfConnectionPerSecondMax: 5,
  /** Most bytes of a connection's context (`set_context_value`), as JSON. */
  contextBytesMax: 16_384,
  /** Replies and notices waiting for one connection, in bytes; above it the connection is closed as slow. */
  controlQueueBytesMax: 262_144,
  /** Longest key of `conflateKey`, in UTF-8 bytes. */
  conflateKeyBytesMax: 128,
  /** Longest time to live of a publication, in milliseconds. */
  ttlMsMax: 86_400_000,
  /** Largest count that one `Sum` publication may carry. */
  conflateCountMax: 1_000_000_000,
  /** Most publications of one bus batch. */
  appendPublicationsMax: 500,
  /** Most payload bytes of one bus batch. */
  appendBytesMax: 1_048_576,
  /**
   * Most publications that wait in one publisher process for the bus; above it publishing answers "temporarily
   * unavailable".
   */
  appendWaitingMax: 20_000,
  /**
   * Longest time that a subscription to a bus channel goes without a proof that it is in force, in milliseconds of an
   * awake process.
   */
  subscriptionProofMsMax: 10_000,
  /** Least bytes that Redis should let wait for one gateway that stalls: what is below is warned of. */
  subscriberBacklogBytesMin: 33_554_432,
  /** Least time for which Redis should let fewer bytes than that wait, in milliseconds. */
  subscriberStallMsMin: 10_000,
  /** Longest wait for a WebSocket upgrade request to arrive whole, in milliseconds. */
  handshakeTimeoutMs: 10_000,
  /** Longest wait for the auth webhook, in milliseconds. */
  authTimeoutMs: 3_000,
  /** Longest window that an overloaded process may stretch a room to, in milliseconds. */
  mergeWindowMsMax: 1_000,
  /** Most publications that one merge window may hold, also a stretched one. */
  windowPublicationsMax: 10_000,
  /**
   * Most parts that a sum is kept apart in; beyond it neighbours are put together, so that a client may then count some
   * of them twice.
   */
  sumPartsMax: 10_000,
  /**
   * How long a member that came with a position is told what sums are made of, in milliseconds: longer than a client
   * keeps both connections of a move.
   */
  handoverMs: 10_000,
  /** Most flushes of one room that may be under way at once; at it the room collects until one is written. */
  fanOutFlushesMax: 16,
  /**
   * Most CPU that the flushes of one room that are under way may take together, in milliseconds, unless one alone takes
   * more.
   */
  fanOutBacklogMsMax: 200,
  /** Most questions to the auth webhook under way from one gateway; who comes beyond is told to come back. */
  authInFlightMax: 1_000,
  /** Longest time that one slice of a fan-out may run, in milliseconds of CPU. */
  fanOutSliceMsMax: 20,
  /**
   * Longest time that one turn of any other loop over connections, members or rooms may take, in milliseconds of CPU.
   */
  turnMsMax: 20,
} as const;

assert(limits.payloadBytesMax < limits.requestBytesMax, 'a payload at its limit must fit in a request');
assert(limits.channelNameBytesMax < limits.clientFrameBytesMax);
assert(limits.commandsInFlightMax > limits.subscriptionsPerConnectionMax);
assert(limits.commandsPerSecondMax > limits.subscriptionsPerConnectionMax);
assert(limits.appendBytesMax >= limits.payloadBytesMax, 'a payload at its limit must fit in a bus batch');

import assert from 'node:assert/strict';

/**
 * Every bound of the data plane: the name with its unit last, and the reason. Policies and settings may choose lower
 * values; none may exceed these.
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
  /** Most commands of one connection that wait for an answer: enough for all its subscriptions at once. */
  commandsInFlightMax: 200,
  /** Most commands a second of one connection, sustained; a burst of the same size is allowed. */
  commandsPerSecondMax: 200,
  /** Most connections of one gateway process. */
  connectionsMax: 200_000,
  /** Most rooms of one gateway process. */
  roomsMax: 100_000,
  /** Most rooms that one gateway opens each second, sustained; each subscribes to the bus. */
  coldRoomsPerSecondMax: 500,
  /** Most rooms that one gateway opens at once, such as when another gateway's clients arrive. */
  coldRoomsBurst: 10_000,
  /**
   * Most rooms that one connection makes the gateway open each second, sustained. Its burst is
   * `subscriptionsPerConnectionMax`.
   */
  coldRoomsOfConnectionPerSecondMax: 5,
  /** Most policies with series of their own in a gateway's metrics; the others share one. */
  policyLabelsMax: 100,
  /** Most channels in each list of a gateway's busiest channels. */
  topChannelsMax: 20,
  /** Most versions of the SDK with a series of their own in a gateway's metrics; the others share one. */
  clientVersionsMax: 20,
  /** Most bytes of a connection's context (`set_context_value`), as JSON. */
  contextBytesMax: 16_384,
  /** Most bytes of replies and notices that wait for one connection; above it the connection is closed as slow. */
  controlQueueBytesMax: 262_144,
  /** Longest key of `conflateKey`, in UTF-8 bytes. */
  conflateKeyBytesMax: 128,
  /** Longest time to live of a publication, in milliseconds. */
  ttlMsMax: 86_400_000,
  /** Largest count that one `Sum` publication may carry. */
  conflateCountMax: 1_000_000_000,
  /** Most offsets that one tombstone recalls. */
  recallOffsetsMax: 1_000,
  /** Longest name of the user who wrote a publication, in UTF-8 bytes: that of a user's own channel. */
  userBytesMax: 248,
  /** Most publications of one bus batch. */
  appendPublicationsMax: 500,
  /** Most payload bytes of one bus batch. */
  appendBytesMax: 1_048_576,
  /** Payload bytes of one channel's history on the memory bus. */
  memoryHistoryBytesMax: 16_777_216,
  /** Payload bytes of all histories on the memory bus; beyond it those unused for longest are forgotten. */
  memoryHistoriesBytesMax: 268_435_456,
  /** Publications in one answer from a channel's history. */
  historyPublicationsMax: 1_000,
  /** Payload bytes in one answer from a channel's history; one publication more where the first is larger. */
  historyBytesMax: 4_194_304,
  /** Most publications that a gateway reads to fill one hole in a room's order; a larger hole is a gap. */
  holePublicationsMax: 10_000,
  /** Payload bytes after which no further page is read for one hole. */
  holeBytesMax: 16_777_216,
  /** Longest time in which a hole is filled, in milliseconds; a read that is under way then is waited for. */
  holeMsMax: 3_000,
  /** Most bytes that wait behind one hole; later ones are dropped and read again. */
  holeHeldBytesMax: 4_194_304,
  /** Most bytes that wait behind all holes of one gateway. */
  holesHeldBytesMax: 67_108_864,
  /** Payload bytes of the newest publications that a room with a history keeps; also of what one resume gives. */
  recentBytesMax: 1_048_576,
  /** Payload bytes of the newest publications of all rooms of a gateway; at it a room forgets its own. */
  recentOfAllBytesMax: 134_217_728,
  /**
   * Most members of one gateway that are being written what they have missed; further ones wait before they join.
   * A room's live batches go out behind what its members have missed.
   */
  catchUpsUnderWayMax: 16,
  /** Most reads of histories that one gateway has under way; further ones wait for their turn. */
  historyReadsMax: 16,
  /** Most idempotency keys that Redis remembers of one channel: 10,000 a second with the window of 300 s. */
  channelKeysMax: 4_000_000,
  /** Most idempotency keys that a channel may remember for clients to add one: the rest is for backends. */
  clientKeysMax: 200_000,
  /** Most idempotency keys that the memory bus remembers, of all channels together. */
  memoryKeysMax: 200_000,
  /** Longest window of a channel's idempotency keys, in seconds. */
  keyWindowSecondsMax: 86_400,
  /** Encoded heads and segments that a gateway holds for pull, in bytes. */
  pullCacheBytesMax: 67_108_864,
  /** Documents of pull that readers are being sent, in bytes, each document counted once. */
  pullSendingBytesMax: 134_217_728,
  /** Longest time for which a reader of a document of pull takes no byte, in milliseconds. */
  pullStandstillMsMax: 30_000,
  /** Most reads of the bus that one gateway begins each second for pull. */
  pullReadsPerSecondMax: 1_000,
  /**
   * Most of these for channels without a known publication, such as made-up names: the rest is for channels that have
   * been found to exist.
   */
  pullUnknownReadsPerSecondMax: 500,
  /** Most reads of the bus for pull under way: each answer may have `historyBytesMax`. */
  pullReadsInFlightMax: 32,
  /** Most of these for channels without a known publication. */
  pullUnknownReadsInFlightMax: 16,
  /** Longest time for which a cache may keep a segment without asking again, in seconds. */
  pullSegmentSecondsMax: 3_600,
  /** Most tokens whose verdict a gateway remembers for pull. */
  pullVerdictsMax: 10_000,
  /** Longest time for which a verdict on a token is used again, in milliseconds. */
  pullVerdictMs: 10_000,
  /** Most channels in the query of an event stream: each event's id tells the place in all of them. */
  streamChannelsMax: 16,
  /** Longest secret of an event stream, in characters. */
  streamSecretCharactersMax: 64,
  /** Most commands in one request for an event stream: enough for all its subscriptions at once. */
  streamCommandsMax: 128,
  /** Largest body of such a request, in bytes: a command at its bound, and what is around it. */
  streamBodyBytesMax: 131_072,
  /** Bytes of all such bodies that one gateway receives at a time. */
  streamBodiesBytesMax: 16_777_216,
  /** Most such requests that one gateway answers each second; a burst of the same size is allowed. */
  streamRequestsPerSecondMax: 2_000,
  /** Longest wait for another gateway that holds the event stream, in milliseconds. */
  streamCallMsMax: 3_000,
  /**
   * Most publications that wait in one publisher process for the bus; above it publishing answers "temporarily
   * unavailable".
   */
  appendWaitingMax: 20_000,
  /** Longest wait of a publication for a bus that is away, in milliseconds: backends give up after some 10 s. */
  publishHoldMsMax: 10_000,
  /** Longest time without a proof that a bus subscription is in force, in milliseconds of an awake process. */
  subscriptionProofMsMax: 10_000,
  /** Least bytes that Redis should hold for one stalled gateway; a lower setting of the server causes a warning. */
  subscriberBacklogBytesMin: 33_554_432,
  /** Least time for which Redis should hold fewer bytes than `subscriberBacklogBytesMin`, in milliseconds. */
  subscriberStallMsMin: 10_000,
  /** Longest wait for a complete WebSocket upgrade request, in milliseconds. */
  handshakeTimeoutMs: 10_000,
  /** Most sockets of one port whose TLS handshake is not done: silent ones, those that wait, and those under way. */
  tlsHandshakesMax: 4_096,
  /** Longest wait for the auth webhook, in milliseconds. */
  authTimeoutMs: 3_000,
  /** Longest merge window of a room in an overloaded process, in milliseconds. */
  mergeWindowMsMax: 1_000,
  /** Most publications in one merge window, stretched or not. */
  windowPublicationsMax: 10_000,
  /** Most parts of a sum. Beyond it neighbours are merged, so that a client may count some of them twice. */
  sumPartsMax: 10_000,
  /**
   * Time for which a member that came with a position receives the parts of sums, in milliseconds. It is longer than a
   * client keeps both connections of a move.
   */
  handoverMs: 10_000,
  /** Most flushes of one room under way at once; at it the room collects until one is written. */
  fanOutFlushesMax: 16,
  /**
   * Most milliseconds between two looks at the clock that count as CPU time of a flush. The work between them is short:
   * a longer time is one in which the process stood still (a paused machine, a throttled container).
   */
  flushStepMsMax: 100,
  /** Most CPU time of one room's flushes under way, in milliseconds, unless a single flush takes more. */
  fanOutBacklogMsMax: 200,
  /** Most auth webhook requests of one gateway under way; further clients are told to come back. */
  authInFlightMax: 1_000,
  /** Most ranges of trusted proxies. */
  trustedProxiesMax: 100,
  /** Lines of one kind a second that clients and backends can cause in a process's log, sustained. */
  clientLinesPerSecondMax: 1_000,
  /** Such lines at once: all connections of a gateway with the default `connectionsMax` may end together. */
  clientLinesBurst: 20_000,
  /** Most characters of log lines that wait while standard error can't be written. */
  logWaitingCharactersMax: 1_048_576,
  /** Longest slice of a fan-out, in milliseconds of CPU. */
  fanOutSliceMsMax: 20,
  /** Longest turn of any other loop over connections, members or rooms, in milliseconds of CPU. */
  turnMsMax: 20,
} as const;

assert(limits.payloadBytesMax < limits.requestBytesMax, 'a payload at its limit must fit in a request');
assert(limits.channelNameBytesMax < limits.clientFrameBytesMax);
assert(limits.commandsInFlightMax > limits.subscriptionsPerConnectionMax);
assert(limits.commandsPerSecondMax > limits.subscriptionsPerConnectionMax);
assert(limits.streamCommandsMax <= limits.commandsInFlightMax, 'the commands of one request must not close their stream');
assert(limits.streamBodyBytesMax > limits.clientFrameBytesMax, 'a command at its limit must fit in a request');
assert(limits.userBytesMax === limits.channelNameBytesMax - 'user:'.length && limits.userBytesMax < 256);
assert(limits.appendBytesMax >= limits.payloadBytesMax, 'a payload at its limit must fit in a bus batch');

/** Meaning of a series' values. */
export type Unit = 'count' | 'perSecond' | 'bytesPerSecond' | 'seconds' | 'ratio' | 'bytes' | 'mean';

/** Every figure that a process keeps for ten minutes, with its unit. A process fills in those that it has. */
export const seriesUnits = {
  /** Open client connections; of a pool, of all its gateways. */
  connections: 'count',
  subscriptions: 'count',
  rooms: 'count',
  /** Publications that came from the bus. */
  received: 'perSecond',
  /** Publications × members handed to sockets. */
  delivered: 'perSecond',
  /** Publications × members left out on purpose, by reason. */
  budget: 'perSecond',
  conflated: 'perSecond',
  expired: 'perSecond',
  recalled: 'perSecond',
  /** Publications × members lost, by reason. */
  slow: 'perSecond',
  disconnected: 'perSecond',
  /** Publications × members that wait in queues. */
  pending: 'count',
  bytes: 'bytesPerSecond',
  frames: 'perSecond',
  flushes: 'perSecond',
  /** Publications of one flush, on average. */
  merged: 'mean',
  /** Merge window in force at a flush, on average. */
  window: 'seconds',
  latencyP50: 'seconds',
  latencyP99: 'seconds',
  /** Rooms whose merge window is stretched. */
  stretched: 'count',
  /** Share of the event loop that fan-out would take. */
  fanOut: 'ratio',
  /** Refused connections. */
  refused: 'perSecond',
  /** Connections that the gateway closed. */
  closed: 'perSecond',
  /** Rooms that missed publications because the bus was interrupted. */
  busGaps: 'perSecond',
  /** Requests of pull. */
  pulled: 'perSecond',
  /** Of these, refused because they were too many. */
  pullLimited: 'perSecond',
  /** Reads of the bus for pull. */
  pullReads: 'perSecond',
  /** Reads of the bus for pull that were one too many. */
  pullReadsRefused: 'perSecond',
  /** Encoded heads and segments in memory. */
  pullCache: 'bytes',
  /** Accepted publications. */
  published: 'perSecond',
  /** Refused publications. */
  rejected: 'perSecond',
  publishP50: 'seconds',
  publishP99: 'seconds',
  /** Publications that wait for the bus. */
  appendsWaiting: 'count',
  appendFailures: 'perSecond',
  /** 1 while the bus can be used, else 0. */
  busUp: 'count',
  /** Bus channels whose subscription is not confirmed. */
  subscriptionsWaiting: 'count',
  /** Busy share of the event loop. */
  busy: 'ratio',
  memory: 'bytes',
  /** Gateways of a pool that take clients, and the number that the pool should have. */
  ready: 'count',
  desired: 'count',
  draining: 'count',
  reconciles: 'perSecond',
  reconcileErrors: 'perSecond',
} as const satisfies Readonly<Record<string, Unit>>;

export type SeriesName = keyof typeof seriesUnits;
export const seriesNames = Object.keys(seriesUnits) as readonly SeriesName[];

/** Newest values. `null`: there was nothing to measure, such as the latency of a second without a publication. */
export type Figures = Readonly<Partial<Record<SeriesName, number | null>>>;

/** How the sink connects: see `sink.c`. */
export type SinkMode = 'raw' | 'ws' | 'plain' | 'barrage.v1' | 'sse';

/** Which program serves; a gateway's `merge` is its channel's policy, the product's default where it is absent. */
export type ServerKind =
  | { readonly kind: 'floor' }
  | { readonly kind: 'ws' }
  | { readonly kind: 'gateway'; readonly merge?: { readonly windowMilliseconds: number; readonly publicationsMax: number } }
  /** A gateway beside another one, in a pool document; only the one is there. */
  | { readonly kind: 'pooled-gateway' };

/** One way of fanning out, measured in every round. */
export interface FanOutRow {
  readonly name: string;
  readonly title: string;
  readonly server: ServerKind;
  readonly mode: SinkMode;
  readonly publicationsPerSecond: number;
  /** Publications that the server's own load makes at one instant. */
  readonly burst: number;
  /** The row that this one is compared with, and the ratio that is the goal. */
  readonly floor?: string;
  readonly ratioMax?: number;
  /** Publications that a flush must hold, where the row is about merging. */
  readonly merged?: number;
}

export interface MemoryRow {
  readonly name: string;
  readonly title: string;
  readonly server: ServerKind;
  readonly mode: SinkMode;
  readonly bytesMax?: number;
}

export interface ThroughputRow {
  readonly name: string;
  readonly title: string;
  readonly server: ServerKind;
  readonly mode: SinkMode;
}

/** A gateway that gives up its connections at a rate. */
export interface DrainRow {
  readonly name: string;
  readonly title: string;
  readonly mode: 'plain' | 'barrage.v1';
  readonly connectionsPerSecond: number;
  /** To the channel that all are subscribed to, meanwhile. */
  readonly publicationsPerSecond: number;
}

const unmerged = { kind: 'gateway', merge: { windowMilliseconds: 0, publicationsMax: 500 } } as const;

// The window alone ends a flush: by count, a window that is still open would be flushed short of it.
function mergedBy(count: number): ServerKind {
  return { kind: 'gateway', merge: { windowMilliseconds: (count / 400) * 1000, publicationsMax: 500 } };
}

function merged(count: number, mode: 'plain' | 'barrage.v1'): FanOutRow {
  return {
    name: `d${count}-${mode === 'plain' ? 'plain' : 'v1'}`,
    title: `Barrage, merged by ${count}, ${mode === 'plain' ? 'plain protocol' : 'barrage.v1'}`,
    server: mergedBy(count),
    mode,
    publicationsPerSecond: 400,
    burst: 1,
    floor: `a${count}`,
    merged: count,
  };
}

function cLoop(count: number, publicationsPerSecond: number): FanOutRow {
  return {
    name: `a${count}`,
    title: count === 1 ? 'C loop, one frame in one write()' : `C loop, ${count} frames in one write()`,
    server: { kind: 'floor' },
    mode: 'raw',
    publicationsPerSecond,
    burst: count,
  };
}

const each = { publicationsPerSecond: 100, burst: 1, floor: 'a1' } as const;

export const fanOutRows: readonly FanOutRow[] = [
  cLoop(1, 100),
  cLoop(20, 400),
  cLoop(100, 400),
  { name: 'b', title: '`ws`, `send` to each', server: { kind: 'ws' }, mode: 'ws', ...each },
  { name: 'c-plain', title: 'Barrage, unmerged, plain protocol', server: unmerged, mode: 'plain', ...each, ratioMax: 1.45, merged: 1 },
  { name: 'c-v1', title: 'Barrage, unmerged, barrage.v1', server: unmerged, mode: 'barrage.v1', ...each, merged: 1 },
  { name: 'c-sse', title: 'Barrage, unmerged, event streams', server: unmerged, mode: 'sse', ...each, merged: 1 },
  { ...merged(20, 'plain'), ratioMax: 1.55 },
  merged(20, 'barrage.v1'),
  merged(100, 'plain'),
  merged(100, 'barrage.v1'),
];

const kibibyte = 1024;

export const memoryRows: readonly MemoryRow[] = [
  { name: 'memory-ws', title: '`ws`, connected', server: { kind: 'ws' }, mode: 'ws' },
  { name: 'memory-plain', title: 'Barrage, plain protocol', server: { kind: 'gateway' }, mode: 'plain', bytesMax: 6 * kibibyte },
  { name: 'memory-v1', title: 'Barrage, barrage.v1', server: { kind: 'gateway' }, mode: 'barrage.v1', bytesMax: 6 * kibibyte },
  { name: 'memory-sse', title: 'Barrage, event streams', server: { kind: 'gateway' }, mode: 'sse' },
];

const closing = { mode: 'plain', publicationsPerSecond: 0 } as const;

export const drainRows: readonly DrainRow[] = [
  { name: 'drain-50', title: 'plain protocol, closed with 1012', connectionsPerSecond: 50, ...closing },
  { name: 'drain-200', title: 'plain protocol, closed with 1012', connectionsPerSecond: 200, ...closing },
  { name: 'drain-1000', title: 'plain protocol, closed with 1012', connectionsPerSecond: 1000, ...closing },
  {
    name: 'drain-1000-v1',
    title: 'barrage.v1, told to reconnect',
    mode: 'barrage.v1',
    connectionsPerSecond: 1000,
    publicationsPerSecond: 0,
  },
  {
    name: 'drain-200-busy',
    title: 'barrage.v1, 100 publications/s to all',
    mode: 'barrage.v1',
    connectionsPerSecond: 200,
    publicationsPerSecond: 100,
  },
];

/** How far off its set rate a drain may be. */
export const drainToleranceMax = 0.1;

export const throughputRows: readonly ThroughputRow[] = [
  { name: 'throughput-plain', title: 'Barrage, plain protocol', server: { kind: 'gateway' }, mode: 'plain' },
  { name: 'throughput-v1', title: 'Barrage, barrage.v1', server: { kind: 'gateway' }, mode: 'barrage.v1' },
];

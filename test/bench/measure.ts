import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchProcess, BenchProcessFailed } from './bench-process.ts';
import type { FanOutRow, MemoryRow, ServerKind, SinkMode, ThroughputRow } from './rows.ts';

/** What every measurement needs to know of the run. */
export interface Bench {
  readonly sink: string;
  readonly floor: string;
  readonly pinned: boolean;
  readonly members: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly idleConnections: number;
  readonly settleMs: number;
  readonly throughputSeconds: number;
  readonly drainSeconds: number;
  /** Arguments for the Node of the servers besides the product's own, such as --cpu-prof. */
  readonly nodeArguments: readonly string[];
}

/** What the sink counted, in its own words (`sink.c`). */
export interface SinkCounts {
  readonly publications: number;
  readonly bytes: number;
  readonly reads: number;
  readonly missing: number;
  readonly misordered: number;
  readonly closed: number;
  readonly latencyMicroseconds: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** What a gateway's own metrics say of the measured time. */
export interface GatewayFigures {
  readonly received: number;
  readonly flushes: number;
  readonly delivered: number;
  readonly dropped: number;
  /** Bytes in the queues of slow clients, at that moment. */
  readonly queuedBytes: number;
  /** Slices of the fan-out, and those longer than `limits.fanOutSliceMsMax`. */
  readonly slices: number;
  readonly slicesTooLong: number;
  /**
   * Upper bound of the longest slice of a fan-out since the start, in milliseconds; `null` beyond the metric's last
   * bucket.
   */
  readonly longestSliceMs: number | null;
}

export interface FanOutResult {
  /** CPU of the server per publication that reached one member. */
  readonly cpuMicroseconds: number;
  /** Share of one CPU that the server took. */
  readonly cpuShare: number;
  /** Share of the time that the server was ready to run and another program had its CPU. */
  readonly waitingShare: number;
  readonly expected: number;
  readonly delivered: number;
  readonly missing: number;
  readonly misordered: number;
  readonly closed: number;
  readonly bytesPerPublication: number;
  readonly publicationsPerRead: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly gateway: GatewayFigures | undefined;
}

const answerMs = 10_000;

/** A server with its members connected and subscribed, ready to publish. */
export class Stage {
  readonly server: BenchProcess;
  readonly #port: number;
  #sink: BenchProcess | undefined;
  readonly #bench: Bench;

  private constructor(bench: Bench, server: BenchProcess, port: number) {
    this.#bench = bench;
    this.server = server;
    this.#port = port;
  }

  /** @throws BenchProcessFailed */
  static async open(bench: Bench, kind: ServerKind): Promise<Stage> {
    const server = new BenchProcess({
      name: `${kind.kind} server`,
      command: serverCommand(bench, kind),
      cpu: bench.pinned ? 0 : undefined,
    });
    const [word, port] = (await server.line(answerMs)).split(' ');
    if (word !== 'listening') throw new BenchProcessFailed(`${kind.kind} server did not listen`);
    return new Stage(bench, server, Number(port));
  }

  async connect(count: number, mode: SinkMode): Promise<void> {
    this.#sink = new BenchProcess({
      name: 'sink',
      command: [this.#bench.sink, String(this.#port), String(count), mode],
      cpu: this.#bench.pinned ? 1 : undefined,
    });
    await this.#sink.line(60_000);
  }

  async counts(): Promise<SinkCounts> {
    assert(this.#sink !== undefined);
    this.#sink.tell('count');
    return JSON.parse(await this.#sink.line(answerMs)) as SinkCounts;
  }

  /** When the members were sent away, in microseconds since the first was. */
  async departures(): Promise<readonly number[]> {
    assert(this.#sink !== undefined);
    this.#sink.tell('departures');
    return JSON.parse(await this.#sink.line(answerMs)) as readonly number[];
  }

  async figures(kind: ServerKind): Promise<GatewayFigures | undefined> {
    if (kind.kind !== 'gateway') return undefined;
    this.server.tell('figures');
    return JSON.parse(await this.server.line(answerMs)) as GatewayFigures;
  }

  /** Publishes, and waits until all of it has arrived, or for 5 s nothing more has. */
  async publish(load: { readonly rate: number; readonly burst: number; readonly count: number }): Promise<SinkCounts> {
    const before = await this.counts();
    this.#sink?.tell('reset');
    this.server.tell(`publish ${load.rate} ${load.burst} ${load.count}`);
    await this.server.line((load.count / load.rate) * 3000 + answerMs);
    const expected = before.publications + load.count * this.#bench.members;
    let counts = await this.counts();
    for (let quietSince = Date.now(); counts.publications < expected && Date.now() - quietSince < 5000;) {
      await sleep(50);
      const next = await this.counts();
      if (next.publications > counts.publications) quietSince = Date.now();
      counts = next;
    }
    return counts;
  }

  async close(): Promise<void> {
    await this.#sink?.stop();
    await this.server.stop();
  }
}

function serverCommand(bench: Bench, kind: ServerKind): readonly string[] {
  if (kind.kind === 'floor') return [bench.floor];
  // The flag is the product's own (npm run gateway); `ws` gets it too, so that both have the same heap.
  const node = [process.execPath, '--max-semi-space-size=4', ...bench.nodeArguments];
  if (kind.kind === 'ws') return [...node, join(import.meta.dirname, 'ws-server.ts')];
  if (kind.kind === 'pooled-gateway') return [...node, join(import.meta.dirname, 'gateway-server.ts'), 'pooled'];
  const merge = kind.merge === undefined ? [] : [String(kind.merge.windowMilliseconds), String(kind.merge.publicationsMax)];
  return [...node, join(import.meta.dirname, 'gateway-server.ts'), ...merge];
}

/** One row, once, in fresh processes. @throws BenchProcessFailed */
export async function measureFanOut(bench: Bench, row: FanOutRow): Promise<FanOutResult> {
  const { server: kind, publicationsPerSecond: rate, burst } = row;
  const stage = await Stage.open(bench, kind);
  try {
    await stage.connect(bench.members, row.mode);
    await stage.publish({ rate, burst, count: Math.ceil((rate * bench.warmUpSeconds) / 100) * 100 });
    return await measured(stage, bench, { kind, rate, burst, count: Math.ceil((rate * bench.seconds) / 100) * 100 });
  } finally {
    await stage.close();
  }
}

/** 1,000 publications a second to one room, merged by the product's defaults. @throws BenchProcessFailed */
export async function measureThroughput(bench: Bench, row: ThroughputRow): Promise<FanOutResult> {
  const stage = await Stage.open(bench, row.server);
  try {
    await stage.connect(bench.members, row.mode);
    return await measured(stage, bench, { kind: row.server, rate: 1000, burst: 1, count: 1000 * bench.throughputSeconds });
  } finally {
    await stage.close();
  }
}

interface MeasuredLoad {
  readonly kind: ServerKind;
  readonly rate: number;
  readonly burst: number;
  readonly count: number;
}

async function measured(stage: Stage, bench: Bench, load: MeasuredLoad): Promise<FanOutResult> {
  await sleep(200);
  const before = await stage.counts();
  const figuresBefore = await stage.figures(load.kind);
  const scheduleBefore = stage.server.schedule();
  const startedAt = performance.now();
  const after = await stage.publish(load);
  const elapsedMs = performance.now() - startedAt;
  const schedule = stage.server.schedule();
  const cpuNanoseconds = schedule.cpu - scheduleBefore.cpu;
  const figuresAfter = await stage.figures(load.kind);
  const delivered = after.publications - before.publications;
  const { p50, p99, max } = after.latencyMicroseconds;
  return {
    cpuMicroseconds: cpuNanoseconds / 1000 / delivered,
    cpuShare: cpuNanoseconds / 1e6 / elapsedMs,
    waitingShare: (schedule.waiting - scheduleBefore.waiting) / 1e6 / elapsedMs,
    expected: load.count * bench.members,
    delivered,
    missing: after.missing - before.missing,
    misordered: after.misordered - before.misordered,
    closed: after.closed,
    bytesPerPublication: (after.bytes - before.bytes) / delivered,
    publicationsPerRead: delivered / (after.reads - before.reads),
    latencyMs: { p50: p50 / 1000, p99: p99 / 1000, max: max / 1000 },
    gateway: difference(figuresBefore, figuresAfter),
  };
}

function difference(before: GatewayFigures | undefined, after: GatewayFigures | undefined): GatewayFigures | undefined {
  if (before === undefined || after === undefined) return undefined;
  return {
    received: after.received - before.received,
    flushes: after.flushes - before.flushes,
    delivered: after.delivered - before.delivered,
    dropped: after.dropped - before.dropped,
    queuedBytes: after.queuedBytes,
    slices: after.slices - before.slices,
    slicesTooLong: after.slicesTooLong - before.slicesTooLong,
    longestSliceMs: after.longestSliceMs,
  };
}

export interface MemoryResult {
  readonly bytesPerConnection: number;
  readonly emptyBytes: number;
  readonly fullBytes: number;
}

/** Growth of the server's resident memory per idle subscribed connection. @throws BenchProcessFailed */
export async function measureMemory(bench: Bench, row: MemoryRow): Promise<MemoryResult> {
  const stage = await Stage.open(bench, row.server);
  try {
    await sleep(bench.settleMs);
    const emptyBytes = stage.server.residentBytes();
    await stage.connect(bench.idleConnections, row.mode);
    await sleep(bench.settleMs);
    const fullBytes = stage.server.residentBytes();
    return { bytesPerConnection: (fullBytes - emptyBytes) / bench.idleConnections, emptyBytes, fullBytes };
  } finally {
    await stage.close();
  }
}

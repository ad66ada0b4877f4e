import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchProcess, BenchProcessFailed } from './bench-process.ts';
import { HttpLoad } from './http-load.ts';
import type { Bench } from './measure.ts';
import { goalText, results, spreadText, table, type Outcome } from './tables.ts';
import { ratioOf, spreadOf } from './spread.ts';

/** A server that answers a POST of JSON, beside a bare one in the same minute. */
export interface HttpRow {
  readonly name: string;
  readonly title: string;
  readonly floorTitle: string;
  /** Goal for its CPU in relation to the bare server's. */
  readonly ratioMax: number;
}

export const httpRows: readonly HttpRow[] = [
  {
    name: 'publish-http',
    title: 'Barrage, `POST /v1/mesh/publish`, memory bus',
    floorTitle: 'bare `node:http`, JSON parsed and sent back',
    ratioMax: 1.3,
  },
];

/** One server's part of a measurement. */
interface HttpCost {
  /** CPU of the server per request: the median of its turns. */
  readonly cpuMicroseconds: number;
  readonly failures: number;
}

export interface HttpResult {
  readonly server: HttpCost;
  readonly floor: HttpCost;
  /** The median of the ratios of neighbouring turns. */
  readonly ratio: number;
  /**
   * Share of one CPU that both servers took, and share of the time that they were ready to run and another program had
   * their CPU.
   */
  readonly cpuShare: number;
  readonly waitingShare: number;
}

const connections = 16;
const startMs = 10_000;
/** By their number, not by time: the engine compiles what runs often, and another program may have the CPU. */
const warmUpTurns = 5;
const warmUpRequestsPerTurn = 20_000;
const warmUpPerSecond = 10_000;
/**
 * Far below what either server can do: a server that is at its limit finds its clients awake, and waking them is a part
 * of what an answer costs.
 */
const requestsPerSecond = 4_000;
const runMsMax = 120_000;
const path = '/v1/mesh/publish';
const body = JSON.stringify({
  c: 'room:bench',
  d: JSON.stringify({ event: '@video', data: { uid: 1001, msg: 'comments fly '.repeat(12) } }),
});

/** Requests of one turn. A machine's speed drifts within seconds, so two servers that are compared take short turns. */
const requestsPerTurn = 2_000;
const settlingRequests = 400;

/**
 * 4,000 requests a second over 16 connections, to the publisher and to a bare server by turns.
 * @throws BenchProcessFailed
 */
export async function measureHttp(bench: Bench, _row: HttpRow): Promise<HttpResult> {
  const floor = new HttpServerProcess(bench, 'echo');
  const server = new HttpServerProcess(bench, 'publisher');
  try {
    await floor.connect();
    await server.connect();
    for (let turn = 0; turn < warmUpTurns; turn++) for (const each of [floor, server]) await each.warmUp();
    const turns = Math.ceil((bench.seconds * requestsPerSecond) / requestsPerTurn);
    const before = [floor.schedule(), server.schedule()];
    const startedAt = performance.now();
    for (let turn = 0; turn < turns; turn++) for (const each of turn % 2 === 0 ? [floor, server] : [server, floor]) await each.turn();
    const elapsedMs = performance.now() - startedAt;
    const after = [floor.schedule(), server.schedule()];
    const spent = (kind: 'cpu' | 'waiting'): number =>
      after.reduce((sum, schedule, index) => sum + schedule[kind] - (before[index]?.[kind] ?? 0), 0) / 1e6 / elapsedMs;
    return {
      server: server.cost(),
      floor: floor.cost(),
      ratio: ratioOf(server.turns, floor.turns)?.median ?? Number.NaN,
      cpuShare: spent('cpu'),
      waitingShare: spent('waiting'),
    };
  } finally {
    await floor.stop();
    await server.stop();
  }
}

class HttpServerProcess {
  readonly #process: BenchProcess;
  readonly #load = new HttpLoad(path, [body]);
  /** CPU microseconds per request of each turn. */
  readonly turns: number[] = [];

  constructor(bench: Bench, kind: 'echo' | 'publisher') {
    this.#process = new BenchProcess({
      name: `${kind} server`,
      command: [process.execPath, ...bench.nodeArguments, join(import.meta.dirname, 'http-server.ts'), kind],
      cpu: bench.pinned ? 0 : undefined,
    });
  }

  async connect(): Promise<void> {
    const [word, port] = (await this.#process.line(startMs)).split(' ');
    if (word !== 'listening') throw new BenchProcessFailed('the server did not listen');
    await this.#load.connect(Number(port), connections);
  }

  async warmUp(): Promise<void> {
    await within(this.#load.run(warmUpRequestsPerTurn, warmUpPerSecond));
  }

  async turn(): Promise<void> {
    await within(this.#load.run(settlingRequests, requestsPerSecond));
    const before = this.schedule().cpu;
    await within(this.#load.run(requestsPerTurn, requestsPerSecond));
    this.turns.push((this.schedule().cpu - before) / 1000 / requestsPerTurn);
  }

  cost(): HttpCost {
    return { cpuMicroseconds: spreadOf(this.turns).median, failures: this.#load.failures };
  }

  schedule(): { readonly cpu: number; readonly waiting: number } {
    return this.#process.schedule();
  }

  async stop(): Promise<void> {
    this.#load.close();
    await this.#process.stop();
  }
}

async function within(run: Promise<void>): Promise<void> {
  const late = Symbol('late');
  const deadline = new AbortController();
  const ended = await Promise.race([run, sleep(runMsMax, late, { signal: deadline.signal })]);
  deadline.abort();
  if (ended === late) throw new BenchProcessFailed(`the requests were not answered within ${runMsMax / 1000} s`);
}

/** The rows as Markdown: the CPU of both servers, and the ratio of neighbouring turns. */
export function httpTable(rows: ReadonlyMap<string, readonly Outcome<HttpResult>[]>): string {
  const lines: string[][] = [];
  for (const { name, title, floorTitle, ratioMax } of httpRows) {
    const measured = results(rows.get(name) ?? []);
    if (measured.length === 0) continue;
    const costOf = (side: 'server' | 'floor'): readonly [string, string] => [
      spreadText(spreadOf(measured.map((result) => result[side].cpuMicroseconds)), 1),
      `${measured.reduce((sum, result) => sum + result[side].failures, 0)}`,
    ];
    const ratio = spreadOf(measured.map((result) => result.ratio));
    const [floorCost, floorFailures] = costOf('floor');
    const [cost, failures] = costOf('server');
    lines.push([`${name}-floor`, floorTitle, floorCost, '–', '', floorFailures]);
    lines.push([name, title, cost, `${spreadText(ratio, 2)} × ${name}-floor`, goalText(ratio.median, ratioMax, `${ratioMax}`), failures]);
  }
  return table(['row', 'server', 'CPU µs per request: median (min–max)', 'ratio to its floor', 'goal', 'not answered 200'], lines);
}

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchProcess, BenchProcessFailed } from './bench-process.ts';
import { HttpLoad } from './http-load.ts';
import type { Bench } from './measure.ts';
import { goalText, results, spreadText, table, type Outcome } from './tables.ts';
import { ratioOf, spreadOf } from './spread.ts';

/** One way of answering a POST of JSON, measured in every round. */
export interface HttpRow {
  readonly name: string;
  readonly title: string;
  readonly server: 'echo' | 'publisher';
  /** The row that this one is compared with, and the ratio that is the goal. */
  readonly floor?: string;
  readonly ratioMax?: number;
}

export const httpRows: readonly HttpRow[] = [
  { name: 'http-echo', title: 'bare `node:http`, JSON parsed and sent back', server: 'echo' },
  { name: 'publish-http', title: 'Barrage, `POST /v1/mesh/publish`, memory bus', server: 'publisher', floor: 'http-echo', ratioMax: 1.3 },
];

export interface HttpResult {
  /** CPU of the server per request. */
  readonly cpuMicroseconds: number;
  /**
   * Share of one CPU that the server took, and share of the time that it was ready to run and another program had its
   * CPU.
   */
  readonly cpuShare: number;
  readonly waitingShare: number;
  readonly failures: number;
}

const connections = 16;
const startMs = 10_000;
const warmUpRequests = 30_000;
const warmUpPerSecond = 10_000;
/**
 * Far below what either server can do: a server that is at its limit finds its clients awake, and waking them is a part
 * of what an answer costs.
 */
const requestsPerSecond = 4_000;
const runMsMax = 120_000;
const body = JSON.stringify({
  c: 'room:bench',
  d: JSON.stringify({ event: '@video', data: { uid: 1001, msg: 'comments fly '.repeat(12) } }),
});

/** 4,000 requests a second over 16 connections. @throws BenchProcessFailed */
export async function measureHttp(bench: Bench, row: HttpRow): Promise<HttpResult> {
  const server = new BenchProcess({
    name: `${row.server} server`,
    command: [process.execPath, ...bench.nodeArguments, join(import.meta.dirname, 'http-server.ts'), row.server],
    cpu: bench.pinned ? 0 : undefined,
  });
  const load = new HttpLoad('/v1/mesh/publish', [body]);
  try {
    const [word, port] = (await server.line(startMs)).split(' ');
    if (word !== 'listening') throw new BenchProcessFailed(`${row.server} server did not listen`);
    await load.connect(Number(port), connections);
    // By their number, not by time: the engine compiles what runs often, and another program may have the CPU.
    await within(load.run(warmUpRequests, warmUpPerSecond));
    const requests = bench.seconds * requestsPerSecond;
    const before = { ...server.schedule(), at: performance.now() };
    await within(load.run(requests, requestsPerSecond));
    const after = { ...server.schedule(), at: performance.now() };
    const elapsedMs = after.at - before.at;
    return {
      cpuMicroseconds: (after.cpu - before.cpu) / 1000 / requests,
      cpuShare: (after.cpu - before.cpu) / 1e6 / elapsedMs,
      waitingShare: (after.waiting - before.waiting) / 1e6 / elapsedMs,
      failures: load.failures,
    };
  } finally {
    load.close();
    await server.stop();
  }
}

async function within(run: Promise<void>): Promise<void> {
  const late = Symbol('late');
  const deadline = new AbortController();
  const ended = await Promise.race([run, sleep(runMsMax, late, { signal: deadline.signal })]);
  deadline.abort();
  if (ended === late) throw new BenchProcessFailed(`the requests were not answered within ${runMsMax / 1000} s`);
}

/** The rows as Markdown: CPU of each server per request, and the ratio within a round. */
export function httpTable(rows: ReadonlyMap<string, readonly Outcome<HttpResult>[]>): string {
  const costs = (name: string): readonly (number | undefined)[] =>
    (rows.get(name) ?? []).map((outcome) => (outcome.kind === 'measured' ? outcome.result.cpuMicroseconds : undefined));
  const lines: string[][] = [];
  for (const { name, title, floor, ratioMax } of httpRows) {
    const measured = results(rows.get(name) ?? []);
    if (measured.length === 0) continue;
    const ratio = floor === undefined ? undefined : ratioOf(costs(name), costs(floor));
    const failures = measured.reduce((sum, result) => sum + result.failures, 0);
    lines.push([
      name,
      title,
      spreadText(spreadOf(measured.map(({ cpuMicroseconds }) => cpuMicroseconds)), 1),
      ratio === undefined ? '–' : `${spreadText(ratio, 2)} × ${floor}`,
      ratio === undefined || ratioMax === undefined ? '' : goalText(ratio.median, ratioMax, `${ratioMax}`),
      spreadOf(measured.map(({ cpuShare }) => cpuShare * 100)).median.toFixed(0),
      `${failures}`,
    ]);
  }
  return table(['row', 'server', 'CPU µs per request: median (min–max)', 'ratio to its floor', 'goal', 'CPU %', 'not answered 200'], lines);
}

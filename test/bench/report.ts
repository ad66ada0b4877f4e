import type { DrainResult } from './drain.ts';
import type { FanOutResult, MemoryResult } from './measure.ts';
import { smallRoomsTable, type SmallRoomsResult } from './small-rooms.ts';
import { stalledTable, type StalledResult } from './stalled.ts';
import { resumeTable, type ResumeResult } from './resumes.ts';
import { tlsTable, type TlsResult } from './tls.ts';
import { tracesTable, type TracesResult } from './traces.ts';
import { historyTable, type HistoryResult } from './history.ts';
import { httpTable, type HttpResult } from './publish-http.ts';
import { drainRows, drainToleranceMax, fanOutRows, memoryRows, throughputRows, type FanOutRow } from './rows.ts';
import { goalText, results, spreadText, table, type Outcome } from './tables.ts';
import { ratioOf, spreadOf } from './spread.ts';

/** Every row's outcomes, round by round; a row that was not asked for is absent. */
export interface Measurements {
  readonly fanOut: ReadonlyMap<string, readonly Outcome<FanOutResult>[]>;
  readonly memory: ReadonlyMap<string, readonly Outcome<MemoryResult>[]>;
  readonly throughput: ReadonlyMap<string, readonly Outcome<FanOutResult>[]>;
  readonly drain: ReadonlyMap<string, readonly Outcome<DrainResult>[]>;
  readonly http: ReadonlyMap<string, readonly Outcome<HttpResult>[]>;
  readonly history: ReadonlyMap<string, readonly Outcome<HistoryResult>[]>;
  readonly stalled: ReadonlyMap<string, readonly Outcome<StalledResult>[]>;
  readonly resumes: ReadonlyMap<string, readonly Outcome<ResumeResult>[]>;
  readonly smallRooms: ReadonlyMap<string, readonly Outcome<SmallRoomsResult>[]>;
  readonly tls: ReadonlyMap<string, readonly Outcome<TlsResult>[]>;
  readonly traces: ReadonlyMap<string, readonly Outcome<TracesResult>[]>;
}

/**
 * The run as Markdown: one table each for fan-out, memory, throughput, drains, HTTP, history, stalled readers,
 * returning clients, small rooms, traces and TLS, then what could not be measured or counted.
 */
export function report(measurements: Measurements): string {
  const parts: string[] = [];
  if (measurements.fanOut.size > 0) parts.push(fanOutTable(measurements.fanOut));
  if (measurements.memory.size > 0) parts.push(memoryTable(measurements.memory));
  if (measurements.throughput.size > 0) parts.push(throughputTable(measurements.throughput));
  if (measurements.drain.size > 0) parts.push(drainTable(measurements.drain));
  if (measurements.http.size > 0) parts.push(httpTable(measurements.http));
  if (measurements.history.size > 0) parts.push(historyTable(measurements.history));
  if (measurements.stalled.size > 0) parts.push(stalledTable(measurements.stalled));
  if (measurements.resumes.size > 0) parts.push(resumeTable(measurements.resumes));
  if (measurements.smallRooms.size > 0) parts.push(smallRoomsTable(measurements.smallRooms));
  if (measurements.traces.size > 0) parts.push(tracesTable(measurements.traces));
  if (measurements.tls.size > 0) parts.push(tlsTable(measurements.tls));
  const remarks = [...unmeasured(measurements), ...surprises(measurements)];
  if (remarks.length > 0) parts.push(remarks.map((remark) => `- ${remark}\n`).join(''));
  return parts.join('\n');
}

/** Rows that gave no result in some round, with the reason. */
export function unmeasured(measurements: Measurements): readonly string[] {
  const remarks = new Set<string>();
  for (const rows of Object.values(measurements) as readonly ReadonlyMap<string, readonly Outcome<unknown>[]>[]) {
    for (const [name, outcomes] of rows)
      for (const outcome of outcomes) if (outcome.kind === 'failed') remarks.add(`${name}: not measured: ${outcome.reason}`);
  }
  return [...remarks];
}

function latencyText(measured: readonly FanOutResult[]): string {
  const p50 = spreadOf(measured.map(({ latencyMs }) => latencyMs.p50)).median;
  const p99 = spreadOf(measured.map(({ latencyMs }) => latencyMs.p99)).median;
  return `${p50.toFixed(1)} / ${p99.toFixed(1)}`;
}

function ratioGoalText(row: FanOutRow, measured: readonly FanOutResult[], ratio: number): string {
  if (measured.some((result) => wrongMerge(row, result) !== undefined)) return 'not judged: it merged otherwise';
  return goalText(ratio, row.ratioMax ?? Infinity, String(row.ratioMax));
}

/** Publications per flush, where they are not what the row is about. */
function wrongMerge(row: FanOutRow | undefined, { gateway }: FanOutResult): number | undefined {
  if (row?.merged === undefined || gateway === undefined) return undefined;
  const merge = gateway.received / gateway.flushes;
  return Math.abs(merge / row.merged - 1) > 0.1 ? merge : undefined;
}

function fanOutTable(rows: Measurements['fanOut']): string {
  const costs = (name: string): readonly (number | undefined)[] =>
    (rows.get(name) ?? []).map((outcome) => (outcome.kind === 'measured' ? outcome.result.cpuMicroseconds : undefined));
  const lines: string[][] = [];
  for (const row of fanOutRows) {
    const measured = results(rows.get(row.name) ?? []);
    if (measured.length === 0) continue;
    const ratio = row.floor === undefined ? undefined : ratioOf(costs(row.name), costs(row.floor));
    lines.push([
      row.name,
      row.title,
      `${row.publicationsPerSecond}`,
      spreadText(spreadOf(measured.map(({ cpuMicroseconds }) => cpuMicroseconds)), 3),
      ratio === undefined ? '–' : `${spreadText(ratio, 2)} × ${row.floor}`,
      ratio === undefined || row.ratioMax === undefined ? '' : ratioGoalText(row, measured, ratio.median),
      spreadOf(measured.map(({ cpuShare }) => cpuShare * 100)).median.toFixed(0),
      publicationsPerWrite(row, measured),
      spreadOf(measured.map(({ bytesPerPublication }) => bytesPerPublication)).median.toFixed(0),
      latencyText(measured),
    ]);
  }
  return table(
    [
      'row',
      'server',
      'publications/s',
      'CPU µs per delivered publication: median (min–max)',
      'ratio to its floor',
      'goal',
      'CPU %',
      'publications per write',
      'bytes per publication',
      'latency p50 / p99, ms',
    ],
    lines,
  );
}

/** A gateway's own count; for the other servers what they were told to do. */
function publicationsPerWrite(row: FanOutRow, measured: readonly FanOutResult[]): string {
  const merges = measured.flatMap(({ gateway }) => (gateway === undefined ? [] : [gateway.received / gateway.flushes]));
  return merges.length === 0 ? String(row.burst) : spreadOf(merges).median.toFixed(1);
}

function memoryTable(rows: Measurements['memory']): string {
  const lines: string[][] = [];
  for (const row of memoryRows) {
    const measured = results(rows.get(row.name) ?? []);
    if (measured.length === 0) continue;
    const spread = spreadOf(measured.map(({ bytesPerConnection }) => bytesPerConnection / 1024));
    lines.push([
      row.name,
      row.title,
      spreadText(spread, 2),
      row.bytesMax === undefined ? '' : goalText(spread.median * 1024, row.bytesMax, `${row.bytesMax / 1024}`),
      (spreadOf(measured.map(({ emptyBytes }) => emptyBytes)).median / 2 ** 20).toFixed(1),
      (spreadOf(measured.map(({ fullBytes }) => fullBytes)).median / 2 ** 20).toFixed(1),
    ]);
  }
  return table(['row', 'server', 'KiB of RSS per idle connection: median (min–max)', 'goal', 'empty server, MiB', 'with all, MiB'], lines);
}

function throughputTable(rows: Measurements['throughput']): string {
  const lines: string[][] = [];
  for (const row of throughputRows) {
    for (const result of results(rows.get(row.name) ?? [])) {
      const { gateway } = result;
      lines.push([
        row.name,
        row.title,
        `${result.delivered} of ${result.expected}`,
        `${gateway?.dropped ?? '?'}`,
        `${result.misordered}`,
        (result.cpuShare * 100).toFixed(0),
        latencyText([result]),
        gateway === undefined ? '' : `${gateway.slicesTooLong} of ${gateway.slices} (longest ≤ ${gateway.longestSliceMs ?? '?'} ms)`,
      ]);
    }
  }
  return table(
    ['row', 'server', 'delivered', 'dropped and counted', 'out of order', 'CPU %', 'latency p50 / p99, ms', 'slices over 20 ms'],
    lines,
  );
}

function drainTable(rows: Measurements['drain']): string {
  const lines: string[][] = [];
  for (const { name, title, connectionsPerSecond } of drainRows) {
    const measured = results(rows.get(name) ?? []);
    if (measured.length === 0) continue;
    const rate = spreadOf(measured.map(({ perSecond }) => perSecond));
    const off = rate.median / connectionsPerSecond - 1;
    const met = Math.abs(off) <= drainToleranceMax ? 'met' : 'missed';
    lines.push([
      name,
      title,
      `${measured[0]?.connections ?? ''}`,
      `${connectionsPerSecond}`,
      spreadText(rate, 1),
      `${off < 0 ? '−' : '+'}${Math.abs(off * 100).toFixed(1)} %`,
      `± ${drainToleranceMax * 100} %: ${met}`,
      `${Math.min(...measured.map(({ fewest }) => fewest))} to ${Math.max(...measured.map(({ most }) => most))}`,
    ]);
  }
  const head = [
    'row',
    'clients',
    'connections',
    'set rate, 1/s',
    'rate: median (min–max)',
    'off by',
    'goal',
    'fewest and most in a second',
  ];
  return table(head, lines);
}

/**
 * Above it, latencies and slices (which are wall time) say more about the machine than about the server. Not nearer to
 * 0, since the server's own threads wait for each other too.
 */
const waitingShareMax = 0.05;

/** What would make a figure mean something else than its row says. */
function surprises(measurements: Measurements): readonly string[] {
  const remarks: string[] = [];
  for (const [name, outcomes] of [
    ...measurements.fanOut,
    ...measurements.throughput,
    ...measurements.drain,
    ...measurements.http,
    ...measurements.stalled,
    ...measurements.resumes,
  ]) {
    const waiting = results<{ readonly waitingShare: number }>(outcomes).map(({ waitingShare }) => waitingShare);
    if (waiting.some((share) => share > waitingShareMax)) {
      const shares = waiting.map((share) => (share * 100).toFixed(0)).join(', ');
      remarks.push(
        `${name}: disturbed: other programs had the server's CPU while it was ready to run, for ${shares} % of the rounds' time`,
      );
    }
  }
  for (const [name, outcomes] of [...measurements.fanOut, ...measurements.throughput]) {
    const row = fanOutRows.find((candidate) => candidate.name === name);
    for (const [round, result] of results(outcomes).entries()) {
      const { expected, delivered, misordered, closed, gateway } = result;
      const place = `${name}, round ${round + 1}`;
      if (delivered !== expected)
        remarks.push(`${place}: ${expected - delivered} of ${expected} not delivered, ${gateway?.dropped ?? 0} counted as dropped`);
      if (misordered > 0) remarks.push(`${place}: ${misordered} out of order`);
      if (closed > 0) remarks.push(`${place}: ${closed} connections were ended`);
      const merge = wrongMerge(row, result);
      if (merge !== undefined) remarks.push(`${place}: merged by ${merge.toFixed(1)} on average, not by ${row?.merged}`);
    }
  }
  return remarks;
}

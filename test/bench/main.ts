import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BenchProcessFailed, killAll } from './bench-process.ts';
import { measureDrain } from './drain.ts';
import { measureFanOut, measureMemory, measureThroughput, type Bench } from './measure.ts';
import { benchFolder, buildPrograms, pinHarness } from './programs.ts';
import { historyRows, measureHistory } from './history.ts';
import { httpRows, measureHttp } from './publish-http.ts';
import { report, unmeasured } from './report.ts';
import type { Outcome } from './tables.ts';
import { measureResume, resumeRows } from './resumes.ts';
import { measureSmallRooms, smallRoomsRows } from './small-rooms.ts';
import { measureStalled, stalledRows } from './stalled.ts';
import { measureTls, tlsRows } from './tls.ts';
import { measureTraces, tracesRows } from './traces.ts';
import { drainRows, fanOutRows, memoryRows, throughputRows } from './rows.ts';

const allRows = [
  ...fanOutRows,
  ...memoryRows,
  ...throughputRows,
  ...drainRows,
  ...httpRows,
  ...historyRows,
  ...stalledRows,
  ...resumeRows,
  ...smallRoomsRows,
  ...tracesRows,
  ...tlsRows,
];

const usage = `npm run bench -- [options]
  --rounds N      rounds of every row, interleaved (3)
  --seconds N     measured seconds of a fan-out row (4)
  --only NAMES    comma-separated rows, or what stands before the - of several: a1,d20-plain,memory
  --quick         one short round of everything, for trying the bench itself
  --before DIR    another checkout, whose server is measured beside this one's in the row traces
  --node-args A   comma-separated arguments for the servers' Node, such as --cpu-prof
rows: ${allRows.map(({ name }) => name).join(' ')}
`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    'node-args': { type: 'string' },
    before: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
const seconds = Number(options.seconds ?? (options.quick ? 1 : 4));
const wanted = options.only?.split(',');

process.once('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

if (options.help) process.stdout.write(usage);
else if (!Number.isInteger(rounds) || !(rounds >= 1 && rounds <= 100) || !(seconds >= 1 && seconds <= 300) || nothingWanted()) {
  process.stderr.write(usage);
  process.exitCode = 2;
} else await run();

function isWanted({ name }: { readonly name: string }): boolean {
  return wanted === undefined || wanted.some((words) => name === words || name.startsWith(`${words}-`));
}

function nothingWanted(): boolean {
  return !allRows.some(isWanted);
}

/**
 * Runs every wanted row once a round, each round beginning with another row, so that drift of the machine spreads over
 * all.
 */
async function measureRows<Row extends { readonly name: string }, Result>(
  rows: readonly Row[],
  roundCount: number,
  measure: (row: Row) => Promise<Result>,
): Promise<ReadonlyMap<string, readonly Outcome<Result>[]>> {
  const rowsWanted = rows.filter(isWanted);
  const outcomes = new Map<string, Outcome<Result>[]>(rowsWanted.map(({ name }) => [name, []]));
  for (let round = 0; round < roundCount; round++) {
    const first = Math.floor((round * rowsWanted.length) / roundCount);
    for (const row of [...rowsWanted.slice(first), ...rowsWanted.slice(0, first)]) {
      process.stderr.write(`round ${round + 1} of ${roundCount}: ${row.name}\n`);
      outcomes.get(row.name)?.push(await outcomeOf(measure(row)));
    }
  }
  return outcomes;
}

async function outcomeOf<Result>(measuring: Promise<Result>): Promise<Outcome<Result>> {
  try {
    return { kind: 'measured', result: await measuring };
  } catch (error) {
    if (error instanceof BenchProcessFailed) return { kind: 'failed', reason: error.message };
    throw error;
  }
}

async function run(): Promise<void> {
  const build = buildPrograms();
  if (build.kind === 'not-built') {
    process.stderr.write(`bench: nothing was measured, since the clients and the floor are C programs: ${build.reason}\n`);
    process.exitCode = 1;
    return;
  }
  const pinned = pinHarness();
  const bench: Bench = {
    ...build,
    pinned,
    members: 1000,
    seconds,
    warmUpSeconds: options.quick ? 1 : 3,
    idleConnections: options.quick ? 2000 : 10_000,
    settleMs: options.quick ? 1000 : 5000,
    throughputSeconds: options.quick ? 3 : 30,
    drainSeconds: options.quick ? 2 : 10,
    nodeArguments: options['node-args']?.split(',') ?? [],
  };
  const measurements = {
    fanOut: await measureRows(fanOutRows, rounds, (row) => measureFanOut(bench, row)),
    memory: await measureRows(memoryRows, rounds, (row) => measureMemory(bench, row)),
    throughput: await measureRows(throughputRows, 1, (row) => measureThroughput(bench, row)),
    drain: await measureRows(drainRows, rounds, (row) => measureDrain(bench, row)),
    http: await measureRows(httpRows, rounds, (row) => measureHttp(bench, row)),
    history: await measureRows(historyRows, rounds, () => measureHistory(bench)),
    stalled: await measureRows(stalledRows, rounds, (row) => measureStalled(bench, row)),
    resumes: await measureRows(resumeRows, rounds, (row) => measureResume(bench, row)),
    smallRooms: await measureRows(smallRoomsRows, rounds, (row) => measureSmallRooms(bench, row)),
    tls: await measureRows(tlsRows, rounds, () => measureTls(bench)),
    traces: await measureRows(tracesRows, 1, () => measureTraces(bench, { turns: rounds * 10, before: options.before })),
  };
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}`;
  const conditions = `${machine}; ${pinned ? 'server on CPU 0, clients on CPU 1' : 'not pinned: taskset or a second CPU is missing'}; ${bench.members} members, 200-byte payloads, ${rounds} rounds of ${seconds} s; memory at ${bench.idleConnections} connections`;
  process.stdout.write(`${conditions}\n\n${report(measurements)}`);
  const json = JSON.stringify({ conditions, bench, ...mapsAsObjects(measurements) }, undefined, 2);
  mkdirSync(benchFolder, { recursive: true });
  writeFileSync(join(benchFolder, 'result.json'), `${json}\n`);
  if (unmeasured(measurements).length > 0) process.exitCode = 1;
}

function mapsAsObjects(maps: Readonly<Record<string, ReadonlyMap<string, unknown>>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(maps).map(([name, map]) => [name, Object.fromEntries(map)]));
}

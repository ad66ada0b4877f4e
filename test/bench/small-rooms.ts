import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchProcess, BenchProcessFailed } from './bench-process.ts';
import { HttpLoad } from './http-load.ts';
import type { Bench } from './measure.ts';
import { goalText, results, spreadText, table, type Outcome } from './tables.ts';
import { ratioOf, spreadOf, type Spread } from './spread.ts';

/** One way of serving 2,500 rooms of two members. */
export interface SmallRoomsRow {
  readonly name: string;
  readonly title: string;
  readonly server: 'bare' | 'raw' | 'barrage';
  /** How publications come: by POST, or from a loop in the server itself, which shows what follows the append alone. */
  readonly by: 'http' | 'loop';
  readonly floor?: string;
  /** Goal for what it takes above its floor, in microseconds per publication. */
  readonly aboveFloorMax?: number;
}

export const smallRoomsRows: readonly SmallRoomsRow[] = [
  { name: 'small-rooms-bare', title: '`node:http` and `ws`, POST and `send` to each', server: 'bare', by: 'http' },
  { name: 'small-rooms', title: 'Barrage, POST to members', server: 'barrage', by: 'http', floor: 'small-rooms-bare' },
  { name: 'small-rooms-share-raw', title: 'a frame and a raw write to each', server: 'raw', by: 'loop' },
  {
    name: 'small-rooms-share',
    title: 'Barrage, append to members',
    server: 'barrage',
    by: 'loop',
    floor: 'small-rooms-share-raw',
    aboveFloorMax: 20,
  },
];

export interface SmallRoomsResult {
  /** CPU of the server per publication, which goes to two members. */
  readonly cpuMicroseconds: number;
  readonly cpuShare: number;
  readonly waitingShare: number;
  /** Publications × members that did not arrive. */
  readonly missing: number;
}

const rooms = 2_500;
const membersOfEach = 2;
const publicationsPerSecond = 2_000;
const warmUpPublications = 30_000;
const warmUpPerSecond = 5_000;
const httpConnections = 16;
const startMs = 30_000;
const connectMs = 120_000;
const text = 'comments fly '.repeat(12);

/** The rooms in an order in which neighbours are not published to one after the other. */
export function channelOf(index: number): string {
  return `room:${(index * 7_919) % rooms}`;
}

/** One row, once, in fresh processes. @throws BenchProcessFailed */
export async function measureSmallRooms(bench: Bench, row: SmallRoomsRow): Promise<SmallRoomsResult> {
  const stage = new SmallRooms(bench, { kind: row.server });
  try {
    await stage.fill(row.by);
    await stage.warmUp();
    return await stage.measure(publicationsPerSecond * bench.seconds);
  } finally {
    await stage.stop();
  }
}

/** A server with all its members, and what publishes to them. */
export class SmallRooms {
  readonly #bench: Bench;
  readonly #server: BenchProcess;
  #sink: BenchProcess | undefined;
  #http: HttpLoad | undefined;

  /**
   * @param options.folder of another version of this bench, beside which that version's product is measured
   * @param options.variables further variables of the server's environment
   */
  constructor(
    bench: Bench,
    options: { readonly kind: SmallRoomsRow['server']; readonly folder?: string; readonly variables?: Readonly<Record<string, string>> },
  ) {
    const { kind, folder = import.meta.dirname, variables = {} } = options;
    const flags = ['--max-semi-space-size=4', ...bench.nodeArguments];
    this.#bench = bench;
    this.#server = new BenchProcess({
      name: `${kind} server`,
      command: [process.execPath, ...flags, join(folder, 'rooms-server.ts'), kind],
      cpu: bench.pinned ? 0 : undefined,
      variables,
    });
  }

  async fill(by: SmallRoomsRow['by']): Promise<void> {
    const [, httpPort] = (await this.#server.line(startMs)).split(' ');
    const [, port = ''] = (await this.#server.line(startMs)).split(' ');
    this.#sink = new BenchProcess({
      name: 'sink',
      command: [process.execPath, join(import.meta.dirname, 'rooms-sink.ts'), port, String(rooms * membersOfEach)],
      cpu: this.#bench.pinned ? 1 : undefined,
    });
    await this.#sink.line(connectMs);
    if (by === 'loop') return;
    this.#http = new HttpLoad(
      '/v1/mesh/publish',
      Array.from({ length: rooms }, (_, index) => JSON.stringify({ c: channelOf(index), d: text })),
    );
    await this.#http.connect(Number(httpPort), httpConnections);
  }

  /** By a number of publications, not by time: the engine compiles what runs often. */
  async warmUp(): Promise<void> {
    await this.#run(warmUpPublications, warmUpPerSecond);
    await sleep(1_000);
  }

  /** @param settleMs wait for the last windows, before and after */
  async measure(count: number, settleMs = 500): Promise<SmallRoomsResult> {
    if (this.#sink === undefined) throw new BenchProcessFailed('there are no members');
    return await measured({
      server: this.#server,
      sink: this.#sink,
      run: (each) => this.#run(each, publicationsPerSecond),
      count,
      settleMs,
    });
  }

  async stop(): Promise<void> {
    this.#http?.close();
    await this.#sink?.stop();
    await this.#server.stop();
  }

  #run(count: number, perSecond: number): Promise<void> {
    return this.#http === undefined ? loop(this.#server, count, perSecond) : this.#http.run(count, perSecond);
  }
}

async function loop(server: BenchProcess, count: number, perSecond: number): Promise<void> {
  server.tell(`publish ${perSecond} 1 ${count}`);
  await server.line((count / perSecond) * 3_000 + startMs);
}

async function measured(stage: {
  readonly server: BenchProcess;
  readonly sink: BenchProcess;
  readonly run: (count: number) => Promise<void>;
  readonly count: number;
  readonly settleMs: number;
}): Promise<SmallRoomsResult> {
  const { server, sink, run, count, settleMs } = stage;
  const arrived = async (): Promise<number> => {
    sink.tell('count');
    return Number(await sink.line(startMs));
  };
  await sleep(settleMs);
  const arrivedBefore = await arrived();
  const before = { ...server.schedule(), at: performance.now() };
  await run(count);
  // The last windows end, and what is under way arrives.
  await sleep(settleMs);
  const after = { ...server.schedule(), at: performance.now() };
  const elapsedMs = after.at - before.at;
  if (count === 0) throw new BenchProcessFailed('nothing was published');
  return {
    cpuMicroseconds: (after.cpu - before.cpu) / 1000 / count,
    cpuShare: (after.cpu - before.cpu) / 1e6 / elapsedMs,
    waitingShare: (after.waiting - before.waiting) / 1e6 / elapsedMs,
    missing: count * membersOfEach - ((await arrived()) - arrivedBefore),
  };
}

/** The rows as Markdown: CPU of each server per publication, and what it takes above its floor in the same round. */
export function smallRoomsTable(rows: ReadonlyMap<string, readonly Outcome<SmallRoomsResult>[]>): string {
  const costs = (name: string): readonly (number | undefined)[] =>
    (rows.get(name) ?? []).map((outcome) => (outcome.kind === 'measured' ? outcome.result.cpuMicroseconds : undefined));
  const lines: string[][] = [];
  for (const { name, title, floor, aboveFloorMax } of smallRoomsRows) {
    const given = results(rows.get(name) ?? []);
    if (given.length === 0) continue;
    const ratio = floor === undefined ? undefined : ratioOf(costs(name), costs(floor));
    const above = floor === undefined ? undefined : differenceOf(costs(name), costs(floor));
    lines.push([
      name,
      title,
      spreadText(spreadOf(given.map(({ cpuMicroseconds }) => cpuMicroseconds)), 1),
      ratio === undefined ? '–' : `${spreadText(ratio, 2)} × ${floor}`,
      above === undefined ? '–' : spreadText(above, 1),
      above === undefined || aboveFloorMax === undefined ? '' : goalText(above.median, aboveFloorMax, `${aboveFloorMax} µs above`),
      `${given.reduce((sum, { missing }) => sum + missing, 0)}`,
    ]);
  }
  const head = ['row', 'server', 'CPU µs per publication: median (min–max)', 'ratio to its floor', 'µs above it', 'goal', 'missing'];
  return table(head, lines);
}

function differenceOf(values: readonly (number | undefined)[], floors: readonly (number | undefined)[]): Spread | undefined {
  const differences = values.flatMap((value, round) => {
    const floor = floors[round];
    return value === undefined || floor === undefined ? [] : [value - floor];
  });
  return differences.length === 0 ? undefined : spreadOf(differences);
}

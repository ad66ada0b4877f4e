import { join } from 'node:path';
import { OtlpCollector } from '../support/otlp-collector.ts';
import type { Bench } from './measure.ts';
import { SmallRooms } from './small-rooms.ts';
import { ratioOf, spreadOf } from './spread.ts';
import { goalText, results, spreadText, table, type Outcome } from './tables.ts';

/** What traces cost where a publication costs the least: rooms of two, by HTTP. All servers run beside each other. */
export const tracesRows = [{ name: 'traces' }] as const;

const titles = {
  before: 'the version before',
  off: 'traces off',
  on: 'traces on, no publication',
  sampled: 'one publication in a hundred',
  all: 'every publication',
} as const;
type Server = keyof typeof titles;

/** CPU microseconds per publication of each server, turn by turn, and what its collector got. */
export interface TracesResult {
  readonly turns: Readonly<Partial<Record<Server, readonly number[]>>>;
  readonly exports: number;
  readonly missing: number;
}

/** Publications of one turn: a machine's speed drifts within seconds. */
const publicationsPerTurn = 2_000;
/** Longer than a merge window, and than what is under way then. */
const settleMs = 200;
/** Goal for the CPU of a publication, in relation to that without traces. */
const ratioMax: Readonly<Partial<Record<Server, number>>> = { off: 1.01, on: 1.01, sampled: 1.02 };
/** Runs of the warm-up: what one publication in a hundred runs is compiled as late as it is rare. */
const warmUps = 4;

/** @throws BenchProcessFailed */
export async function measureTraces(
  bench: Bench,
  options: { readonly turns: number; readonly before: string | undefined },
): Promise<TracesResult> {
  await using collector = await OtlpCollector.start();
  const on = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio' };
  const barrage = { kind: 'barrage' } as const;
  const stages = new Map<Server, SmallRooms>([
    ...(options.before === undefined
      ? []
      : [['before', new SmallRooms(bench, { ...barrage, folder: join(options.before, 'test/bench') })] as const]),
    ['off', new SmallRooms(bench, barrage)],
    ['on', new SmallRooms(bench, { ...barrage, variables: { ...on, OTEL_TRACES_SAMPLER_ARG: '0' } })],
    ['sampled', new SmallRooms(bench, { ...barrage, variables: { ...on, OTEL_TRACES_SAMPLER_ARG: '0.01' } })],
    ['all', new SmallRooms(bench, { ...barrage, variables: { ...on, OTEL_TRACES_SAMPLER_ARG: '1' } })],
  ]);
  const turns = new Map<Server, number[]>([...stages.keys()].map((server) => [server, []]));
  let missing = 0;
  try {
    for (const stage of stages.values()) {
      await stage.fill('http');
      for (let run = 0; run < warmUps; run++) await stage.warmUp();
    }
    for (let turn = 0; turn < options.turns; turn++) {
      const first = turn % stages.size;
      for (const [server, stage] of [...[...stages].slice(first), ...[...stages].slice(0, first)]) {
        const result = await stage.measure(publicationsPerTurn, settleMs);
        turns.get(server)?.push(result.cpuMicroseconds);
        missing += result.missing;
      }
    }
  } finally {
    for (const stage of stages.values()) await stage.stop();
  }
  return { turns: Object.fromEntries(turns), exports: collector.requests.length, missing };
}

/** The servers as Markdown: CPU per publication, and the ratio to the first one in the same turn. */
export function tracesTable(rows: ReadonlyMap<string, readonly Outcome<TracesResult>[]>): string {
  const lines = results(rows.get('traces') ?? []).flatMap(({ turns, missing }) => {
    const floor = turns.before === undefined ? 'off' : 'before';
    return (Object.keys(titles) as Server[]).flatMap((server) => {
      const costs = turns[server];
      if (costs === undefined) return [];
      const ratio = server === floor ? undefined : ratioOf(costs, turns[floor] ?? []);
      const bound = ratioMax[server];
      return [
        [
          `traces-${server}`,
          titles[server],
          spreadText(spreadOf(costs), 1),
          ratio === undefined ? '–' : `${spreadText(ratio, 3)} × traces-${floor}`,
          ratio === undefined || bound === undefined ? '' : goalText(ratio.median, bound, String(bound)),
          String(missing),
        ],
      ];
    });
  });
  return table(['row', 'traces', 'CPU µs per publication: median (min–max)', 'ratio', 'goal', 'missing, of all'], lines);
}

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RedisServer } from '../support/redis-server.ts';
import { BenchProcess, BenchProcessFailed } from './bench-process.ts';
import { HttpLoad } from './http-load.ts';
import type { Bench } from './measure.ts';
import { ratioOf, spreadOf } from './spread.ts';
import { goalText, results, spreadText, table, type Outcome } from './tables.ts';

/** What a history costs the publisher and Redis, beside the same two without one. */
export const historyRows = [{ name: 'history' }] as const;

const sides = ['off', 'on'] as const;
type Side = (typeof sides)[number];

/** CPU microseconds per publication, turn by turn. */
interface Turns {
  readonly publisher: number[];
  readonly redis: number[];
}

export interface HistoryResult {
  readonly turns: Readonly<Record<Side, Turns>>;
  readonly failures: number;
}

const channels = 100;
const connections = 16;
const publicationsPerSecond = 2_000;
const publicationsPerTurn = 2_000;
const warmUpPublications = 40_000;
const warmUpPerSecond = 5_000;
const startMs = 10_000;
const text = JSON.stringify({ event: '@video', data: { uid: 1001, msg: 'comments fly '.repeat(12) } });
/** Goal for the CPU of a publication with a history, in relation to one without: in the publisher, and in Redis. */
const ratioMax = 1.5;

/** @throws BenchProcessFailed */
export async function measureHistory(bench: Bench): Promise<HistoryResult> {
  const stages = { off: await Publishing.start(bench, 'off'), on: await Publishing.start(bench, 'on') };
  const turns = { off: { publisher: [], redis: [] }, on: { publisher: [], redis: [] } } as Record<Side, Turns>;
  try {
    for (const side of sides) await stages[side].run(warmUpPublications, warmUpPerSecond);
    const count = Math.ceil((bench.seconds * publicationsPerSecond) / publicationsPerTurn);
    for (let turn = 0; turn < count; turn++)
      for (const side of turn % 2 === 0 ? sides : sides.toReversed()) {
        const cost = await stages[side].cost();
        turns[side].publisher.push(cost.publisher);
        turns[side].redis.push(cost.redis);
      }
    return { turns, failures: stages.off.failures + stages.on.failures };
  } finally {
    for (const side of sides) await stages[side].stop();
  }
}

/** A publisher with a Redis of its own, and what publishes to it. */
class Publishing {
  readonly #redis: RedisServer;
  readonly #publisher: BenchProcess;
  readonly #load = new HttpLoad(
    '/v1/mesh/publish',
    Array.from({ length: channels }, (_, index) => JSON.stringify({ c: `room:${index}`, d: text })),
  );

  static async start(bench: Bench, side: Side): Promise<Publishing> {
    const stage = new Publishing(await RedisServer.start(), bench, side);
    const [word, port] = (await stage.#publisher.line(startMs)).split(' ');
    if (word !== 'listening') throw new BenchProcessFailed('the publisher did not listen');
    await stage.#load.connect(Number(port), connections);
    return stage;
  }

  private constructor(redis: RedisServer, bench: Bench, side: Side) {
    this.#redis = redis;
    const server = join(import.meta.dirname, 'redis-publisher.ts');
    this.#publisher = new BenchProcess({
      name: `publisher with history ${side}`,
      command: [process.execPath, ...bench.nodeArguments, server, redis.url, side],
      cpu: bench.pinned ? 0 : undefined,
    });
  }

  get failures(): number {
    return this.#load.failures;
  }

  async run(publications: number, perSecond = publicationsPerSecond): Promise<void> {
    await this.#load.run(publications, perSecond);
  }

  /** CPU microseconds per publication of a turn. */
  async cost(): Promise<{ readonly publisher: number; readonly redis: number }> {
    await this.run(publicationsPerTurn / 10);
    const before = { publisher: this.#publisher.schedule().cpu, redis: cpuOf(this.#redis.pid) };
    await this.run(publicationsPerTurn);
    const after = { publisher: this.#publisher.schedule().cpu, redis: cpuOf(this.#redis.pid) };
    const each = (side: 'publisher' | 'redis'): number => (after[side] - before[side]) / 1000 / publicationsPerTurn;
    return { publisher: each('publisher'), redis: each('redis') };
  }

  async stop(): Promise<void> {
    this.#load.close();
    await this.#publisher.stop();
    await this.#redis.dispose();
  }
}

/** Nanoseconds that all threads of a process have had a CPU. */
function cpuOf(pid: number | undefined): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, task) => sum + Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]), 0);
}

/**
 * Publisher and Redis as Markdown: CPU per publication without and with a history, and the ratio of neighbouring turns.
 */
export function historyTable(rows: ReadonlyMap<string, readonly Outcome<HistoryResult>[]>): string {
  const measured = results(rows.get('history') ?? []);
  const lines = (['publisher', 'redis'] as const).map((program) => {
    const costs = (side: Side): readonly number[] => measured.flatMap(({ turns }) => turns[side][program]);
    const ratio = ratioOf(costs('on'), costs('off'));
    return [
      `history-${program}`,
      spreadText(spreadOf(costs('off')), 1),
      spreadText(spreadOf(costs('on')), 1),
      ratio === undefined ? '–' : `${spreadText(ratio, 2)} × without`,
      ratio === undefined ? '' : goalText(ratio.median, ratioMax, String(ratioMax)),
      String(measured.reduce((sum, { failures }) => sum + failures, 0)),
    ];
  });
  const cost = 'CPU µs per publication: median (min–max)';
  return table(['row', `no history, ${cost}`, `history of 100, ${cost}`, 'ratio', 'goal', 'not answered 200'], lines);
}

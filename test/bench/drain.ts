import { setTimeout as sleep } from 'node:timers/promises';
import { BenchProcessFailed } from './bench-process.ts';
import { paceOf, type Pace } from './departures.ts';
import { Stage, type Bench } from './measure.ts';
import type { DrainRow } from './rows.ts';

export interface DrainResult extends Pace {
  readonly connections: number;
  /** Share of the time that the server was ready to run and another program had its CPU. */
  readonly waitingShare: number;
}

/** How long nobody may leave before it is taken that nobody will. */
const quietMs = 10_000;

/**
 * A gateway with as many connections as it is to give up in the time of a measurement, and all of them given up.
 * @throws BenchProcessFailed
 */
export async function measureDrain(bench: Bench, row: DrainRow): Promise<DrainResult> {
  const { connectionsPerSecond, publicationsPerSecond } = row;
  const connections = connectionsPerSecond * bench.drainSeconds;
  const stage = await Stage.open(bench, { kind: 'pooled-gateway' });
  try {
    await stage.connect(connections, row.mode);
    await sleep(1_000);
    const load = publicationsPerSecond * bench.drainSeconds;
    if (load > 0) stage.server.tell(`publish ${publicationsPerSecond} 1 ${load}`);
    const before = stage.server.schedule();
    const startedAt = performance.now();
    stage.server.tell(`drain ${connectionsPerSecond}`);
    await allGone(stage, connections);
    const elapsedMs = performance.now() - startedAt;
    const waitingShare = (stage.server.schedule().waiting - before.waiting) / 1e6 / elapsedMs;
    return { connections, waitingShare, ...paceOf(await stage.departures()) };
  } finally {
    await stage.close();
  }
}

async function allGone(stage: Stage, connections: number): Promise<void> {
  let gone = 0;
  for (let changedAt = performance.now(); gone < connections;) {
    await sleep(100);
    const { closed } = await stage.counts();
    if (closed > gone) changedAt = performance.now();
    else if (performance.now() - changedAt > quietMs)
      throw new BenchProcessFailed(`only ${closed} of ${connections} connections were given up`);
    gone = closed;
  }
}

import { appendFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { deeds, redisModes, type Deed } from './plan.ts';
import { previousTree } from './previous-tree.ts';
import { run } from './run.ts';

/**
 * The long form: `npm run chaos -- --minutes 30 --seed 5 --redis cluster --report FILE`. The first line of the report
 * replays it. The exit status is 0 without a fault, 1 with one, 2 where the run itself broke.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    redis: { type: 'string', default: 'standalone' },
    viewers: { type: 'string', default: '200' },
    /** Publications a second. */
    rate: { type: 'string', default: '60' },
    /** Number of rounds, in place of minutes, and of the first of them. */
    rounds: { type: 'string' },
    from: { type: 'string', default: '0' },
    /** The deeds to choose from, with commas between them. */
    deeds: { type: 'string' },
    /** Commit of the earlier version. */
    base: { type: 'string' },
    report: { type: 'string' },
  },
});

function numberOf(name: 'minutes' | 'seed' | 'viewers' | 'rate' | 'rounds' | 'from', least: number): number {
  const number = Number(values[name]);
  if (!(number >= least)) throw new Error(`--${name} must be a number of at least ${least}`);
  return number;
}

function say(text: string): void {
  process.stdout.write(text);
  if (values.report !== undefined) appendFileSync(values.report, text);
}

const mode = redisModes.find((each) => each === values.redis);
if (mode === undefined) throw new Error(`--redis must be ${redisModes.join(', ')}`);
const wanted = values.deeds?.split(',');
const unknown = wanted?.find((each) => !(each in deeds));
if (unknown !== undefined) throw new Error(`--deeds: ${unknown} is none of ${Object.keys(deeds).join(', ')}`);
const seed = values.seed === undefined ? Math.floor(Math.random() * 1e6) : numberOf('seed', 0);
const [viewers, rate, from] = [numberOf('viewers', 1), numberOf('rate', 1), numberOf('from', 0)];
const endsAt = performance.now() + numberOf('minutes', 0) * 60_000;
const roundsMax = values.rounds === undefined ? Infinity : numberOf('rounds', 1);
if (values.report !== undefined) writeFileSync(values.report, '');
say(
  `npm run chaos -- --seed ${seed} --redis ${mode} --viewers ${viewers} --rate ${rate}${wanted === undefined ? '' : ` --deeds ${wanted.join()}`}\n`,
);
try {
  const { figures, faults } = await run({
    mode,
    seed,
    viewers,
    from,
    say,
    gateways: 3,
    publishers: 2,
    viewerProcesses: 2,
    previous: previousTree(values.base),
    publicationsPerSecond: rate,
    actions: 7,
    spanMs: 30_000,
    ...(wanted === undefined ? {} : { deeds: wanted as readonly Deed[] }),
    isOver: (rounds) => rounds >= roundsMax || (values.rounds === undefined && performance.now() > endsAt),
  });
  say(`${JSON.stringify(figures)}\n${faults.length} faults\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} catch (error) {
  say(`the run broke: ${(error as Error).stack}\n`);
  process.exitCode = 2;
}
// What was under way when the run broke has nothing to do any more.
process.exit();

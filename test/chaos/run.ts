import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { channelPlans } from './channels.ts';
import { faultsOf } from './checker.ts';
import { stall } from './explanation.ts';
import { roundInWords, roundOf, type PlanWishes, type Round } from './plan.ts';
import type { Fault, RoundRecord } from './record.ts';
import { settle } from './settling.ts';
import { historyOf } from './witnesses.ts';
import { World, type WorldWishes } from './world.ts';

/** Publications of earlier rounds that are remembered. */
const earlierMax = 20_000;

export interface RunWishes extends WorldWishes, PlanWishes {
  readonly publicationsPerSecond: number;
  /** Number of the first round. */
  readonly from: number;
  /** Whether there is a further round, after so many. */
  readonly isOver: (rounds: number) => boolean;
  /** Lines for people. */
  readonly say: (text: string) => void;
}

/** Figures of a round, or of a whole run. */
export interface Figures {
  rounds: number;
  actions: number;
  accepted: number;
  refused: number;
  unknown: number;
  /** Publications that viewers were given, and gaps that they were told. */
  received: number;
  gaps: number;
  /** Longest time for which a viewer had no connection, in milliseconds. */
  awayMsMax: number;
}

export interface RunResult {
  readonly figures: Figures;
  readonly faults: readonly (Fault & { readonly round: number })[];
}

/** Runs one round after the other in one world. */
export async function run(wishes: RunWishes): Promise<RunResult> {
  const world = await World.start(wishes);
  const figures: Figures = { rounds: 0, actions: 0, accepted: 0, refused: 0, unknown: 0, received: 0, gaps: 0, awayMsMax: 0 };
  const faults: (Fault & { readonly round: number })[] = [];
  try {
    await settle(world);
    await world.crowd.collect();
    world.earlier.push(...world.load.collect());
    for (let number = wishes.from; !wishes.isOver(figures.rounds); number++) {
      const round = roundOf(wishes, number);
      wishes.say(roundInWords(round));
      const found = await playRound(world, round, { wishes, figures });
      faults.push(...found.map((each) => ({ ...each, round: number })));
      for (const { kind, channel, viewer, words } of found.slice(0, 20)) wishes.say(`  FAULT ${kind} ${channel} ${viewer}: ${words}\n`);
      // What is broken stays broken: the next round would tell the same.
      if (found.some(({ kind }) => kind === 'absent' || kind === 'ended' || kind === 'behind')) break;
    }
    return { figures, faults };
  } finally {
    if (faults.length > 0) wishes.say(`the logs, and the record of each round with a fault, are in ${world.folder}\n`);
    await world.dispose(faults.length > 0);
  }
}

async function playRound(
  world: World,
  { number, actions }: Round,
  { wishes, figures }: { readonly wishes: RunWishes; readonly figures: Figures },
): Promise<readonly Fault[]> {
  const startedAt = performance.now();
  const startedAtMs = Date.now();
  world.load.start(wishes.publicationsPerSecond);
  await Promise.all(
    actions.map(async (action) => {
      await pause(Math.max(0, startedAt + 1_000 + action.atMs - performance.now()));
      await world.act(action);
    }),
  );
  await pause(1_000);
  const faults = await settle(world);
  const collected = await world.crowd.collect();
  const publications = world.load.collect();
  const journals = collected.flatMap((each) => each.journals);
  const absences = collected.flatMap((each) => each.absences);
  const [port = 0] = world.publisherPorts;
  const histories = await Promise.all(channelPlans.filter(({ history }) => history).map(({ name }) => historyOf(name, port)));
  const { incidents, overloads } = world;
  const { earlier } = world;
  const record: RoundRecord = { publications, earlier, journals, absences, incidents, overloads, channels: channelPlans, histories };
  const found = faultsOf(record);
  if (found.length > 0) await writeFile(join(world.folder, `round-${number}.json`), JSON.stringify(record));
  world.earlier.push(...publications);
  world.earlier.splice(0, Math.max(0, world.earlier.length - earlierMax));
  const count = (fate: 'yes' | 'no' | 'unknown'): number => publications.filter((each) => each.fate === fate).length;
  const own = {
    accepted: count('yes'),
    refused: count('no'),
    unknown: count('unknown'),
    received: collected.reduce((sum, each) => sum + each.publications, 0),
    gaps: collected.reduce((sum, each) => sum + each.gaps, 0),
  };
  figures.rounds++;
  figures.actions += actions.length;
  for (const name of ['accepted', 'refused', 'unknown', 'received', 'gaps'] as const) figures[name] += own[name];
  const awayMs = Math.max(0, ...absences.map(({ from, to }) => to - from));
  figures.awayMsMax = Math.max(figures.awayMsMax, awayMs);
  const stalls = incidents.filter(({ what, from }) => what === stall && from > startedAtMs).length;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  wishes.say(
    `  ${seconds} s: ${own.accepted} accepted, ${own.refused} refused, ${own.unknown} unknown; ${world.crowd.size} viewers were given ` +
      `${own.received}, told ${own.gaps} gaps; none away for more than ${(awayMs / 1000).toFixed(1)} s; ${stalls} stalls of the machine; ${faults.length + found.length} faults\n`,
  );
  return [...faults, ...found];
}

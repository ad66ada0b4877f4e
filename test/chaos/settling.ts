import { setTimeout as pause } from 'node:timers/promises';
import { isOrderOf, type Position } from '../../core/publication.ts';
import { channelPlans } from './channels.ts';
import type { Fault } from './record.ts';
import type { ViewerState } from './viewer-messages.ts';
import { equationFaults } from './witnesses.ts';
import type { World } from './world.ts';

/** Longest waits at the end of a round, in milliseconds: they only end a broken run. */
const backWithinMs = 60_000;
const caughtUpWithinMs = 30_000;
const countedWithinMs = 40_000;

/**
 * Waits until everybody is back, ends the load, and waits until everybody has everything. Returns what does not come
 * right.
 */
export async function settle(world: World): Promise<readonly Fault[]> {
  const absent = await waitFor(backWithinMs, async () => (await world.crowd.states()).filter(({ isBack }) => !isBack));
  await world.load.stop();
  const faults: Fault[] = absent.map(({ name, state }) => ({ kind: 'absent', channel: '', viewer: name, words: `it is ${state}` }));
  const ends = new Map<string, Position>();
  for (const { name } of channelPlans) {
    const { position, fault } = await marked(world, name);
    if (position !== undefined) ends.set(name, position);
    if (fault !== undefined) faults.push(fault);
  }
  const behind = await waitFor(caughtUpWithinMs, async () => (await world.crowd.states()).flatMap((state) => behindIn(state, ends)));
  for (const { name } of channelPlans) faults.push(...(await countFaults(world, name)));
  faults.push(...(await equationFaults(world.gateways)));
  for (const name of world.failed) faults.push({ kind: 'ended', channel: '', viewer: '', words: `${name} has ended by itself` });
  return [...faults, ...behind];
}

/** Publishes one that everybody gets, until the gateways say that they sent it to every member. */
async function marked(
  world: World,
  channel: string,
): Promise<{ readonly position: Position | undefined; readonly fault: Fault | undefined }> {
  const members = world.crowd.members(channel);
  const since = performance.now();
  for (;;) {
    const { publication, answer } = await world.load.mark(channel);
    const { s = -1, f = -1, pending = -1, unanswered = [] } = answer?.r ?? {};
    const { position } = publication;
    if (position !== undefined && s + f + pending === members && f === 0 && unanswered.length === 0) return { position, fault: undefined };
    if (performance.now() - since > countedWithinMs) {
      const words = `${members} viewers; sent to ${s}, not sent to ${f}, waiting for ${pending}, silent gateways: ${unanswered.join(' ')}; ${publication.words}`;
      return { position, fault: { kind: 'counts', channel, viewer: '', words } };
    }
    await pause(500);
  }
}

function behindIn({ name, positions }: ViewerState, ends: ReadonlyMap<string, Position>): readonly Fault[] {
  return positions.flatMap(([channel, position]) => {
    const end = ends.get(channel);
    if (end === undefined || (position !== undefined && isOrderOf(position, end.epoch) && position.offset >= end.offset)) return [];
    return [
      { kind: 'behind', channel, viewer: name, words: `it stands at ${JSON.stringify(position)}; the end is ${JSON.stringify(end)}` },
    ];
  });
}

/** What clients are told of the members is the number of viewers. */
async function countFaults(world: World, channel: string): Promise<readonly Fault[]> {
  const members = world.crowd.members(channel);
  const wrong = await waitFor(countedWithinMs, async () => (await world.crowd.counts(channel)).filter((count) => count !== members));
  return wrong.length === 0
    ? []
    : [{ kind: 'counts', channel, viewer: '', words: `${members} viewers; clients are told ${wrong.join(' and ')}` }];
}

/** Looks until nothing is left of what it waits for; returns what is left at the end. */
async function waitFor<T>(withinMs: number, look: () => Promise<readonly T[]>): Promise<readonly T[]> {
  const since = performance.now();
  for (;;) {
    const left = await look();
    if (left.length === 0 || performance.now() - since > withinMs) return left;
    await pause(100);
  }
}

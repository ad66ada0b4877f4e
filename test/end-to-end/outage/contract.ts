import { expect } from 'vitest';
import { accountOf, type Account, type Published } from './account.ts';
import { channels, type Pool } from './pool.ts';
import type { Viewer } from './viewers.ts';

/** When the bus broke and when it was whole again, in milliseconds of the test's clock. */
export interface Outage {
  readonly brokenAt: number;
  readonly backAt: number;
}

/** After the bus is back every client has caught up, or was told of the gap, within so many milliseconds. */
export const recoveryMsMax = 5000;

function accountsOf(pool: Pool, viewer: Viewer): readonly Account[] {
  return channels.map((channel) =>
    accountOf(
      pool.published.filter((each) => each.channel === channel),
      viewer.told(channel),
    ),
  );
}

/**
 * Time from the return of the bus until each SDK client has been told of all that was accepted before, and each client
 * hears of each channel again. The load goes on.
 */
export async function recovered(pool: Pool, { backAt }: Pick<Outage, 'backAt'>): Promise<number> {
  const before = pool.published.filter(({ answeredAt }) => answeredAt < backAt);
  const hasCaughtUp = (viewer: Viewer): boolean =>
    channels.every((channel) => {
      const told = viewer.told(channel);
      const hears = told.some(({ at }) => at > backAt);
      return (
        hears &&
        (viewer.kind === 'plain' ||
          accountOf(
            before.filter((each) => each.channel === channel),
            told,
          ).untold.length === 0)
      );
    });
  await expect.poll(() => pool.viewers.every(hasCaughtUp), { timeout: 30_000, interval: 50 }).toBe(true);
  return performance.now() - backAt;
}

/** Ends the load, and waits until every client was told of every publication that was accepted. */
export async function settled(pool: Pool): Promise<void> {
  await pool.stop();
  const untold = (): number => {
    const each = pool.viewers.filter(({ kind }) => kind === 'sdk').flatMap((viewer) => accountsOf(pool, viewer));
    return each.reduce((sum, { untold: numbers }) => sum + numbers.length, 0);
  };
  await expect.poll(untold, { timeout: 20_000, interval: 100 }).toBe(0);
}

/**
 * What holds in every outage, publication by publication at each client: nobody is disconnected, no process ends, each
 * stays alive; nothing comes twice, in another order, or although its sender was told that it was not published; what
 * does not come is told. Clients of the plain protocol can't be told: they miss what was accepted while the bus was
 * away from their gateway, and nothing else.
 */
export function expectContract(pool: Pool, outage: Outage): void {
  expect(pool.viewers.map(({ disconnects }) => disconnects)).toEqual(pool.viewers.map(() => 0));
  expect(pool.ended, 'no process has ended').toBe(0);
  expect(pool.unalive, 'livez').toEqual([]);
  for (const viewer of pool.viewers) {
    for (const [index, account] of accountsOf(pool, viewer).entries()) {
      const what = `${viewer.kind} client, ${channels[index]}`;
      expect(account, what).toMatchObject({ twice: [], refused: [], disordered: [] });
      if (viewer.kind === 'sdk') expect(account.untold).toEqual([]);
      else expect(account.missed.filter((number) => !isBetween(pool.published, number, outage))).toEqual([]);
    }
  }
  for (const { status, published, retryAfter, words } of pool.published) {
    expect([200, 503]).toContain(status);
    if (published === 'yes') continue;
    expect(retryAfter).toMatch(/^[15]$/);
    const fate = published === 'no' ? 'was not published' : 'may have been published';
    expect(words).toMatch(new RegExp(`^temporarily unavailable: .+\\. It ${fate}; repeat it after ${retryAfter} s`));
  }
}

/** Whether a publication was under way, or accepted, between the break and the time by which clients have caught up. */
function isBetween(published: readonly Published[], number: number, { brokenAt, backAt }: Outage): boolean {
  const { answeredAt } = published.find((each) => each.number === number)!;
  return answeredAt > brokenAt - 1000 && answeredAt < backAt + recoveryMsMax;
}

/** Numbers that some viewers did not get, of channels that begin with `beginning`. */
export function missedBy(pool: Pool, viewers: readonly Viewer[], beginning = ''): readonly number[] {
  const wanted = pool.published.filter(({ channel }) => channel.startsWith(beginning));
  const missed = viewers.flatMap((viewer) =>
    channels.flatMap(
      (channel) =>
        accountOf(
          wanted.filter((each) => each.channel === channel),
          viewer.told(channel),
        ).missed,
    ),
  );
  return [...new Set(missed)];
}

/** A line for people: what was published, what became of it, and how long the return took. */
export function report(what: string, pool: Pool, recoveryMs: number): void {
  const count = (fate: Published['published']): number => pool.published.filter(({ published }) => published === fate).length;
  const refusals = pool.published.filter(({ published }) => published === 'no').map(({ tookMs }) => tookMs);
  const gaps = pool.viewers.flatMap((viewer) => channels.flatMap((channel) => viewer.told(channel).filter(({ kind }) => kind === 'gap')));
  const sdk = pool.viewers.filter(({ kind }) => kind === 'sdk');
  const missed = missedBy(pool, sdk).length;
  process.stdout.write(
    `${what}: ${count('yes')} accepted, ${count('no')} refused (median ${Math.round(median(refusals))} ms), ${count('unknown')} unknown; ` +
      `${pool.viewers.length} clients, ${gaps.length} gaps told, ${missed} publications in them; recovered in ${Math.round(recoveryMs)} ms\n`,
  );
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

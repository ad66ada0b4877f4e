import { CommandFault } from '../fault.ts';
import type { PoolFacts } from '../view/observation.ts';
import { poolPage, poolPageLines } from '../view/pool-page.ts';
import type { ClusterPlace } from '../places/cluster-place.ts';
import { line } from '../view/table.ts';
import { gatewayRows, gatewayTable, totalLine } from '../view/top.ts';
import { show, wait, type Context } from './context.ts';

/** Time between two readings that rates are taken from, in milliseconds. */
const rateMs = 1000;

/** `status POOL`: a page of what is there, what it does, and why. */
export async function status(context: Context, name: string | undefined): Promise<void> {
  const { place, now } = context;
  if (place.kind === 'urls') return urlStatus(context);
  const pool = await place.pool(name);
  const before = await place.readings(pool, now);
  await wait(context, rateMs);
  const facts = await poolFacts(context, place, name ?? pool.metadata.name);
  const page = poolPage({ ...facts, before });
  await show(context, page, () => poolPageLines(page, now()));
}

/** All that pages about a pool show, read now. */
export async function poolFacts({ now }: Context, place: ClusterPlace, name: string): Promise<PoolFacts> {
  const pool = await place.pool(name);
  const [readings, channels, events] = await Promise.all([
    place.readings(pool, now, ['gateway', 'publisher']),
    place.channels(pool),
    place.events(pool),
  ]);
  return { pool, readings, before: [], channels, events, now: now() };
}

async function urlStatus(context: Context): Promise<void> {
  const { place, now } = context;
  if (place.kind !== 'urls') throw new CommandFault('usage', 'this is the page of URLs');
  const readiness = await place.readiness();
  const before = await place.readings(now);
  await wait(context, rateMs);
  const rows = gatewayRows(await place.readings(now), before, now());
  await show(context, { readiness, gateways: rows }, () => [
    ...readiness.map(({ url, isReady, words }) => line(`${url}: ${isReady ? 'ready' : words}`, isReady ? 'good' : 'bad')),
    line(''),
    ...gatewayTable(rows),
    line(''),
    totalLine(rows),
  ]);
}

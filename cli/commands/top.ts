import { CommandFault } from '../fault.ts';
import { isSilence, type ProcessReading } from '../view/reading.ts';
import { streamedText } from '../view/document.ts';
import { line, type Line } from '../view/table.ts';
import { channelNotes, channelRows, channelTable, gatewayRows, gatewayTable, totalLine, type ChannelOrder } from '../view/top.ts';
import { show, wait, wholeNumber, type Context } from './context.ts';

export interface TopOptions {
  readonly pool?: string;
  readonly watch?: boolean;
  readonly interval: string;
  readonly limit: string;
  /** Order of channels. */
  readonly by: ChannelOrder;
}

/** Time between two readings that rates are taken from, in milliseconds. */
const rateMs = 1000;

/** `top gateways` and `top channels`. */
export async function top(context: Context, what: 'channels' | 'gateways', options: TopOptions): Promise<void> {
  const limit = wholeNumber('--limit', options.limit, { least: 1, most: 1000 });
  const intervalMs = 1000 * wholeNumber('--interval', options.interval, { least: 1, most: 3600 });
  let before: readonly ProcessReading[] = [];
  if (what === 'gateways' && options.watch !== true) {
    before = await readings(context, options.pool);
    await wait(context, rateMs);
  }
  for (let isFirst = true; ; isFirst = false) {
    const now = await readings(context, options.pool);
    const rows = what === 'gateways' ? gatewayRows(now, before, context.now()) : channelRows(now, options.by).slice(0, limit);
    const lines = (): readonly Line[] =>
      what === 'gateways'
        ? [...gatewayTable(gatewayRows(now, before, context.now())), line(''), totalLine(gatewayRows(now, before, context.now()))]
        : [...channelTable(channelRows(now, options.by), limit), ...channelNotes(now, rows.length)];
    if (options.watch !== true) {
      await show(context, rows, lines);
      if (context.place.kind === 'urls' && isSilence(now)) throw new CommandFault('unreachable', 'no gateway has told its figures');
      return;
    }
    if (context.output === 'text') await context.terminal.page(lines(), isFirst);
    else await context.terminal.write(streamedText(rows, context.output));
    before = now;
    await wait(context, intervalMs);
  }
}

/** Every gateway of the place. */
export async function readings({ place, now }: Context, pool: string | undefined): Promise<readonly ProcessReading[]> {
  if (place.kind === 'urls') return place.readings(now);
  const pools = pool === undefined ? await place.pools() : [await place.pool(pool)];
  if (pools.length === 0)
    throw new CommandFault(
      'missing',
      `the namespace ${place.namespace} has no GatewayPool: choose another with -n (kubectl get gatewaypools -A)`,
    );
  const found: ProcessReading[] = [];
  for (const each of pools) found.push(...(await place.readings(each, now)));
  return found;
}

import { counted } from '../../core/counted.ts';
import { limits } from '../../core/limits.ts';
import { isAvailable } from '../../operator/decide/observed.ts';
import { bytes, count, duration, percent, rate } from './figures.ts';
import { figuresOf, sum, type GatewayFigures, type ProcessReading } from './reading.ts';
import { sumsBy } from './samples.ts';
import { line, table, type Column, type Line } from './table.ts';

/** One gateway in `top gateways` and `status`. */
export interface GatewayRow extends GatewayFigures {
  readonly name: string;
  readonly pool: string | undefined;
  readonly node: string | undefined;
  readonly state: string;
  readonly isWell: boolean;
  readonly restarts: number;
  readonly ageMs: number | undefined;
}

/** One channel in `top channels`. Figures are sums over the gateways that tell the channel. */
export interface ChannelRow {
  readonly channel: string;
  readonly pool: string | undefined;
  readonly gateways: number;
  readonly members: number | undefined;
  /** Shares of event loops that its encoding and fan-out take. `undefined`: it is none of the busiest. */
  readonly load: number | undefined;
  /** Publications × members handed to sockets. */
  readonly deliveredPerSecond: number | undefined;
  /** Publications × members that were not sent. */
  readonly droppedPerSecond: number | undefined;
}

/** Orders of `top channels`, the largest first. */
export const channelOrders = ['members', 'load', 'drops'] as const;
export type ChannelOrder = (typeof channelOrders)[number];

/**
 * Rows of `top gateways`, the fullest first.
 * @param before readings of some time ago, for rates
 * @param now Unix milliseconds
 */
export function gatewayRows(readings: readonly ProcessReading[], before: readonly ProcessReading[], now: number): readonly GatewayRow[] {
  const earlier = new Map(before.map((reading) => [keyOf(reading), reading]));
  return readings
    .filter(({ role }) => role === 'gateway')
    .map((reading) => ({
      ...figuresOf(reading, earlier.get(keyOf(reading))),
      ...stateOf(reading),
      name: reading.name,
      pool: reading.pool,
      node: reading.node,
      restarts: reading.restarts,
      ageMs: reading.observed === undefined ? undefined : now - reading.observed.createdAt,
    }))
    .toSorted((a, b) => (b.connections ?? -1) - (a.connections ?? -1) || (a.name < b.name ? -1 : 1));
}

/** The same process keeps its key. A pod that was made anew is another one. */
function keyOf({ name, pool, observed }: ProcessReading): string {
  return `${pool ?? ''} ${name} ${observed?.uid ?? ''}`;
}

/** What a gateway does now, in a word or a few. */
export function stateOf({ observed, answer }: ProcessReading): { readonly state: string; readonly isWell: boolean } {
  const told = answer.kind === 'told' ? answer.status : undefined;
  if (observed?.isTerminating === true) return { state: 'leaving (deleted)', isWell: true };
  if (observed?.drain !== undefined || (told !== undefined && told.drain.state !== 'serving')) {
    return { state: told?.drain.state === 'drained' ? 'drained' : 'draining', isWell: true };
  }
  if (observed?.obstacle !== undefined) return { state: observed.obstacle.reason, isWell: false };
  if (observed !== undefined && !observed.isRunning) return { state: 'starting', isWell: false };
  if (answer.kind === 'silent') return { state: answer.why, isWell: false };
  if (answer.waitingFor.length > 0) return { state: `waits for ${answer.waitingFor.join('; ')}`, isWell: false };
  if (observed !== undefined && !isAvailable(observed)) return { state: 'not ready', isWell: false };
  return { state: 'serving', isWell: true };
}

const busiest = {
  members: 'barrage_gateway_top_channel_members',
  load: 'barrage_gateway_top_channel_load_ratio',
  deliveredPerSecond: 'barrage_gateway_top_channel_delivered_per_second',
  droppedPerSecond: 'barrage_gateway_top_channel_dropped_per_second',
} as const;

/** Rows of `top channels`: the largest ones that gateways tell, and the busiest ones of their metrics. */
export function channelRows(readings: readonly ProcessReading[], order: ChannelOrder = 'members'): readonly ChannelRow[] {
  const rows = new Map<string, ChannelRow>();
  for (const { answer, pool, role } of readings) {
    if (answer.kind === 'silent' || role !== 'gateway') continue;
    for (const [channel, figures] of channelsOf(answer)) {
      const key = `${pool ?? ''}\n${channel}`;
      const row = rows.get(key);
      rows.set(key, {
        channel,
        pool,
        gateways: (row?.gateways ?? 0) + 1,
        members: sum([row?.members, figures.members]),
        load: sum([row?.load, figures.load]),
        deliveredPerSecond: sum([row?.deliveredPerSecond, figures.deliveredPerSecond]),
        droppedPerSecond: sum([row?.droppedPerSecond, figures.droppedPerSecond]),
      });
    }
  }
  const figure = { members: 'members', load: 'load', drops: 'droppedPerSecond' } as const;
  const place = (row: ChannelRow): number => row[figure[order]] ?? -1;
  return [...rows.values()].toSorted((a, b) => place(b) - place(a) || (a.channel < b.channel ? -1 : 1));
}

type ChannelFigures = { readonly [Figure in keyof typeof busiest]: number | undefined };

/** The channels that one gateway tells. */
function channelsOf({ status, samples }: Extract<ProcessReading['answer'], { kind: 'told' }>): ReadonlyMap<string, ChannelFigures> {
  const told = new Map((status?.topChannels ?? []).map(({ channel, members }) => [channel, members]));
  const [members, load, deliveredPerSecond, droppedPerSecond] = [
    busiest.members,
    busiest.load,
    busiest.deliveredPerSecond,
    busiest.droppedPerSecond,
  ].map((name) => sumsBy(samples, name, 'channel'));
  const channels = new Set([...told.keys(), ...(load?.keys() ?? []), ...(droppedPerSecond?.keys() ?? [])]);
  return new Map(
    [...channels].map((channel) => [
      channel,
      {
        members: told.get(channel) ?? members?.get(channel),
        load: load?.get(channel),
        deliveredPerSecond: deliveredPerSecond?.get(channel),
        droppedPerSecond: droppedPerSecond?.get(channel),
      },
    ]),
  );
}

/** Whether pools stand in a table: where there are several. */
function severalPools(rows: readonly { readonly pool: string | undefined }[]): boolean {
  return new Set(rows.map(({ pool }) => pool)).size > 1;
}

export function gatewayTable(rows: readonly GatewayRow[]): readonly Line[] {
  const isKubernetes = rows.some(({ pool }) => pool !== undefined);
  const columns: readonly Column<GatewayRow>[] = [
    ...(severalPools(rows) ? [{ title: 'POOL', text: (row: GatewayRow) => row.pool ?? '-' }] : []),
    { title: 'GATEWAY', text: ({ name }) => name },
    { title: 'CONNECTIONS', align: 'right', text: ({ connections }) => count(connections) },
    { title: 'SUBSCRIPTIONS', align: 'right', text: ({ subscriptions }) => count(subscriptions) },
    { title: 'ROOMS', align: 'right', text: ({ rooms }) => count(rooms) },
    { title: 'LOOP', align: 'right', text: ({ loop }) => percent(loop) },
    { title: 'SENT/S', align: 'right', text: ({ bytesPerSecond }) => bytes(bytesPerSecond) },
    { title: 'DELIVERED/S', align: 'right', text: ({ deliveredPerSecond }) => rate(deliveredPerSecond) },
    { title: 'DROPPED/S', align: 'right', text: ({ droppedPerSecond }) => rate(droppedPerSecond) },
    ...(isKubernetes
      ? ([
          { title: 'RESTARTS', align: 'right', text: ({ restarts }) => String(restarts) },
          { title: 'AGE', align: 'right', text: ({ ageMs }) => (ageMs === undefined ? '-' : duration(ageMs)) },
        ] as const satisfies readonly Column<GatewayRow>[])
      : []),
    { title: 'STATE', text: ({ state }) => state },
  ];
  return table(columns, rows, ({ isWell }) => (isWell ? 'plain' : 'bad'));
}

/** @param most rows to show */
export function channelTable(rows: readonly ChannelRow[], most: number): readonly Line[] {
  const columns: readonly Column<ChannelRow>[] = [
    ...(severalPools(rows) ? [{ title: 'POOL', text: (row: ChannelRow) => row.pool ?? '-' }] : []),
    { title: 'CHANNEL', text: ({ channel }) => channel },
    { title: 'MEMBERS', align: 'right', text: ({ members }) => count(members) },
    { title: 'GATEWAYS', align: 'right', text: ({ gateways }) => String(gateways) },
    { title: 'LOAD', align: 'right', text: ({ load }) => percent(load) },
    { title: 'DELIVERED/S', align: 'right', text: ({ deliveredPerSecond }) => rate(deliveredPerSecond) },
    { title: 'DROPPED/S', align: 'right', text: ({ droppedPerSecond }) => rate(droppedPerSecond) },
  ];
  return table(columns, rows.slice(0, most));
}

/** What the table leaves out, for the reader; empty where it is whole. */
export function channelNotes(readings: readonly ProcessReading[], shown: number): readonly Line[] {
  const gateways = readings.filter(({ role }) => role === 'gateway');
  const silent = gateways.filter(({ answer }) => answer.kind === 'silent');
  const untold = gateways.filter(({ answer }) => answer.kind === 'told' && answer.status === undefined);
  const many = gateways.filter(({ answer }) => answer.kind === 'told' && (answer.status?.rooms ?? 0) > limits.topChannelsMax);
  return [
    ...(shown === 0 && silent.length + untold.length < gateways.length ? [line('No channel has a member.', 'quiet')] : []),
    ...(many.length > 0
      ? [
          line(
            `${many.length} of ${counted(gateways.length, 'gateway')} ${many.length === 1 ? 'has' : 'have'} more rooms than the ${limits.topChannelsMax} that each tells.`,
            'quiet',
          ),
        ]
      : []),
    ...silent.map(({ name, answer }) => line(`${name}: ${answer.kind === 'silent' ? answer.why : ''}`, 'bad')),
    ...untold.map(({ name }) =>
      line(`${name} tells only its busiest channels here: set BARRAGE_ADMIN_PORT, and name that port with --admin-url.`, 'quiet'),
    ),
  ];
}

/** The sums of all gateways in one line. */
export function totalLine(rows: readonly GatewayRow[]): Line {
  const total = (read: (row: GatewayRow) => number | undefined): number | undefined => sum(rows.map(read));
  const connections = total((row) => row.connections);
  const parts = [
    counted(rows.length, 'gateway'),
    connections === undefined ? '- connections' : counted(connections, 'connection'),
    `${bytes(total(({ bytesPerSecond }) => bytesPerSecond))}/s sent`,
    `${rate(total(({ deliveredPerSecond }) => deliveredPerSecond))}/s delivered`,
    `${rate(total(({ droppedPerSecond }) => droppedPerSecond))}/s dropped`,
  ];
  return line(parts.join(', '), 'quiet');
}

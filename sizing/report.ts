import { poolYaml } from './pool.ts';
import type { Size } from './size.ts';
import { fanOutCosts, gatewayCosts } from './unit-costs.ts';

/** A size as text: what was assumed, what it needs, and the GatewayPool that follows. */
export function sizingReport(size: Size): string {
  return [
    'Assumed',
    table(assumptions(size)),
    'Needed',
    table(needs(size)),
    'A GatewayPool for it (put in the addresses of your Redis)',
    poolYaml(size),
  ].join('\n\n');
}

/** Two columns, without borders. */
function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n');
}

function assumptions({ demand, margins, members, publicationsPerWrite }: Size): readonly (readonly [string, string])[] {
  const last = fanOutCosts.at(-1)?.publicationsPerWrite ?? 0;
  return [
    ['connections', `${whole(demand.connections)}, of ${counted(whole(demand.subscriptions), 'channel')} each`],
    ['channels', `${whole(demand.channels)}, all alike, with ${counted(rounded(members), 'member')} each`],
    ['publications', `${whole(demand.publicationsPerSecond)} a second in all, of ${counted(whole(demand.payloadBytes), 'byte')}`],
    ['merging', `a window of ${demand.windowMilliseconds} ms: ${counted(rounded(publicationsPerWrite), 'publication')} in a write`],
    ...(publicationsPerWrite > last ? [['', `beyond the ${last} that were measured: reckoned on the same line`] as const] : []),
    ['history', demand.historySize === 0 ? 'none' : `${counted(whole(demand.historySize), 'publication')} for each channel`],
    ['protocol', 'barrage.v1 over WebSocket; TLS ends in front of the gateways'],
    [
      'headroom',
      `a process uses at most ${percent(margins.coreShareMax)} of a core; ${counted(whole(margins.spareGateways), 'gateway')} may be missing`,
    ],
    [
      '',
      `memory requests are ${margins.memoryFactor} times what was reckoned; limits add a full queue for ${percent(margins.slowShare)} of the clients`,
    ],
    [
      'placement',
      demand.isPlaced
        ? 'clients ask GET /v1/connect?channel=… for their gateway'
        : 'a balancer spreads the clients over the gateways at random (--placed: they ask /v1/connect)',
    ],
    ['pings', `one each ${gatewayCosts.pingSeconds} s to each silent client`],
  ];
}

function needs(size: Size): readonly (readonly [string, string])[] {
  const { gateways, publishers, redis } = size;
  const causes = { cpu: 'CPU decides', connections: 'connections decide', one: 'one would be enough' };
  return [
    ['deliveries', `${whole(size.deliveriesPerSecond)} a second, in ${counted(whole(size.writesPerSecond), 'write')}`],
    ['gateways', `${gateways.count} (${causes[gateways.boundBy]})`],
    ['  of each', `${counted(whole(gateways.connections), 'connection')}, ${gateways.cores.toFixed(2)} cores`],
    ['', `${whole(gateways.residentMebibytes)} MiB resident, ${whole(gateways.kernelMebibytes)} MiB of the kernel for its sockets`],
    ['  egress', `${rate(gateways.egressMegabits)} to the clients, of all together`],
    ['publishers', `${publishers.count}, ${publishers.cores.toFixed(2)} cores of all together`],
    [
      'Redis',
      `${redis.masters === 1 ? 'one server' : `a Cluster of ${redis.masters} masters`}, ${redis.cores.toFixed(2)} cores of all together`,
    ],
    [
      '',
      `${whole(redis.historyMebibytes)} MiB of histories, ${rate(redis.egressMegabits)} to the gateways (${rounded(size.gatewaysOfChannel)} ${rounded(size.gatewaysOfChannel) === '1' ? 'has' : 'have'} a channel)`,
    ],
  ];
}

/** A count in figures, as the report rounds it, with its noun. */
function counted(figures: string, noun: string): string {
  return `${figures} ${noun}${figures === '1' ? '' : 's'}`;
}

function whole(value: number): string {
  return Math.ceil(value).toLocaleString('en-US');
}

/** Three digits. */
function rounded(value: number): string {
  return value >= 100 ? whole(value) : String(Number(value.toPrecision(3)));
}

function percent(share: number): string {
  return `${rounded(share * 100)} %`;
}

function rate(megabits: number): string {
  return megabits >= 1_000 ? `${(megabits / 1_000).toFixed(1)} Gbit/s` : `${rounded(megabits)} Mbit/s`;
}

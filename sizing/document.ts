import { sizingReport } from './report.ts';
import { defaultMargins, sizeOf, type Demand } from './size.ts';
import { busCosts, fanOutCosts, gatewayCosts } from './unit-costs.ts';

const plain = { payloadBytes: 200, subscriptions: 1, windowMilliseconds: 100, historySize: 0, isPlaced: false };

/** Loads that the page shows, each with its words. */
const examples: readonly { readonly words: string; readonly demand: Demand }[] = [
  { words: 'a company meeting', demand: { ...plain, connections: 5_000, channels: 1, publicationsPerSecond: 20 } },
  { words: 'one live show', demand: { ...plain, connections: 100_000, channels: 1, publicationsPerSecond: 200 } },
  {
    words: 'a platform of 1,000 shows',
    demand: { ...plain, connections: 100_000, channels: 1_000, publicationsPerSecond: 2_000, historySize: 100 },
  },
  {
    words: 'a million viewers of 10,000 shows',
    demand: { ...plain, connections: 1_000_000, channels: 10_000, publicationsPerSecond: 20_000, historySize: 100 },
  },
  {
    words: 'the same, by `/v1/connect`',
    demand: { ...plain, connections: 1_000_000, channels: 10_000, publicationsPerSecond: 20_000, historySize: 100, isPlaced: true },
  },
  {
    words: 'private chats',
    demand: { ...plain, connections: 50_000, channels: 25_000, publicationsPerSecond: 5_000, windowMilliseconds: 0 },
  },
];

/** The page docs/sizing.md. */
export function sizingDocument(): string {
  return `# Sizing

How many gateways, publishers and Redis servers a load needs, reckoned from the costs that [performance.md](performance.md) measured.

\`\`\`sh
npm run sizing -- --connections 100000 --channels 1000 --publications 2000 --history 100
\`\`\`

This prints the assumptions, the need, and the GatewayPool for it. \`npm run sizing -- --help\` lists the options.

\`\`\`
${sizingReport(sizeOf({ ...plain, connections: 100_000, channels: 1_000, publicationsPerSecond: 2_000, historySize: 100 })).trimEnd()}
\`\`\`

## Examples

Payloads of 200 bytes, a merge window of 100 ms (private chats: none), at most ${defaultMargins.coreShareMax * 100} % of a core for a process, and one spare gateway.

${exampleTable()}

## What the costs are

${costTable()}

All of it was measured on virtual machines with two cores, some of it beside other work. Your cores differ: compare \`npm run bench -- --only a1,c-v1,d20-v1\` on yours with these rows, and set \`--cpu\` higher or lower by as much.

## How it is reckoned

- **Deliveries**: publications × members. **Writes**: the first publication of a channel opens the merge window, and what comes within it goes with the same write. So a window of W seconds at R publications a second to a channel makes writes of 1 + R × W publications.
- **CPU of a gateway**: its writes at the measured cost, between the measured rows on a straight line; a fixed cost for each publication that it gets; a ping for each client in ${gatewayCosts.pingSeconds} s. A gateway works on one thread, so it never has more than a core. So the GatewayPool has a request of CPU and no limit.
- **Which gateways get a publication**: those with a member of its channel. Behind a balancer clients are spread at random, and a channel with M members is on G × (1 − (1 − 1/G)^M) of G gateways. Clients that ask \`GET /v1/connect?channel=…\` (\`--placed\`) are brought together: with many channels that is far cheaper, as the examples show.
- **Memory of a gateway**: the empty process, its connections, its rooms, and the newest publications of channels with a history (128 MiB at most). For the sockets there is the kernel's memory, and one flush for each of them on its way. The kernel's memory counts against the pod's limit. The limit adds a full queue (1 MiB, \`slowConsumer.queueBytesMax\`) for ${defaultMargins.slowShare * 100} % of the clients.
- **Egress**: the frames, and 66 bytes of TCP, IP and Ethernet for each segment of 1,448 bytes.
- **Redis**: a publication, and each gateway that it goes to. One server has one core for this. Above ${defaultMargins.coreShareMax * 100} % of it the result is a Cluster.

## What it leaves out

- **TLS in the gateway.** It needs more memory for each connection and more CPU for each write. The figures are for TLS that ends in front.
- **Arrivals.** A crowd that comes at once needs CPU for handshakes: a gateway accepts 2,000 a second by default (\`BARRAGE_GATEWAY_ACCEPTS_PER_SECOND\`).
- **Unequal channels.** The largest channel decides when it has most of the load: reckon it alone, and add the rest.
- **Event streams and pulling.** A stream takes three times the memory of a WebSocket ([performance.md](performance.md#after-histories-keys-and-times)).
- **Publications of clients**, counts, presence and calls.
`;
}

function exampleTable(): string {
  const rows = examples.map(({ words, demand }) => {
    const { gateways, publishers, redis } = sizeOf(demand);
    return [
      words,
      number(demand.connections),
      number(demand.channels),
      number(demand.publicationsPerSecond),
      String(gateways.count),
      gateways.cores.toFixed(2),
      `${Math.ceil(gateways.requestMebibytes)} MiB`,
      `${Math.ceil(gateways.egressMegabits)} Mbit/s`,
      String(publishers.count),
      redis.masters === 1 ? `${redis.cores.toFixed(2)} cores` : `${redis.masters} masters, ${redis.cores.toFixed(2)} cores`,
    ];
  });
  const head = [
    '',
    'connections',
    'channels',
    'publications/s',
    'gateways',
    'cores of each',
    'memory request of each',
    'egress of all',
    'publishers',
    'Redis',
  ];
  return table(head, rows);
}

function costTable(): string {
  const rows = [
    ...fanOutCosts.map(({ row, publicationsPerWrite, microseconds, bytes }) => [
      `a publication to one member, ${publicationsPerWrite} in a write`,
      `${microseconds} µs, ${bytes} bytes`,
      `\`${row}\``,
    ]),
    ['a publication from the bus, in a room of two', `${gatewayCosts.smallRoomMicroseconds} µs`, '`small-rooms-share`'],
    ['a gateway without clients', `${gatewayCosts.emptyMebibytes} MiB`, '`memory-v1`'],
    ['an idle connection, in the process', `${gatewayCosts.connectionKibibytes} KiB`, '`memory-v1`'],
    ['an idle connection, in the kernel', `${gatewayCosts.kernelKibibytes} KiB`, '[unit costs](performance.md#unit-costs)'],
    ['a ping and its answer', `${gatewayCosts.pingMicroseconds} µs`, '[unit costs](performance.md#unit-costs)'],
    [
      `a gateway with ${number(gatewayCosts.roomsCounted)} rooms of one member`,
      `${gatewayCosts.roomsMebibytes} MiB`,
      '[rooms](performance.md#rooms-that-are-subscribed-again)',
    ],
    ['a publication at a publisher', `${busCosts.publisherMicroseconds} µs`, '`history-publisher`'],
    [
      'a publication at Redis',
      `${busCosts.redisMicroseconds} µs, with a history ${busCosts.redisHistoryMicroseconds} µs`,
      '`history-redis`',
    ],
    [
      'the same, for each gateway that gets it',
      `${busCosts.redisGatewayMicroseconds} µs, ${busCosts.redisGatewayBytes} bytes`,
      '[unit costs](performance.md#unit-costs)',
    ],
    ['a publication in a history', `${busCosts.redisKeptBytes} bytes`, '[unit costs](performance.md#unit-costs)'],
  ];
  return table(['what', 'cost', 'row of performance.md'], rows);
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** A table in Markdown. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

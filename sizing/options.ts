import { parseArgs } from 'node:util';
import { defaultMargins, type Demand, type Margins } from './size.ts';

export const usage = `Usage: npm run sizing -- --connections N --channels N --publications N [options]

Reckons gateways, publishers and Redis for a load, with the unit costs of docs/performance.md (docs/sizing.md explains).

  --connections N    clients at the busiest time
  --channels N       channels in use at that time
  --publications N   publications a second, of all channels together
  --payload BYTES    bytes of a payload (200)
  --subscriptions N  channels of one client (1)
  --window MS        merge.windowMilliseconds of the channels' policy (100)
  --history N        history.size of the channels' policy; 0: no history (0)
  --placed           clients ask GET /v1/connect?channel=… for their gateway
  --per-gateway N    most connections of one gateway (${defaultMargins.connectionsPerGatewayMax})
  --cpu PERCENT      most CPU of a core that a process may need (${defaultMargins.coreShareMax * 100})
  --spare N          gateways that may be missing (${defaultMargins.spareGateways})
  -h, --help
`;

/** What a command line asks for. */
export type SizingOptions =
  | { readonly kind: 'help' }
  | { readonly kind: 'fault'; readonly reason: string }
  | { readonly kind: 'demand'; readonly demand: Demand; readonly margins: Margins };

/** Least and greatest value of each option, and its default where it has one. */
const numbers = {
  connections: { min: 1, max: 100_000_000 },
  channels: { min: 1, max: 100_000_000 },
  publications: { min: 0, max: 10_000_000 },
  payload: { min: 1, max: 1_048_576, fallback: 200 },
  subscriptions: { min: 1, max: 1_000, fallback: 1 },
  window: { min: 0, max: 1_000, fallback: 100 },
  history: { min: 0, max: 100_000, fallback: 0 },
  'per-gateway': { min: 1, max: 200_000, fallback: defaultMargins.connectionsPerGatewayMax },
  cpu: { min: 1, max: 90, fallback: defaultMargins.coreShareMax * 100 },
  spare: { min: 0, max: 100, fallback: defaultMargins.spareGateways },
} as const satisfies Record<string, { readonly min: number; readonly max: number; readonly fallback?: number }>;

type Name = keyof typeof numbers;
const names = Object.keys(numbers) as Name[];

/** Reads the command line. A fault says which option is wrong, and what it may be. */
export function readOptions(args: readonly string[]): SizingOptions {
  try {
    const options = Object.fromEntries(names.map((name) => [name, { type: 'string' }])) as Record<Name, { readonly type: 'string' }>;
    const { values } = parseArgs({
      args: [...args],
      options: { ...options, placed: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help === true) return { kind: 'help' };
    const read = Object.fromEntries(names.map((name) => [name, numberOf(name, values[name])])) as Record<Name, number>;
    return {
      kind: 'demand',
      demand: {
        connections: read.connections,
        channels: read.channels,
        publicationsPerSecond: read.publications,
        payloadBytes: read.payload,
        subscriptions: read.subscriptions,
        windowMilliseconds: read.window,
        historySize: read.history,
        isPlaced: values.placed === true,
      },
      margins: {
        ...defaultMargins,
        connectionsPerGatewayMax: read['per-gateway'],
        coreShareMax: read.cpu / 100,
        spareGateways: read.spare,
      },
    };
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return { kind: 'fault', reason: error.message };
    throw error;
  }
}

/** @throws RangeError */
function numberOf(name: Name, text: string | undefined): number {
  const { min, max, fallback }: { min: number; max: number; fallback?: number } = numbers[name];
  if (text === undefined) {
    if (fallback === undefined) throw new RangeError(`--${name} is missing`);
    return fallback;
  }
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new RangeError(`--${name} must be a whole number from ${min} to ${max}, not '${text}'`);
  return value;
}

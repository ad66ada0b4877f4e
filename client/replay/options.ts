import { parseArgs } from 'node:util';

export interface ReplayOptions {
  /** The comment file; `undefined`: the sample. */
  readonly file: string | undefined;
  readonly channel: string;
  /** Seconds of the video that pass in one second. */
  readonly speed: number;
  /** Second of the video at which the replay begins. */
  readonly fromSeconds: number;
  /** The publisher's address. */
  readonly url: URL;
  readonly key: string | undefined;
  /** A gateway at which a viewer counts what is left out; `undefined`: nobody counts. */
  readonly gateway: URL | undefined;
}

const local = { publisher: 'http://127.0.0.1:6789', gateway: 'ws://127.0.0.1:6790' } as const;

export const usage = `Plays a Bilibili comment file (XML) through a publisher, at the pace of its video.

  npm run replay                     plays the sample, thirteen minutes of a concert, to the demo of npm start
  npm run replay -- FILE.xml [--channel video:1] [--speed 2] [--from 60] [--url http://127.0.0.1:6789]
                             [--gateway ws://127.0.0.1:6790] [--key-from-env BARRAGE_API_KEY]

  --channel NAME       the channel to publish to; video:1 unless given
  --speed N            times as fast as the video, 0.01 to 1000; 1 unless given
  --from SECONDS       begin at this second of the video; 0 unless given
  --url URL            the publisher; ${local.publisher} unless given
  --gateway URL        a gateway, at which a viewer counts what is left out; ${local.gateway} unless this or --url is given
  --key-from-env NAME  the environment variable that holds the API key, where the publisher wants one
  --help               this text
`;

export type ReadOptions =
  | { readonly kind: 'options'; readonly options: ReplayOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'fault'; readonly reason: string };

/** Reads the command line. A key never stands on it, since other users of the machine could read it there. */
export function readOptions(args: readonly string[], environment: Readonly<Record<string, string | undefined>>): ReadOptions {
  if (args.includes('--help') || args.includes('-h')) return { kind: 'help' };
  try {
    return { kind: 'options', options: read(args, environment) };
  } catch (error) {
    return { kind: 'fault', reason: (error as Error).message };
  }
}

function read(args: readonly string[], environment: Readonly<Record<string, string | undefined>>): ReplayOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      channel: { type: 'string', default: 'video:1' },
      speed: { type: 'string', default: '1' },
      from: { type: 'string', default: '0' },
      url: { type: 'string' },
      gateway: { type: 'string' },
      'key-from-env': { type: 'string' },
    },
  });
  const [file, ...others] = positionals;
  if (others.length > 0) throw new Error(`one comment file at a time, not also ${others.join(' ')}`);
  if (values.channel === '') throw new Error('--channel is empty: it needs a name such as video:1');
  const variable = values['key-from-env'];
  const key = variable === undefined ? undefined : environment[variable];
  if (variable !== undefined && (key === undefined || key === '')) throw new Error(`the environment variable ${variable} is not set`);
  const gateway = values.gateway ?? (values.url === undefined ? local.gateway : undefined);
  return {
    file,
    channel: values.channel,
    speed: number('--speed', values.speed, { minimum: 0.01, maximum: 1000 }),
    fromSeconds: number('--from', values.from, { minimum: 0, maximum: 1e9 }),
    url: address('--url', values.url ?? local.publisher, ['http:', 'https:']),
    key,
    gateway: gateway === undefined ? undefined : address('--gateway', gateway, ['ws:', 'wss:', 'http:', 'https:']),
  };
}

function number(option: string, text: string, { minimum, maximum }: { readonly minimum: number; readonly maximum: number }): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  throw new Error(`${option} "${text}" must be a number from ${minimum} to ${maximum}`);
}

function address(option: '--url' | '--gateway', text: string, protocols: readonly string[]): URL {
  const url = URL.parse(text);
  if (url !== null && protocols.includes(url.protocol)) return url;
  throw new Error(`${option} "${text}" must be an address such as ${option === '--url' ? local.publisher : local.gateway}`);
}

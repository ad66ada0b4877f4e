import { parseArgs } from 'node:util';

export interface TrialOptions {
  readonly gateway: URL;
  readonly publisher: URL;
  readonly channel: string;
  /** The publish API's key. */
  readonly key: string | undefined;
  /** The client's token, where gateways ask for one. */
  readonly token: string | undefined;
  /** Folder of a mounted Secret whose certificates are trusted. */
  readonly certificates: string | undefined;
  /** Longest time for the whole trial. */
  readonly seconds: number;
}

const secondsMax = 600;

export const usage = `Publishes one message and receives it: a trial of an installation.

  npm run trial -- --gateway ws://live:6790 --publisher http://live-publish:6789 [--channel NAME] [--seconds 60] [--needs-key HINT]
               [--certificates FOLDER]

  --gateway URL     the clients' port of the gateways
  --publisher URL   the publish API
  --channel NAME    the channel to use; trial unless given
  --seconds N       longest time for the trial, 1 to 600; 60 unless given
  --needs-key HINT  fail with this hint where BARRAGE_API_KEY is empty
  --certificates FOLDER
                    trust ca.crt and tls.crt of this folder, a mounted Secret, for wss:// and https://
  --help            this text

BARRAGE_API_KEY holds the publish API's key, and BARRAGE_TOKEN the client's token where gateways ask for one.
`;

export type ReadTrialOptions =
  | { readonly kind: 'options'; readonly options: TrialOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'fault'; readonly reason: string };

/** Reads the command line. Keys never stand on it, since other users of the machine could read them there. */
export function readTrialOptions(args: readonly string[], environment: Readonly<Record<string, string | undefined>>): ReadTrialOptions {
  if (args.includes('--help') || args.includes('-h')) return { kind: 'help' };
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        gateway: { type: 'string' },
        publisher: { type: 'string' },
        channel: { type: 'string', default: 'trial' },
        seconds: { type: 'string', default: '60' },
        'needs-key': { type: 'string' },
        certificates: { type: 'string' },
      },
    });
    const key = filled(environment['BARRAGE_API_KEY']);
    const hint = values['needs-key'];
    if (hint !== undefined && key === undefined) throw new Error(`there is no API key: ${hint}`);
    const options = {
      gateway: address('--gateway', values.gateway, ['ws:', 'wss:']),
      publisher: address('--publisher', values.publisher, ['http:', 'https:']),
      channel: values.channel,
      key,
      token: filled(environment['BARRAGE_TOKEN']),
      certificates: values.certificates,
      seconds: secondsOf(values.seconds),
    };
    return { kind: 'options', options };
  } catch (error) {
    return { kind: 'fault', reason: `${(error as Error).message}\n\n${usage}` };
  }
}

function secondsOf(text: string): number {
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= secondsMax) return seconds;
  throw new Error(`--seconds "${text}" must be a whole number from 1 to ${secondsMax}`);
}

function filled(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function address(option: string, text: string | undefined, protocols: readonly string[]): URL {
  const url = text === undefined ? null : URL.parse(text);
  if (url !== null && protocols.includes(url.protocol)) return url;
  throw new Error(
    `${option} ${text === undefined ? 'is missing' : `"${text}"`}: use an address that begins with ${protocols.join('// or ')}//`,
  );
}

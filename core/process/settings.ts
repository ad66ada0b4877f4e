import { hostname } from 'node:os';
import { z } from 'zod';
import { limits } from '../limits.ts';

/** One setting: an environment variable, what it accepts in words, and how it is read. */
interface Setting<T> {
  readonly variable: string;
  readonly fallback: string;
  readonly accepts: string;
  readonly meaning: string;
  readonly schema: z.ZodType<T, string>;
}

/** Keeps the type of what is read. */
function setting<T>(definition: Setting<T>): Setting<T> {
  return definition;
}

function whole(minimum: number, maximum: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^[0-9]{1,15}$/)
    .transform(Number)
    .pipe(z.int().min(minimum).max(maximum));
}

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
const address = z.string().regex(/^[A-Za-z0-9.:_-]+$/);
const webUrl = z.union([z.literal(''), z.url({ protocol: /^https?$/ })]);
const redisUrl = z.union([z.literal(''), z.url({ protocol: /^rediss?$/ })]);

/** Every setting of every process. `docs/settings.md` is this table in words; a test compares them. */
export const settingsTable = {
  gatewayHost: setting({
    variable: 'BARRAGE_GATEWAY_HOST',
    fallback: '127.0.0.1',
    accepts: 'an IP address or host name',
    schema: address,
    meaning: 'Address on which the gateway listens for clients.',
  }),
  gatewayPort: setting({
    variable: 'BARRAGE_GATEWAY_PORT',
    fallback: '6790',
    accepts: '0 to 65535',
    schema: whole(0, 65_535),
    meaning: 'Port on which the gateway listens for clients; 0 takes a free one.',
  }),
  gatewayName: setting({
    variable: 'BARRAGE_GATEWAY_NAME',
    fallback: hostname(),
    accepts: '1 to 253 characters',
    schema: z.string().min(1).max(253),
    meaning:
      'Name of this gateway for people: in logs, and where a request says which gateway did not answer. The default is the host name.',
  }),
  gatewayOrigins: setting({
    variable: 'BARRAGE_GATEWAY_ORIGINS',
    fallback: '',
    accepts: 'a comma-separated list of origins such as https://example.com, or *',
    schema: list,
    meaning: "Web origins, besides the gateway's own, whose pages may connect.",
  }),
  connectionsMax: setting({
    variable: 'BARRAGE_GATEWAY_CONNECTIONS_MAX',
    fallback: '20000',
    accepts: `1 to ${limits.connectionsMax}`,
    schema: whole(1, limits.connectionsMax),
    meaning: 'Connections that one gateway accepts; further ones are answered 503 with Retry-After.',
  }),
  publisherHost: setting({
    variable: 'BARRAGE_PUBLISHER_HOST',
    fallback: '127.0.0.1',
    accepts: 'an IP address or host name',
    schema: address,
    meaning: 'Address on which the publisher listens. Beyond loopback it needs BARRAGE_API_KEYS.',
  }),
  publisherPort: setting({
    variable: 'BARRAGE_PUBLISHER_PORT',
    fallback: '6789',
    accepts: '0 to 65535',
    schema: whole(0, 65_535),
    meaning: 'Port on which the publisher listens; 0 takes a free one.',
  }),
  adminPort: setting({
    variable: 'BARRAGE_ADMIN_PORT',
    fallback: '',
    accepts: 'empty, or 0 to 65535',
    schema: z.union([z.literal('').transform(() => undefined), whole(0, 65_535)]),
    meaning: 'Port for /livez, /readyz and /metrics. Empty: on the main port.',
  }),
  apiKeys: setting({
    variable: 'BARRAGE_API_KEYS',
    fallback: '',
    accepts: 'a comma-separated list of keys of at least 16 characters',
    schema: list.pipe(z.array(z.string().min(16).max(256))),
    meaning: 'Keys that publishers of publications present. Empty: only loopback may publish.',
  }),
  redisUrl: setting({
    variable: 'BARRAGE_REDIS_URL',
    fallback: '',
    accepts: 'redis:// or rediss:// URL',
    schema: redisUrl,
    meaning: 'Redis that joins gateways and publishers. The all-in-one command uses memory where it is empty.',
  }),
  redisPrefix: setting({
    variable: 'BARRAGE_REDIS_PREFIX',
    fallback: 'barrage',
    accepts: '1 to 128 characters without spaces or braces',
    schema: z.string().regex(/^[^\s{}]{1,128}$/),
    meaning: 'Beginning of every Redis key and bus channel.',
  }),
  authUrl: setting({
    variable: 'BARRAGE_AUTH_URL',
    fallback: '',
    accepts: 'http:// or https:// URL',
    schema: webUrl,
    meaning: 'Auth webhook: gets POST {"token"}, answers 200 {"uid"}. Empty: every token is refused.',
  }),
  policyFile: setting({
    variable: 'BARRAGE_POLICY_FILE',
    fallback: '',
    accepts: 'a path',
    schema: z.string(),
    meaning: 'YAML file with the channel policies; read again when it changes.',
  }),
  pingIntervalMs: setting({
    variable: 'BARRAGE_PING_INTERVAL_MS',
    fallback: '25000',
    accepts: '1000 to 300000',
    schema: whole(1000, 300_000),
    meaning: 'How often a silent client is pinged, and is told to ping, in milliseconds.',
  }),
  idleTimeoutMs: setting({
    variable: 'BARRAGE_IDLE_TIMEOUT_MS',
    fallback: '60000',
    accepts: '2000 to 600000',
    schema: whole(2000, 600_000),
    meaning: 'A connection that sent nothing for this long is closed, in milliseconds.',
  }),
  backoffBaseMs: setting({
    variable: 'BARRAGE_BACKOFF_BASE_MS',
    fallback: '500',
    accepts: '10 to 60000',
    schema: whole(10, 60_000),
    meaning: 'First bound of the back-off that clients are told, in milliseconds.',
  }),
  backoffCapMs: setting({
    variable: 'BARRAGE_BACKOFF_CAP_MS',
    fallback: '20000',
    accepts: '10 to 600000',
    schema: whole(10, 600_000),
    meaning: 'Last bound of the back-off that clients are told, in milliseconds.',
  }),
  fanOutPercent: setting({
    variable: 'BARRAGE_FAN_OUT_PERCENT',
    fallback: '60',
    accepts: '5 to 95',
    schema: whole(5, 95),
    meaning: 'Share of the event loop that fan-out may take, in percent; beyond it merge windows stretch.',
  }),
  drainMs: setting({
    variable: 'BARRAGE_DRAIN_MS',
    fallback: '5000',
    accepts: '0 to 9000',
    schema: whole(0, 9000),
    meaning: 'After SIGTERM connections are closed evenly over at most this time, in milliseconds.',
  }),
  logLevel: setting({
    variable: 'BARRAGE_LOG_LEVEL',
    fallback: 'info',
    accepts: 'debug, info, warn, error or silent',
    schema: z.enum(['debug', 'info', 'warn', 'error', 'silent']),
    meaning: 'Least severity that is logged.',
  }),
} as const;

type Table = typeof settingsTable;
export type Settings = { readonly [Name in keyof Table]: z.output<Table[Name]['schema']> };

export type SettingsResult =
  | { readonly kind: 'settings'; readonly settings: Settings }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/** Reads all settings; every fault at once, each with the variable's name and what it accepts. Values of secrets are not repeated. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): SettingsResult {
  const faults: string[] = [];
  const settings: Record<string, unknown> = {};
  for (const [name, { variable, fallback, accepts, schema }] of Object.entries(settingsTable)) {
    const text = environment[variable] ?? fallback;
    const result = schema.safeParse(text);
    if (result.success) settings[name] = result.data;
    else faults.push(`${variable}${secrets.has(variable) ? '' : `="${text}"`}: must be ${accepts}`);
  }
  if (faults.length > 0) return { kind: 'faults', faults };
  const { idleTimeoutMs, pingIntervalMs } = settings as Settings;
  if (idleTimeoutMs <= pingIntervalMs) {
    const fault = `BARRAGE_IDLE_TIMEOUT_MS="${idleTimeoutMs}": must exceed BARRAGE_PING_INTERVAL_MS (${pingIntervalMs}), or clients are closed before they are pinged`;
    return { kind: 'faults', faults: [fault] };
  }
  return { kind: 'settings', settings: settings as Settings };
}

const secrets = new Set(['BARRAGE_API_KEYS', 'BARRAGE_REDIS_URL', 'BARRAGE_AUTH_URL']);

/** Variables that look like settings and are none: most likely a spelling mistake. */
export function unknownSettings(environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  const known = new Set<string>(Object.values(settingsTable).map(({ variable }) => variable));
  return Object.keys(environment).filter((variable) => variable.startsWith('BARRAGE_') && !known.has(variable));
}

/** Whether a host to listen on is reachable from this machine only. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** Whether a request's `Host` header names loopback; a page of a rebound DNS name does not. */
export function isLoopbackHostHeader(header: string | undefined): boolean {
  return header !== undefined && isLoopbackHost(header.replace(/:\d{1,5}$/, ''));
}

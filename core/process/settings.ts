import type { z } from 'zod';
import type { Setting } from './setting.ts';
import { settingsTable } from './settings-table.ts';
import { messageOf } from './settings-values.ts';
import { tlsFault } from './tls-settings.ts';
import { traceFaults } from './trace-settings.ts';

type Table = typeof settingsTable;
export type Settings = { readonly [Name in keyof Table]: z.output<Table[Name]['schema']> };

export type SettingsResult =
  | { readonly kind: 'settings'; readonly settings: Settings }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/**
 * Reads all settings. Reports every fault at once, each with the variable's name and the values that it accepts. Values
 * of secrets are not repeated.
 */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): SettingsResult {
  const faults: string[] = [];
  const settings: Record<string, unknown> = {};
  const hasTls = (environment[settingsTable.tlsCertFile.variable] ?? '').trim() !== '';
  for (const [name, definition] of Object.entries(settingsTable)) {
    const { variable, accepts, schema, ...about }: Setting<unknown> = definition;
    const given = environment[variable] ?? (hasTls ? about.fallbackWithTls : undefined) ?? about.fallback;
    const text = 'isVerbatim' in about ? given : given.trim();
    const result = schema.safeParse(text);
    if (result.success) settings[name] = result.data;
    else faults.push(`${variable}${'isSecret' in about ? '' : `="${text}"`}: ${messageOf(result.error) ?? `must be ${accepts}`}`);
  }
  if (faults.length > 0) return { kind: 'faults', faults };
  const contradictions = contradictionsIn(settings as Settings);
  return contradictions.length === 0 ? { kind: 'settings', settings: settings as Settings } : { kind: 'faults', faults: contradictions };
}

/**
 * Least idle timeout in ping intervals. A gateway looks at each connection at least every 9/8 of an interval, and pings
 * one that was silent for half of it. So a silence may last 13/8 of an interval before the ping. The rest is for the
 * answer, and for a late event loop.
 */
const idlePingIntervalsMin = 2;

/** Contradictions between settings that are each valid alone, in words. */
function contradictionsIn(settings: Settings): readonly string[] {
  return [
    idleFault(settings),
    ...tokenFaults(settings),
    tlsFault(settings),
    redisFault(settings),
    ...previousBusFaults(settings),
    ...traceFaults(settings),
  ].filter((fault) => fault !== undefined);
}

function idleFault({ idleTimeoutMs, pingIntervalMs }: Settings): string | undefined {
  if (idleTimeoutMs >= idlePingIntervalsMin * pingIntervalMs) return undefined;
  return `BARRAGE_IDLE_TIMEOUT_MS="${idleTimeoutMs}": must be at least twice BARRAGE_PING_INTERVAL_MS (${pingIntervalMs}), or clients are closed before they are pinged`;
}

function tokenFaults({ authUrl, jwksUrl, jwtSecret, jwtIssuer, jwtAudience }: Settings): readonly string[] {
  const ways = given({ BARRAGE_AUTH_URL: authUrl, BARRAGE_JWKS_URL: jwksUrl, BARRAGE_JWT_SECRET: jwtSecret });
  const claims = given({ BARRAGE_JWT_ISSUER: jwtIssuer, BARRAGE_JWT_AUDIENCE: jwtAudience });
  const isWithoutTokens = jwksUrl === '' && jwtSecret === '';
  return [
    ...(ways.length > 1 ? [`${ways.join(', ')}: only one of them may be set, as each decides whose a token is`] : []),
    ...(isWithoutTokens
      ? claims.map((variable) => `${variable} is a claim of JWTs, and none are checked: it needs BARRAGE_JWKS_URL or BARRAGE_JWT_SECRET`)
      : []),
  ];
}

/**
 * The fault of Redis settings without an address. They would be ignored, and the all-in-one command would use memory.
 */
function redisFault(settings: Settings): string | undefined {
  if (settings.redisUrl !== '') return undefined;
  const set = given({
    BARRAGE_REDIS_MODE: settings.redisMode === 'Standalone' ? '' : settings.redisMode,
    BARRAGE_REDIS_SENTINEL_NAME: settings.redisSentinelName,
    BARRAGE_REDIS_USERNAME: settings.redisUsername,
    BARRAGE_REDIS_PASSWORD: settings.redisPassword,
    BARRAGE_REDIS_CA_FILE: settings.redisCaFile,
  });
  return set.length === 0 ? undefined : `${set.join(', ')}: of no use without BARRAGE_REDIS_URL, which is not set`;
}

/** The faults of a previous bus that could never be used. */
function previousBusFaults(settings: Settings): readonly string[] {
  const { bus, redisUrl, previousBus, previousRedisUrl } = settings;
  if (previousBus === '') {
    const set = given({ BARRAGE_PREVIOUS_REDIS_URL: previousRedisUrl, ...previousRedis(settings) });
    return set.length === 0 ? [] : [`${set.join(', ')}: of no use without BARRAGE_PREVIOUS_BUS, which is not set`];
  }
  const missing = missingOf({ BARRAGE_BUS: bus, BARRAGE_REDIS_URL: redisUrl, BARRAGE_PREVIOUS_REDIS_URL: previousRedisUrl });
  return [
    ...missing.map((variable) => `BARRAGE_PREVIOUS_BUS="${previousBus}": needs ${variable}, which is not set`),
    ...(previousBus === bus
      ? [`BARRAGE_PREVIOUS_BUS="${previousBus}": is the same as BARRAGE_BUS, so a pool document could not tell them apart`]
      : []),
  ];
}

function previousRedis(settings: Settings): Readonly<Record<string, string>> {
  return {
    BARRAGE_PREVIOUS_REDIS_MODE: settings.previousRedisMode === 'Standalone' ? '' : settings.previousRedisMode,
    BARRAGE_PREVIOUS_REDIS_SENTINEL_NAME: settings.previousRedisSentinelName,
    BARRAGE_PREVIOUS_REDIS_USERNAME: settings.previousRedisUsername,
    BARRAGE_PREVIOUS_REDIS_PASSWORD: settings.previousRedisPassword,
    BARRAGE_PREVIOUS_REDIS_CA_FILE: settings.previousRedisCaFile,
    BARRAGE_PREVIOUS_REDIS_PREFIX: settings.previousRedisPrefix === 'barrage' ? '' : settings.previousRedisPrefix,
  };
}

/** The variables without a value. */
function missingOf(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.keys(values).filter((variable) => values[variable] === '');
}

/** The variables with a value. */
function given(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).flatMap(([variable, value]) => (value === '' ? [] : [variable]));
}

/** Variables that look like settings and are none: most likely spelling mistakes. */
export function unknownSettings(environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  const known = new Set<string>(Object.values(settingsTable).map(({ variable }) => variable));
  return Object.keys(environment).filter((variable) => variable.startsWith('BARRAGE_') && !known.has(variable));
}

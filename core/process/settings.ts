import type { z } from 'zod';
import { settingsTable } from './settings-table.ts';

type Table = typeof settingsTable;
export type Settings = { readonly [Name in keyof Table]: z.output<Table[Name]['schema']> };

export type SettingsResult =
  | { readonly kind: 'settings'; readonly settings: Settings }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/** Reads all settings; every fault at once, each with the variable's name and what it accepts. Values of secrets are not repeated. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): SettingsResult {
  const faults: string[] = [];
  const settings: Record<string, unknown> = {};
  for (const [name, { variable, fallback, accepts, schema, ...about }] of Object.entries(settingsTable)) {
    const text = environment[variable] ?? fallback;
    const result = schema.safeParse(text);
    if (result.success) settings[name] = result.data;
    else faults.push(`${variable}${'isSecret' in about ? '' : `="${text}"`}: must be ${accepts}`);
  }
  if (faults.length > 0) return { kind: 'faults', faults };
  const contradiction = contradictionOf(settings as Settings);
  return contradiction === undefined ? { kind: 'settings', settings: settings as Settings } : { kind: 'faults', faults: [contradiction] };
}

/**
 * A gateway looks at each connection once in at most 9/8 of a ping interval, and pings who has been silent for half of one: a silence may last 13/8
 * of one before the ping goes out. The rest of the two is for the answer, and for a loop that is late.
 */
const idlePingIntervalsMin = 2;

/** Settings that are right alone and wrong together. */
function contradictionOf({ idleTimeoutMs, pingIntervalMs, authUrl, jwksUrl, jwtSecret }: Settings): string | undefined {
  if (idleTimeoutMs < idlePingIntervalsMin * pingIntervalMs) {
    return `BARRAGE_IDLE_TIMEOUT_MS="${idleTimeoutMs}": must be at least twice BARRAGE_PING_INTERVAL_MS (${pingIntervalMs}), or clients are closed before they are pinged`;
  }
  const ways = { BARRAGE_AUTH_URL: authUrl, BARRAGE_JWKS_URL: jwksUrl, BARRAGE_JWT_SECRET: jwtSecret };
  const given = Object.entries(ways).flatMap(([variable, value]) => (value === '' ? [] : [variable]));
  return given.length > 1 ? `${given.join(', ')}: only one of them may be set, as each decides whose a token is` : undefined;
}

/** Variables that look like settings and are none: most likely a spelling mistake. */
export function unknownSettings(environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  const known = new Set<string>(Object.values(settingsTable).map(({ variable }) => variable));
  return Object.keys(environment).filter((variable) => variable.startsWith('BARRAGE_') && !known.has(variable));
}

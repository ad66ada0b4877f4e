import { Random } from '../simulation/random.ts';
import type { Toll } from './record.ts';

export const redisModes = ['standalone', 'sentinel', 'cluster'] as const;
export type RedisMode = (typeof redisModes)[number];

/** What can be done to the world, and what it may cost at most. */
export const deeds = {
  'gateway-kill': { connections: true, bus: false, data: false },
  'gateway-pause': { connections: true, bus: true, data: false },
  'gateway-leave': { connections: false, bus: false, data: false },
  'gateway-join': { connections: false, bus: false, data: false },
  'gateway-previous': { connections: false, bus: false, data: false },
  'publisher-kill': { connections: false, bus: false, data: false },
  'publisher-pause': { connections: false, bus: false, data: false },
  'publisher-leave': { connections: false, bus: false, data: false },
  'viewers-pause': { connections: true, bus: false, data: false },
  'viewers-change': { connections: false, bus: false, data: false },
  'policy-edit': { connections: false, bus: false, data: false },
  'redis-pause': { connections: false, bus: false, data: false },
  'redis-slow': { connections: false, bus: false, data: false },
  'redis-cut': { connections: false, bus: true, data: false },
  'redis-partition': { connections: false, bus: true, data: false },
  'redis-restart': { connections: false, bus: true, data: false },
  'redis-lose': { connections: false, bus: true, data: true },
  'master-kill': { connections: false, bus: true, data: true },
  'master-pause': { connections: false, bus: true, data: true },
  'replica-kill': { connections: false, bus: false, data: false },
  failover: { connections: false, bus: true, data: true },
  'slot-move': { connections: false, bus: true, data: false },
} as const satisfies Record<string, Toll>;
export type Deed = keyof typeof deeds;

/** One thing that is done to the world. */
export interface Action {
  readonly deed: Deed;
  /** Milliseconds from the beginning of the round. */
  readonly atMs: number;
  /** How long it lasts, in milliseconds, for what lasts. */
  readonly forMs: number;
  /** In [0, 1): which of the things that there are at that moment. */
  readonly target: number;
}

export interface Round {
  readonly number: number;
  readonly actions: readonly Action[];
}

/** What a plan is made of: the same wishes give the same plan. */
export interface PlanWishes {
  readonly seed: number;
  readonly mode: RedisMode;
  readonly actions: number;
  /** Milliseconds in which the actions of a round begin. */
  readonly spanMs: number;
  /** The deeds to choose from; default: all of the mode. */
  readonly deeds?: readonly Deed[];
}

/** What is done to Redis; the rest is done to the other processes. */
const redisDeeds = [
  'redis-pause',
  'redis-slow',
  'redis-cut',
  'redis-partition',
  'redis-restart',
  'redis-lose',
  'master-kill',
  'master-pause',
  'replica-kill',
  'failover',
  'slot-move',
] as const;
export type RedisDeed = (typeof redisDeeds)[number];
/** An action on Redis. */
export type RedisAction = Action & { readonly deed: RedisDeed };

export function isOnRedis(action: Action): action is RedisAction {
  return redisDeeds.some((deed) => deed === action.deed);
}

const everywhere: readonly Deed[] = [
  ...(['gateway-kill', 'gateway-kill', 'gateway-pause', 'gateway-leave', 'gateway-join', 'gateway-previous'] as const),
  ...(['publisher-kill', 'publisher-pause', 'publisher-leave', 'viewers-pause', 'viewers-change', 'policy-edit'] as const),
];
const byMode: Readonly<Record<RedisMode, readonly Deed[]>> = {
  standalone: ['redis-pause', 'redis-slow', 'redis-cut', 'redis-partition', 'redis-partition', 'redis-restart', 'redis-lose'],
  sentinel: ['master-kill', 'master-pause', 'replica-kill', 'failover'],
  cluster: ['slot-move', 'slot-move', 'slot-move', 'master-kill', 'master-pause', 'replica-kill'],
};
/** Of all actions, those on Redis. */
const redisShare = 0.4;

/** How long a deed lasts: the least and the most, in milliseconds. Others are done at once. */
const durations: Partial<Record<Deed, readonly [number, number]>> = {
  'gateway-kill': [0, 5_000],
  'gateway-pause': [500, 8_000],
  'gateway-join': [5_000, 15_000],
  'gateway-previous': [5_000, 15_000],
  'publisher-kill': [0, 3_000],
  'publisher-pause': [500, 5_000],
  'viewers-pause': [500, 6_000],
  'redis-pause': [300, 4_000],
  'redis-slow': [1_000, 5_000],
  'redis-partition': [500, 8_000],
  'redis-lose': [0, 5_000],
  'redis-restart': [0, 3_000],
  'master-pause': [300, 5_000],
  'master-kill': [0, 3_000],
  'replica-kill': [500, 5_000],
};

/** The deeds that there are in a mode. */
export function deedsOf(mode: RedisMode): ReadonlySet<Deed> {
  return new Set([...everywhere, ...byMode[mode]]);
}

/** The actions of one round. Each round has its own chance, so that it can be run without those before it. */
export function roundOf(wishes: PlanWishes, number: number): Round {
  const random = new Random(wishes.seed * 10_007 + number);
  const wanted = (from: readonly Deed[]): readonly Deed[] => from.filter((deed) => wishes.deeds?.includes(deed) ?? true);
  const [common, own] = [wanted(everywhere), wanted(byMode[wishes.mode])];
  const actions = Array.from({ length: wishes.actions }, (): Action => {
    const isRedis = own.length > 0 && (common.length === 0 || random.chance(redisShare));
    const deed = random.pick(isRedis ? own : common);
    const [least, most] = durations[deed] ?? [0, 0];
    return { deed, atMs: random.below(wishes.spanMs), forMs: least + random.below(most - least + 1), target: random.fraction() };
  });
  return { number, actions: actions.toSorted((a, b) => a.atMs - b.atMs) };
}

/** A round as a line for each action. */
export function roundInWords({ number, actions }: Round): string {
  const lines = actions.map(({ deed, atMs, forMs, target }) => {
    const duration = forMs > 0 ? ` for ${(forMs / 1000).toFixed(1)} s` : '';
    return `  ${(atMs / 1000).toFixed(1).padStart(5)} s  ${deed}${duration} (${target.toFixed(3)})`;
  });
  return [`round ${number}`, ...lines, ''].join('\n');
}

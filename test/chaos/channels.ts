import type { Random } from '../simulation/random.ts';
import type { Priority } from '../../core/publication.ts';
import type { ChannelRules, Publication } from './record.ts';

/** A channel of a run: its policy, and what is published to it. */
export interface ChannelPlan extends ChannelRules {
  /** Whether publications are taken back: not where counts are added up. */
  readonly isRecalled: boolean;
  /** Of a hundred publications, so many go to this channel. */
  readonly share: number;
  readonly policy: Readonly<Record<string, unknown>>;
  readonly conflations: readonly { readonly key: string; readonly mode: 'Latest' | 'Sum' }[];
  readonly priorities: readonly Priority[];
}

const history = { size: 5_000, ttlSeconds: 600 };
const mixed = ['high', 'normal', 'normal', 'low'] as const;
const likes = [
  { key: 'like', mode: 'Sum' },
  { key: 'gift', mode: 'Sum' },
] as const;

export const channelPlans: readonly ChannelPlan[] = [
  plan('live:1', { merge: { windowMilliseconds: 50 } }, { share: 12 }),
  plan('live:2', { merge: { windowMilliseconds: 0 } }, { share: 8 }),
  plan('kept:1', { merge: { windowMilliseconds: 50 }, history }, { share: 14, history: true }),
  plan('kept:2', { merge: { windowMilliseconds: 200 }, history }, { share: 10, history: true, priorities: mixed }),
  plan('likes:1', { merge: { windowMilliseconds: 150 }, history }, { share: 18, history: true, conflations: likes }),
  plan('likes:2', { merge: { windowMilliseconds: 100 } }, { share: 14, conflations: [...likes, { key: 'score', mode: 'Latest' }] }),
  plan('crowd:1', { merge: { windowMilliseconds: 100 }, budget: { publicationsPerSecond: 6 }, history }, crowdWishes()),
];

function crowdWishes(): Partial<ChannelPlan> {
  return { share: 24, history: true, budget: true, priorities: mixed };
}

function plan(name: string, policy: ChannelPlan['policy'], wishes: Partial<ChannelPlan>): ChannelPlan {
  return {
    name,
    policy,
    history: false,
    budget: false,
    isRecalled: (wishes.conflations ?? []).length === 0,
    share: 10,
    conflations: [],
    priorities: ['normal'],
    ...wishes,
  };
}

/** The policies as a pool's document has them. `turn` counts the edits: none of them changes what is promised. */
export function policyPart(turn: number): string {
  const windows = [0, 50, 100, 200, 400];
  const channels = channelPlans.map(({ name, policy, history: isKept }, index) => ({
    channel: name,
    ...policy,
    ...(turn === 0 ? {} : { merge: { windowMilliseconds: windows[(turn + index) % windows.length] } }),
    ...(isKept ? { history: { ...history, size: history.size + turn } } : {}),
  }));
  return JSON.stringify({ channels });
}

/** What a publication is like, before it has a number. */
export type Draft = Pick<Publication, 'channel' | 'priority' | 'conflation' | 'isKeyed' | 'recalls'>;

/** The channel that gets the next publication. */
export function pickChannel(random: Random): ChannelPlan {
  const total = channelPlans.reduce((sum, { share }) => sum + share, 0);
  let place = random.below(total);
  return channelPlans.find(({ share }) => (place -= share) < 0)!;
}

export function draftFor(channel: ChannelPlan, random: Random): Draft {
  const kind = channel.conflations.length > 0 && random.chance(0.8) ? random.pick(channel.conflations) : undefined;
  return {
    channel: channel.name,
    priority: random.pick(channel.priorities),
    conflation: kind === undefined ? undefined : { ...kind, count: kind.mode === 'Sum' ? 1 + random.below(5) : 1 },
    isKeyed: random.chance(0.5),
  };
}

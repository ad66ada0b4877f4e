import type { BarrageChannel } from '../api/barrage-channel.ts';
import { poolPolicies, readChannel, type ChannelRead, type PoolPolicies } from '../decide/policies.ts';

interface KnownChannel {
  readonly channel: BarrageChannel;
  readonly read: ChannelRead;
}

interface KnownPool {
  /** By uid. */
  readonly channels: ReadonlyMap<string, KnownChannel>;
  readonly policies: PoolPolicies;
}

/**
 * The policies of each pool, remembered between reconciles. An object is read once for each change of its spec
 * (`metadata.generation`), and policies are made once for each change of an object. Writes of statuses change neither:
 * the parts stay the same array, so what was derived from them stays too.
 */
export class KnownPolicies {
  readonly #pools = new Map<string, KnownPool>();

  /**
   * The policies of a pool, as `poolPolicies` makes them.
   * @param key `namespace/name` of the pool
   * @param channels the objects whose poolRef is the pool, as they are now. Verdicts name exactly these.
   */
  of(key: string, channels: readonly BarrageChannel[]): PoolPolicies {
    const known = this.#pools.get(key);
    if (known !== undefined && isSame(known, channels)) return this.#withObjects(key, known, channels);
    const read = new Map<string, KnownChannel>();
    for (const channel of channels) {
      const before = known?.channels.get(channel.metadata.uid);
      const isKnown = before !== undefined && hasSameSpec(before.channel, channel);
      read.set(channel.metadata.uid, { channel, read: isKnown ? before.read : readChannel(channel) });
    }
    const policies = poolPolicies(channels, (channel) => read.get(channel.metadata.uid)?.read ?? readChannel(channel));
    this.#pools.set(key, { channels: read, policies });
    return policies;
  }

  forget(key: string): void {
    this.#pools.delete(key);
  }

  /** Number of pools whose policies are remembered. */
  get size(): number {
    return this.#pools.size;
  }

  /** The same policies, with verdicts on the present objects: a status is written over the newest one. */
  #withObjects(key: string, known: KnownPool, channels: readonly BarrageChannel[]): PoolPolicies {
    const present = new Map(channels.map((channel) => [channel.metadata.uid, channel]));
    const newest = (channel: BarrageChannel): BarrageChannel => present.get(channel.metadata.uid) ?? channel;
    if ([...known.channels.values()].every(({ channel }) => newest(channel) === channel)) return known.policies;
    const verdicts = known.policies.verdicts.map((verdict) => ({ ...verdict, channel: newest(verdict.channel) }));
    const policies = { ...known.policies, verdicts };
    const read = [...known.channels].map(([uid, each]) => [uid, { channel: newest(each.channel), read: each.read }] as const);
    this.#pools.set(key, { channels: new Map(read), policies });
    return policies;
  }
}

function isSame({ channels: known }: KnownPool, channels: readonly BarrageChannel[]): boolean {
  return (
    known.size === channels.length &&
    channels.every((channel) => {
      const before = known.get(channel.metadata.uid)?.channel;
      return before !== undefined && hasSameSpec(before, channel) && isGoing(before) === isGoing(channel);
    })
  );
}

function hasSameSpec(one: BarrageChannel, other: BarrageChannel): boolean {
  const { uid, generation } = one.metadata;
  return one === other || (generation !== undefined && uid === other.metadata.uid && generation === other.metadata.generation);
}

function isGoing({ metadata }: BarrageChannel): boolean {
  return metadata.deletionTimestamp !== undefined;
}

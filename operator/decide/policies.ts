/**
 * Turns BarrageChannels into the policies of a pool, in parts that fit in ConfigMaps, with a verdict on each object.
 *
 * Every object is judged by itself: a refused one changes nothing for the others. Of two readable objects with the same
 * pattern the older one is in force.
 */
import type { BarrageChannel } from '../api/barrage-channel.ts';
import { shapeFaults } from '../api/shape.ts';
import { specShapes } from '../api/shapes.ts';
import { policiesHash, poolLimits } from '../../core/pool/pool-document.ts';
import { readPolicy } from '../../core/policy/policy-part.ts';
import { policyPartsMax } from '../desired/pod-template.ts';

/** The verdict on one object. The reason is that of its condition Accepted. */
export interface ChannelVerdict {
  readonly channel: BarrageChannel;
  readonly accepted: boolean;
  readonly reason: 'Accepted' | 'ConflictingPattern' | 'PoolNotFound' | 'InvalidPolicy' | 'TooManyPolicies';
  readonly message: string;
}

export interface PoolPolicies {
  /** JSON texts `{"channels":[…]}`, sorted by pattern: the same objects make the same texts. */
  readonly parts: readonly string[];
  /** SHA-256 over all parts, as the pool document names it. */
  readonly hash: string;
  readonly verdicts: readonly ChannelVerdict[];
  /** Number of objects that no part has room for. */
  readonly overflow: number;
}

/** An object as gateways and publishers read it. It depends on the object's name, creation and spec only. */
export interface ChannelRead {
  /** Creation in Unix milliseconds. */
  readonly createdAt: number;
  readonly content:
    | {
        readonly kind: 'policy';
        /** The pattern. */
        readonly pattern: string;
        /** The policy in JSON. */
        readonly text: string;
      }
    | { readonly kind: 'fault'; readonly fault: string };
}

/**
 * @param channels the objects whose poolRef is this pool; objects that are being deleted do not count
 * @param readOf gives the read of each object; a caller may remember it
 */
export function poolPolicies(
  channels: readonly BarrageChannel[],
  readOf: (channel: BarrageChannel) => ChannelRead = readChannel,
): PoolPolicies {
  const alive = channels.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const entries = alive.map((channel) => ({ channel, ...readOf(channel) })).toSorted(olderFirst);
  const winners = new Map<string, { readonly channel: BarrageChannel; readonly pattern: string; readonly text: string }>();
  for (const { channel, content } of entries)
    if (content.kind === 'policy' && !winners.has(content.pattern)) winners.set(content.pattern, { channel, ...content });
  const good = [...winners.values()].toSorted((a, b) => (a.pattern < b.pattern ? -1 : 1));
  const { parts, placed } = partsOf(good.map(({ text }) => text));
  const inForce = new Set(good.slice(0, placed).map(({ channel }) => channel));
  const faults = new Map(entries.flatMap(({ channel, content }) => (content.kind === 'fault' ? [[channel, content.fault] as const] : [])));
  const verdicts = alive.map((channel) =>
    verdictOf(channel, winners.get(channel.spec.channel)?.channel ?? channel, { inForce, fault: faults.get(channel) }),
  );
  return { parts, hash: policiesHash(parts), verdicts, overflow: good.length - placed };
}

/** `namespace/pool` of an object's poolRef. The pool's name is empty where the object has no readable one. */
export function poolKeyOf({ metadata, spec }: BarrageChannel): string {
  const { poolRef } = (spec ?? {}) as { readonly poolRef?: { readonly name?: unknown } | null };
  return `${metadata.namespace}/${typeof poolRef?.name === 'string' ? poolRef.name : ''}`;
}

/** The verdict on an object whose pool does not exist or is being deleted. */
export function poolNotFound(channel: BarrageChannel): ChannelVerdict {
  const { namespace } = channel.metadata;
  const name = poolKeyOf(channel).slice(namespace.length + 1);
  if (name === '') return invalid(channel, shapeFaults(channel.spec, specShapes.BarrageChannel, 'spec').slice(0, 5).join('; '));
  const message = `There is no GatewayPool ${name} in namespace ${namespace}. Create the pool, or recreate this object with another poolRef.`;
  return { channel, accepted: false, reason: 'PoolNotFound', message };
}

function verdictOf(
  channel: BarrageChannel,
  winner: BarrageChannel,
  { inForce, fault }: { readonly inForce: ReadonlySet<BarrageChannel>; readonly fault: string | undefined },
): ChannelVerdict {
  if (fault !== undefined) return invalid(channel, fault);
  if (winner !== channel) {
    const message = `BarrageChannel ${winner.metadata.name} is older and has the same pattern ${channel.spec.channel}: it is in force. Delete one of the two.`;
    return { channel, accepted: false, reason: 'ConflictingPattern', message };
  }
  if (!inForce.has(channel)) {
    const message = `The pool's policies exceed ${policyPartsMax} × ${poolLimits.policyPartBytesMax} bytes, and this one has no room. Replace single channels by patterns.`;
    return { channel, accepted: false, reason: 'TooManyPolicies', message };
  }
  return { channel, accepted: true, reason: 'Accepted', message: `In the policies of GatewayPool ${channel.spec.poolRef.name}.` };
}

function invalid(channel: BarrageChannel, fault: string): ChannelVerdict {
  const message = `${fault}. Correct the spec, or apply it again with the present version.`;
  return { channel, accepted: false, reason: 'InvalidPolicy', message };
}

/**
 * Reads an object as gateways and publishers do. A value that they refuse is a fault. An unknown field is none: the
 * definitions are upgraded before the operator, and fill in the defaults of new fields.
 */
export function readChannel({ metadata, spec }: BarrageChannel): ChannelRead {
  const createdAt = Date.parse(metadata.creationTimestamp);
  const { poolRef: _pool, expectedPeak: _peak, ...policy } = spec;
  const read = readPolicy(policy);
  const faults = read.kind === 'policy' ? read.replaced : read.faults;
  if (read.kind === 'policy' && faults.length === 0)
    return { createdAt, content: { kind: 'policy', pattern: read.policy.channel, text: JSON.stringify(read.policy) } };
  const words = faults.slice(0, 5).map(({ path, message }) => `spec.${path}: ${message}`);
  return { createdAt, content: { kind: 'fault', fault: words.join('; ') } };
}

/** Fills one part after another. `placed`: how many of the texts fit. */
function partsOf(texts: readonly string[]): { readonly parts: readonly string[]; readonly placed: number } {
  const parts: string[] = [];
  let open: string[] = [];
  let bytes = 0;
  let placed = 0;
  const close = () => {
    if (open.length > 0) parts.push(`${partBegin}${open.join(',')}${partEnd}`);
    open = [];
    bytes = partBegin.length + partEnd.length;
  };
  close();
  for (const text of texts) {
    const size = Buffer.byteLength(text) + 1;
    if (bytes + size > poolLimits.policyPartBytesMax || open.length >= policiesPerPartMax) {
      if (parts.length === policyPartsMax - 1) break;
      close();
    }
    open.push(text);
    bytes += size;
    placed += 1;
  }
  close();
  return { parts, placed };
}

const partBegin = '{"channels":[';
const partEnd = ']}';
/** The same bound as in a policy file. */
const policiesPerPartMax = 10_000;

function olderFirst(a: Entry, b: Entry): number {
  return a.createdAt - b.createdAt || (a.channel.metadata.name < b.channel.metadata.name ? -1 : 1);
}

interface Entry extends ChannelRead {
  readonly channel: BarrageChannel;
}

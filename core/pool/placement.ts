import { hash } from 'node:crypto';
import type { PoolDocument, PoolGateway } from './pool-document.ts';

/** 64 bits of a name, as two unsigned halves. */
interface NameKey {
  readonly high: number;
  readonly low: number;
}

interface Candidate {
  readonly gateway: PoolGateway;
  readonly key: NameKey;
}

/**
 * Ranks the gateways that should host a channel, by weighted rendezvous hashing. A score depends only on the seed, the
 * channel's name, the gateway's name and its weight. The gateway with the highest score hosts the channel; the next one
 * takes over when that one is gone.
 *
 * So every process computes the same order from the same document. A gateway that leaves moves only its own channels,
 * and a new one takes its share. An override puts its gateways first. A draining gateway hosts nothing, unless no
 * gateway serves.
 */
export class Placement {
  readonly #seed: number;
  readonly #candidates: readonly Candidate[];
  readonly #overrides: ReadonlyMap<string, readonly PoolGateway[]>;

  constructor({ gateways, hashSeed, overrides }: Pick<PoolDocument, 'gateways' | 'hashSeed' | 'overrides'>) {
    const serving = gateways.filter(({ state }) => state === 'serving');
    const eligible = serving.length > 0 ? serving : gateways;
    const byName = new Map(eligible.map((gateway) => [gateway.name, gateway]));
    this.#seed = hashSeed;
    this.#candidates = eligible.map((gateway) => ({ gateway, key: keyOf(gateway.name) }));
    this.#overrides = new Map(
      overrides.map(({ channel, gateways: names }) => [
        channel,
        names.map((name) => byName.get(name)).filter((found) => found !== undefined),
      ]),
    );
  }

  /** All gateways that may host the channel, the best first; empty for a pool without gateways. */
  of(channel: string): readonly PoolGateway[] {
    const key = keyOf(`${this.#seed}/${channel}`);
    const scored = this.#candidates.map(({ gateway, key: gatewayKey }) => ({ gateway, score: scoreOf(key, gatewayKey, gateway.weight) }));
    scored.sort((a, b) => b.score - a.score || (a.gateway.name < b.gateway.name ? -1 : 1));
    const order = scored.map(({ gateway }) => gateway);
    const first = this.#overrides.get(channel);
    return first === undefined ? order : [...new Set([...first, ...order])];
  }
}

/** The first 64 bits of the SHA-256 of the name in UTF-8. */
function keyOf(name: string): NameKey {
  const digest = hash('sha256', name, 'buffer');
  return { high: digest.readUInt32BE(0), low: digest.readUInt32BE(4) };
}

/**
 * −weight ÷ ln(u), where the mixed keys give u in (0, 1). Each gateway has the highest score in proportion to its
 * weight.
 */
function scoreOf(channel: NameKey, gateway: NameKey, weight: number): number {
  const low = mix(channel.low ^ gateway.low);
  const high = mix(channel.high ^ gateway.high ^ low);
  const rest = mix(low ^ high);
  // 52 bits plus one half: an exact double, and never 0 or 1.
  const u = ((high >>> 0) * 2 ** 20 + (rest >>> 12) + 0.5) / 2 ** 52;
  return -weight / Math.log(u);
}

/** The 32-bit finaliser of MurmurHash3: each input bit flips each output bit with a chance of one half. */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85eb_ca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}

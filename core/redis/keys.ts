import assert from 'node:assert/strict';

/** Hashes of remembered idempotency keys of one channel. More of them would hold less that has ended, and cost more. */
export const rememberedKeys = 4;

/**
 * Names of keys and bus channels. All names of one channel share one hash tag, so that one script reaches them in a
 * Redis Cluster. Further keys of a channel belong beside `record`.
 */
export class RedisNames {
  readonly prefix: string;
  /** Requests to every gateway. */
  readonly allGateways: string;
  /** The gateways' reports of their rooms' members. */
  readonly reports: string;

  constructor(prefix: string) {
    assert(/^[^\s{}]+$/.test(prefix), 'a brace in the prefix would be taken for the hash tag');
    this.prefix = prefix;
    this.allGateways = `${prefix}:gateways`;
    this.reports = `${prefix}:reports`;
  }

  /** Key of a channel's record: its epoch, its offset, and the reign in which the last offset was given. */
  record(channel: string): string {
    return `${this.#tagged(channel)}:record`;
  }

  /** Key of the stream of a channel's kept batches. */
  history(channel: string): string {
    return `${this.#tagged(channel)}:history`;
  }

  /** Key of the sorted set of a channel's recalled offsets, as far as its history keeps them. */
  recalled(channel: string): string {
    return `${this.#tagged(channel)}:recalled`;
  }

  /**
   * Keys of the hashes of a channel's remembered idempotency keys, which take turns. A key is remembered for as many
   * turns as there are others, and for what is left of its own.
   */
  remembered(channel: string): readonly string[] {
    return Array.from({ length: rememberedKeys }, (_, index) => `${this.#tagged(channel)}:keys:${index}`);
  }

  /** Bus channel on which a channel's batches travel. */
  log(channel: string): string {
    return `${this.#tagged(channel)}:log`;
  }

  /** Bus channel of the requests to one gateway. */
  gateway(gatewayNumber: number): string {
    return `${this.prefix}:gateway:${gatewayNumber}`;
  }

  /** Key of the lease of a gateway number. */
  gatewayLease(gatewayNumber: number): string {
    return `${this.prefix}:gateway:${gatewayNumber}:lease`;
  }

  /** Bus channel of the replies to one process. */
  replies(processToken: string): string {
    return `${this.prefix}:replies:${processToken}`;
  }

  /** Bus channel of the member snapshots that one process asked for. */
  snapshots(processToken: string): string {
    return `${this.prefix}:snapshots:${processToken}`;
  }

  /** The channel as a hash tag, with braces and `%` encoded: a tag ends at the first closing brace. */
  #tagged(channel: string): string {
    const encoded = channel.replaceAll(/[%{}]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
    return `${this.prefix}:{${encoded}}`;
  }
}

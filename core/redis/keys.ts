import assert from 'node:assert/strict';

/**
 * Names of keys and bus channels. Everything of one channel shares one hash tag, so that in a Redis Cluster one script
 * reaches all of it; further keys of a channel (history, idempotency) are named beside `record`.
 */
export class RedisNames {
  readonly #prefix: string;
  /** Requests to every gateway. */
  readonly allGateways: string;
  /** The gateways' reports of their rooms' members. */
  readonly reports: string;

  constructor(prefix: string) {
    assert(/^[^\s{}]+$/.test(prefix), 'a brace in the prefix would be taken for the hash tag');
    this.#prefix = prefix;
    this.allGateways = `${prefix}:gateways`;
    this.reports = `${prefix}:reports`;
  }

  /** Key of a channel's record: its epoch, offset, and the run id of the master that gave the last one. */
  record(channel: string): string {
    return `${this.#tagged(channel)}:record`;
  }

  /** Bus channel on which a channel's batches travel. */
  log(channel: string): string {
    return `${this.#tagged(channel)}:log`;
  }

  /** Bus channel of the requests to one gateway. */
  gateway(gatewayNumber: number): string {
    return `${this.#prefix}:gateway:${gatewayNumber}`;
  }

  /** Key of the lease of a gateway number. */
  gatewayLease(gatewayNumber: number): string {
    return `${this.#prefix}:gateway:${gatewayNumber}:lease`;
  }

  /** Bus channel of the replies to one process. */
  replies(processToken: string): string {
    return `${this.#prefix}:replies:${processToken}`;
  }

  /** Bus channel of the snapshots of rooms' members that one process asked for. */
  snapshots(processToken: string): string {
    return `${this.#prefix}:snapshots:${processToken}`;
  }

  /** A hash tag ends at the first closing brace: braces are encoded, and so is the sign that encodes them. */
  #tagged(channel: string): string {
    const encoded = channel.replaceAll(/[%{}]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
    return `${this.#prefix}:{${encoded}}`;
  }
}

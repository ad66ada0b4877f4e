import { limits } from '../../core/limits.ts';

/**
 * The kind of a client, by what it offered at its handshake: the SDK, another client of `barrage.v1` (an SDK that does
 * not tell its version is one), a client of the plain protocol, or an event stream of another program than the SDK.
 */
export const clientKinds = ['sdk', 'v1', 'plain', 'sse'] as const;
export type ClientKind = (typeof clientKinds)[number];

export interface Client {
  readonly kind: ClientKind;
  /** Version of the SDK; `undefined` of other clients, and of a version that is none. */
  readonly version?: string | undefined;
}

/** Label of the versions beyond `limits.clientVersionsMax`, and of those that are none. */
export const otherVersions = 'other';

/** The open connections of one kind, and of the SDK of one version. */
export interface ClientGroup extends Client {
  connections: number;
}

/** Counts open connections by client. Only versions with an open connection are remembered, and at most so many. */
export class ClientCensus {
  readonly #plain: ClientGroup = { kind: 'plain', connections: 0 };
  readonly #v1: ClientGroup = { kind: 'v1', connections: 0 };
  readonly #sse: ClientGroup = { kind: 'sse', connections: 0 };
  readonly #otherSdk: ClientGroup = { kind: 'sdk', version: otherVersions, connections: 0 };
  readonly #sdk = new Map<string, ClientGroup>();

  /** Counts an opened connection. @returns its group, for {@link left} */
  joined(client: Client): ClientGroup {
    const group = this.#groupOf(client);
    group.connections++;
    return group;
  }

  /** Counts the end of a connection. */
  left(group: ClientGroup): void {
    group.connections--;
    if (group.connections === 0 && group.version !== undefined && group !== this.#otherSdk) this.#sdk.delete(group.version);
  }

  /** Open connections of each kind. */
  kinds(): Readonly<Record<ClientKind, number>> {
    const sdk = [...this.versions().values()].reduce((sum, connections) => sum + connections, 0);
    return { sdk, v1: this.#v1.connections, plain: this.#plain.connections, sse: this.#sse.connections };
  }

  /** Open connections of the SDK by version, `other` last. */
  versions(): ReadonlyMap<string, number> {
    return new Map([...this.#sdk.values(), this.#otherSdk].map(({ version = otherVersions, connections }) => [version, connections]));
  }

  #groupOf({ kind, version }: Client): ClientGroup {
    if (kind !== 'sdk') return { v1: this.#v1, plain: this.#plain, sse: this.#sse }[kind];
    if (version === undefined) return this.#otherSdk;
    const known = this.#sdk.get(version);
    if (known !== undefined) return known;
    if (this.#sdk.size >= limits.clientVersionsMax) return this.#otherSdk;
    const group: ClientGroup = { kind, version, connections: 0 };
    this.#sdk.set(version, group);
    return group;
  }
}

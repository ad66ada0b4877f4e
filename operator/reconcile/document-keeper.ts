import { signDocument, verifyDocument, type PoolDocument } from '../../core/pool-document.ts';
import { signCommand } from '../../core/drain-command.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import { nextDocument, type DocumentMember } from '../decide/document.ts';
import type { PoolPolicies } from '../decide/policies.ts';
import { documentConfigMap, policyConfigMaps } from '../desired/config-maps.ts';
import { gatewayUrl } from '../desired/exposure.ts';
import { childNames } from '../desired/labels.ts';
import { canonical } from '../desired/revision.ts';
import { resources } from '../kube/resources.ts';
import type { KubeObject } from '../runtime/kube-api.ts';
import type { AdminClient, Told } from './admin-client.ts';
import type { Children } from './children.ts';
import type { PoolSecrets } from './pool-secrets.ts';

/** A pod that is to be told, and what it said last of the document that it has. */
export interface Recipient {
  readonly name: string;
  readonly uid: string;
  readonly address: string;
  readonly poolEpoch: number;
}

export interface StoredDocument {
  readonly document: PoolDocument;
  readonly envelope: string;
}

/** Writes a pool's document: into its ConfigMap first, then to the pods. So what a pod has is never newer than what another would start from. */
export class DocumentKeeper {
  readonly #children: Children;
  readonly #admin: AdminClient;
  /** By pool uid: what was written last, since the store may not have heard of it yet. */
  readonly #written = new Map<string, StoredDocument>();

  constructor(options: { readonly children: Children; readonly admin: AdminClient }) {
    this.#children = options.children;
    this.#admin = options.admin;
  }

  /** The document in a ConfigMap, if it carries the pool's signature. @param publicKey empty: nobody can tell */
  read(configMap: KubeObject | undefined, publicKey: string): StoredDocument | undefined {
    if (publicKey === '') return undefined;
    const envelope = (configMap as { readonly data?: Readonly<Record<string, string>> } | undefined)?.data?.['pool.json'];
    const verified = envelope === undefined ? undefined : verifyDocument(envelope, publicKey);
    return verified?.kind === 'verified' && envelope !== undefined ? { document: verified.document, envelope } : undefined;
  }

  /**
   * Brings the ConfigMaps up to date. @returns what is stored then
   * @throws ApiError
   */
  async write(wanted: {
    readonly pool: GatewayPool;
    readonly secrets: PoolSecrets;
    readonly members: readonly DocumentMember[];
    readonly policies: PoolPolicies;
    readonly polledEpochs: readonly number[];
    readonly observed: (name: string) => KubeObject | undefined;
    readonly signal: AbortSignal;
  }): Promise<StoredDocument> {
    const { pool, secrets, members, policies, observed, signal } = wanted;
    const stored = newer(this.read(observed(childNames.document(pool)), secrets.publicKey), this.#written.get(pool.metadata.uid));
    const content = contentOf(pool, members, policies);
    const decision = nextDocument({
      stored: stored === undefined ? undefined : { epoch: stored.document.epoch, content: canonicalContent(stored.document) },
      content: canonicalContent({ ...content, epoch: 0 }),
      polledEpochs: wanted.polledEpochs,
    });
    for (const object of policyConfigMaps(pool, policies.parts)) {
      await this.#children.apply({ resource: resources.configMap, object }, observed(object.metadata.name), signal);
    }
    const next =
      decision.kind === 'keep' && stored !== undefined ? stored : signed({ ...content, epoch: decision.epoch }, secrets.privateKey);
    // One that is to be kept is applied too: somebody may have changed or deleted the ConfigMap.
    const object = documentConfigMap(pool, next.envelope);
    await this.#children.apply({ resource: resources.configMap, object }, observed(object.metadata.name), signal);
    this.#written.set(pool.metadata.uid, next);
    return next;
  }

  forget(poolUid: string): void {
    this.#written.delete(poolUid);
  }

  /** Pools whose document is remembered. */
  get size(): number {
    return this.#written.size;
  }

  /** Tells it to every pod that has less. @returns those that refused, with their words */
  async push(
    stored: StoredDocument,
    policies: PoolPolicies,
    recipients: readonly Recipient[],
  ): Promise<readonly { readonly name: string; readonly told: Told }[]> {
    const behind = recipients.filter(({ poolEpoch }) => poolEpoch < stored.document.epoch);
    const results = await Promise.all(
      behind.map(async ({ name, address }) => ({ name, told: await this.#admin.putPool(address, stored.envelope, policies.parts) })),
    );
    return results.filter(({ told }) => told.kind !== 'taken');
  }

  /** Sends a drain command to one gateway. */
  async command(
    command:
      | { readonly command: 'drain'; readonly connectionsPerSecond: number; readonly deadlineSeconds: number }
      | { readonly command: 'abort-drain' },
    gateway: { readonly uid: string; readonly address: string },
    { privateKey, now }: { readonly privateKey: string; readonly now: number },
  ): Promise<Told> {
    return this.#admin.putDrain(gateway.address, signCommand({ ...command, gateway: gateway.uid, issuedAt: Math.floor(now) }, privateKey));
  }
}

function signed(document: PoolDocument, privateKey: string): StoredDocument {
  return { document, envelope: signDocument(document, privateKey) };
}

function newer(one: StoredDocument | undefined, other: StoredDocument | undefined): StoredDocument | undefined {
  return (one?.document.epoch ?? 0) >= (other?.document.epoch ?? 0) ? one : other;
}

function contentOf(pool: GatewayPool, members: readonly DocumentMember[], policies: PoolPolicies): Omit<PoolDocument, 'epoch'> {
  const { namespace, name } = pool.metadata;
  return {
    version: 1,
    pool: `${namespace}/${name}`,
    hashSeed: pool.spec.placement.hashSeed,
    gateways: members.flatMap((member) => {
      const url = gatewayUrl(pool, member);
      return url === undefined ? [] : [{ name: member.name, uid: member.uid, url, weight: member.weight, state: member.state }];
    }),
    overrides: [],
    policies: { hash: policies.hash, parts: policies.parts.length },
  };
}

function canonicalContent(document: PoolDocument): string {
  return canonical(JSON.parse(JSON.stringify({ ...document, epoch: 0 })) as Parameters<typeof canonical>[0]);
}

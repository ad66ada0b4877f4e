import { policySchema } from '../../../core/policy/policy.ts';
import { policiesHash } from '../../../core/pool/pool-document.ts';
import type { Settings } from '../../../core/process/settings.ts';
import { Barrage, type Gap } from '../../../client/barrage.ts';
import { onTestFinished } from 'vitest';
import { TestPool } from '../../support/gateway-pool.ts';
import { TestProcess } from '../../support/process.ts';
import { policyFile } from '../../support/standalone.ts';
import type { Backend, Behind } from './edges.ts';

export const apiKey = 'last-mile-test-key';
export const channel = 'kept:1';
export const pageOrigin = 'https://pages.example.com';
const kept = { channel: 'kept:*', history: { size: 5_000, ttlSeconds: 600 }, access: { publish: 'Public' } };
const policies = JSON.stringify({ channels: [policySchema.parse(kept)] });

/** The back-off of the settings' defaults. */
const ofSettings = { BARRAGE_BACKOFF_BASE_MS: '500', BARRAGE_BACKOFF_CAP_MS: '20000' };

/** Two real gateways of a pool, whose document names addresses that no client can reach, and a publisher. */
export interface Site extends Pick<Behind, 'gateways' | 'publisher'> {
  readonly pool: TestPool;
}

/**
 * @param podUrls the gateways' URLs in the pool document
 * @param variables settings of the gateways
 */
export async function startSite(
  podUrls: Readonly<Record<'a' | 'b', string>>,
  variables: Readonly<Record<string, string>> = {},
  beyond: Partial<Settings> = {},
): Promise<Site> {
  const pool = await TestPool.start(['a', 'b'], { ...ofSettings, BARRAGE_GATEWAY_ORIGINS: pageOrigin, ...variables }, beyond);
  const gateways = pool.members.map(({ entry }) => ({ ...entry, url: podUrls[entry.name as 'a' | 'b'] }));
  const document = pool.document({ gateways, policies: { hash: policiesHash([policies]), parts: 1 } });
  for (const member of pool.members) {
    const { status, body } = await member.put('pool', pool.push(document, [policies]));
    if (status !== 200) throw new Error(JSON.stringify(body));
  }
  const publisher = new TestProcess('publisher/main.ts', {
    BARRAGE_REDIS_URL: pool.redisUrl,
    BARRAGE_REDIS_PREFIX: 'test',
    BARRAGE_PUBLISHER_HOST: '0.0.0.0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_API_KEYS: apiKey,
    // JSON is YAML.
    BARRAGE_POLICY_FILE: await policyFile(JSON.stringify({ channels: [kept] })),
  });
  const port = await publisher.port();
  const [a, b] = pool.members.map((member): Backend => ({ port: member.port, readyPort: member.adminPort }));
  return { pool, gateways: [a as Backend, b as Backend], publisher: { port, readyPort: port } };
}

/** An SDK client: what it got, and when it was away. */
export class Viewer {
  readonly client: Barrage;
  readonly offsets: number[] = [];
  readonly gaps: Gap[] = [];
  readonly errors: string[] = [];
  /** Each time without a connection, in milliseconds; one that is not over is `undefined`. */
  readonly absences: { readonly from: number; ms: number | undefined }[] = [];
  readonly #subscription;

  constructor(address: string) {
    this.client = new Barrage(address, { transports: ['websocket'] });
    onTestFinished(() => this.client.close());
    this.client.on('state', (state) => {
      const isAway = this.absences.some(({ ms }) => ms === undefined);
      if (state === 'waiting' && !isAway) this.absences.push({ from: performance.now(), ms: undefined });
    });
    this.client.on('error', ({ message }) => this.errors.push(message));
    this.client.on('gap', (gap) => this.gaps.push(gap));
    this.#subscription = this.client.subscribe(channel);
    this.#subscription.on('publication', ({ offset }) => this.offsets.push(offset));
    this.#subscription.on('state', (state) => {
      const absence = this.absences.at(-1);
      if (state === 'subscribed' && absence !== undefined) absence.ms ??= performance.now() - absence.from;
    });
  }

  get isSubscribed(): boolean {
    return this.#subscription.state === 'subscribed' && this.client.state === 'open';
  }

  /** Offsets up to this one that it did not get, got twice, or got in another order. */
  faultsUpTo(last: number): number {
    return (
      this.offsets.filter((offset, index) => offset !== (this.offsets[0] ?? 1) + index).length +
      Math.max(0, last - (this.offsets.at(-1) ?? 0))
    );
  }
}

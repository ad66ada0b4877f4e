import { defaultPolicy } from '../../../core/policy/policy.ts';
import { signCommand } from '../../../core/pool/drain-command.ts';
import { policiesHash, signDocument } from '../../../core/pool/pool-document.ts';
import { gatewayNamed, poolDocument, poolKeys } from '../../support/pool-document.ts';
import { TestProcess } from '../../support/process.ts';
import type { ScrapeTarget } from '../../support/prometheus.ts';
import type { RedisServer } from '../../support/redis-server.ts';

/** A channel for each thing that a policy does; the names say which. */
export const policies = {
  channels: [
    { ...defaultPolicy, channel: 'video:*' },
    { ...defaultPolicy, channel: 'tight:*', budget: { publicationsPerSecond: 2 } },
    {
      ...defaultPolicy,
      channel: 'kept:*',
      history: { size: 100, ttlSeconds: 300, resumePublicationsMax: 300, rewindOnSubscribe: 0 },
      limits: { ...defaultPolicy.limits, publishHoldMs: 10_000 },
    },
    { ...defaultPolicy, channel: 'slow:*', slowConsumer: { policy: 'Disconnect', queueBytesMax: 4096 } },
  ],
};

/** A gateway or publisher as a process of its own, with the ports that it says it listens on. */
export interface Part {
  readonly process: TestProcess;
  readonly pod: string;
  readonly port: number;
  readonly adminPort: number;
}

export interface WatchedBus {
  readonly redis: RedisServer;
  readonly caFile: string;
}

/**
 * Real gateways and a publisher on a real Redis, which take pool documents as the operator pushes them. They end with
 * the test.
 */
export class WatchedPool {
  readonly gateways: readonly Part[];
  readonly publisher: Part;
  readonly #keys: ReturnType<typeof poolKeys>;
  readonly #prefix = 'watched';

  /** @param bus a Redis that serves by TLS, with its authority */
  static async start(bus: WatchedBus): Promise<WatchedPool> {
    const keys = poolKeys();
    const start = (command: 'gateway' | 'publisher', pod: string): Promise<Part> => startPart(command, pod, { bus, keys });
    const [one, two, publisher] = await Promise.all([
      start('gateway', 'live-gateway-0'),
      start('gateway', 'live-gateway-1'),
      start('publisher', 'live-publisher-0'),
    ]);
    return new WatchedPool([one, two], publisher, keys);
  }

  private constructor(gateways: readonly Part[], publisher: Part, keys: ReturnType<typeof poolKeys>) {
    this.gateways = gateways;
    this.publisher = publisher;
    this.#keys = keys;
  }

  /** What Prometheus scrapes, with the labels of the chart's monitors. */
  targets(namespace: string, pool: string): readonly ScrapeTarget[] {
    return [...this.gateways, this.publisher].map(({ pod, adminPort }) => ({
      job: pod.includes('publisher') ? 'barrage-publishers' : 'barrage-gateways',
      address: `127.0.0.1:${adminPort}`,
      labels: { namespace, pool, pod },
    }));
  }

  /** Gives parts a pool document. @param policyText the policies, as a gateway of another version may write them */
  async push(epoch: number, parts: readonly Part[], policyText = JSON.stringify(policies)): Promise<void> {
    const gateways = this.gateways.map(({ pod, port }) => gatewayNamed(pod, { url: `ws://127.0.0.1:${port}/` }));
    const document = poolDocument({ epoch, gateways, policies: { hash: policiesHash([policyText]), parts: 1 } });
    const body = JSON.stringify({ envelope: signDocument(document, this.#keys.privateKeyPem), policies: [policyText] });
    for (const part of parts) await put(part, 'pool', body);
  }

  /** Lets a gateway give up its connections. */
  async drain(part: Part): Promise<void> {
    const command = {
      command: 'drain',
      gateway: `uid-${part.pod}`,
      issuedAt: Date.now(),
      connectionsPerSecond: 2,
      deadlineSeconds: 60,
    } as const;
    await put(part, 'drain', signCommand(command, this.#keys.privateKeyPem));
  }

  /** The publish API's answer: its status. */
  async publish(body: object): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.publisher.port}/v1/mesh/publish`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    await response.arrayBuffer();
    return response.status;
  }

  /** The bus channel of a channel's batches. */
  busChannel(channel: string): string {
    return `${this.#prefix}:{${channel}}:log`;
  }
}

async function startPart(
  command: 'gateway' | 'publisher',
  pod: string,
  { bus, keys }: { readonly bus: WatchedBus; readonly keys: ReturnType<typeof poolKeys> },
): Promise<Part> {
  const started = new TestProcess(`${command}/main.ts`, {
    BARRAGE_REDIS_URL: bus.redis.url,
    BARRAGE_REDIS_CA_FILE: bus.caFile,
    BARRAGE_REDIS_PREFIX: 'watched',
    BARRAGE_GATEWAY_NAME: pod,
    BARRAGE_POD_UID: `uid-${pod}`,
    BARRAGE_POOL_PUBLIC_KEY: keys.publicKeyPem,
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_ADMIN_PORT: '0',
    BARRAGE_DRAIN_MS: '0',
  });
  const port = await started.port();
  return { process: started, pod, port, adminPort: Number(/"adminPort":(\d+)/.exec(started.stderr)?.[1]) };
}

async function put({ pod, adminPort }: Part, path: 'pool' | 'drain', body: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/admin/v1/${path}`, { method: 'PUT', body });
  if (response.status !== 200) throw new Error(`${pod} ${path}: ${response.status} ${await response.text()}`);
}

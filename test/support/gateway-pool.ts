import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import { readAdminStatus, type AdminStatus } from '../../core/pool/admin-status.ts';
import { signCommand, type DrainCommand } from '../../core/pool/drain-command.ts';
import { Policies, defaultPolicy } from '../../core/policy/policy.ts';
import { policiesHash, signDocument, type PoolDocument, type PoolGateway } from '../../core/pool/pool-document.ts';
import { startAdminServer } from '../../core/process/admin-server.ts';
import { createLogger } from '../../core/process/logging.ts';
import { Pool, exportPoolDocument } from '../../core/process/pool.ts';
import { readSettings, type Settings } from '../../core/process/settings.ts';
import { createRedisBus } from '../../core/redis/bus.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { gatewayNamed, poolDocument, poolKeys } from './pool-document.ts';
import { RedisServer } from './redis-server.ts';

/** What an admin endpoint answered. */
export interface AdminAnswer {
  readonly status: number;
  readonly body: {
    readonly epoch?: number;
    readonly drain?: AdminStatus['drain'];
    readonly error?: { readonly code: string; readonly message: string };
  };
}

/** A policy part in which clients may publish to everything. */
export const openPolicies = JSON.stringify({ channels: [{ ...defaultPolicy, access: { ...defaultPolicy.access, publish: 'Public' } }] });

/** A real gateway with its admin port, and the operator's way to it. */
export class PoolMember {
  readonly name: string;
  readonly gateway: Gateway;
  readonly adminPort: number;

  constructor(name: string, gateway: Gateway, adminPort: number) {
    this.name = name;
    this.gateway = gateway;
    this.adminPort = adminPort;
  }

  get port(): number {
    return this.gateway.port;
  }

  get entry(): PoolGateway {
    return gatewayNamed(this.name, { url: `ws://127.0.0.1:${this.port}/` });
  }

  async put(path: 'pool' | 'drain', body: string | Uint8Array<ArrayBuffer>): Promise<AdminAnswer> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}/admin/v1/${path}`, { method: 'PUT', body });
    return { status: response.status, body: (await response.json()) as AdminAnswer['body'] };
  }

  async status(): Promise<AdminStatus> {
    const text = await (await fetch(`http://127.0.0.1:${this.adminPort}/admin/v1/status`)).text();
    const status = readAdminStatus(text);
    if (status === undefined) throw new Error(`no status: ${text}`);
    return status;
  }

  async ready(): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}/readyz`);
    return { status: response.status, text: await response.text() };
  }

  /** A sample of `/metrics`; 0 where there is none. */
  async metric(sample: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.adminPort}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`${sample} `));
    return line === undefined ? 0 : Number(line.slice(sample.length));
  }
}

/**
 * Gateways with a bus each on one Redis, as an operator sees them: it signs, pushes and polls. Everything ends with the
 * test.
 */
export class TestPool {
  readonly keys = poolKeys();
  readonly members: PoolMember[] = [];
  readonly #redis: RedisServer;
  readonly #ends = new Map<string, () => Promise<void>>();
  readonly #beyond: Partial<Settings>;

  private constructor(redis: RedisServer, beyond: Partial<Settings>) {
    this.#redis = redis;
    this.#beyond = beyond;
  }

  /** @param beyond settings that no variable takes, such as times that are too short for anything but a test */
  static async start(
    names: readonly string[],
    variables: Readonly<Record<string, string>> = {},
    beyond: Partial<Settings> = {},
  ): Promise<TestPool> {
    const pool = new TestPool(await RedisServer.start(), beyond);
    onTestFinished(() => pool.#close());
    for (const name of names) pool.members.push(await pool.#startMember(name, variables));
    return pool;
  }

  /** Of the bus, whose prefix is `test`. */
  get redisUrl(): string {
    return this.#redis.url;
  }

  member(name: string): PoolMember {
    const found = this.members.find((member) => member.name === name);
    if (found === undefined) throw new Error(`no member ${name}`);
    return found;
  }

  /** The document of all members, with policies that let clients publish. */
  document(more: Partial<PoolDocument> = {}): PoolDocument {
    const policies = { hash: policiesHash([openPolicies]), parts: 1 };
    return poolDocument({ gateways: this.members.map(({ entry }) => entry), policies, ...more });
  }

  /** The body of a push. */
  push(document: PoolDocument, policies: readonly string[] = [openPolicies]): string {
    return JSON.stringify({ envelope: signDocument(document, this.keys.privateKeyPem), policies });
  }

  async pushToAll(document: PoolDocument = this.document()): Promise<void> {
    for (const member of this.members) {
      const { status, body } = await member.put('pool', this.push(document));
      if (status !== 200) throw new Error(JSON.stringify(body));
    }
  }

  /** The signed command for a member, issued now. */
  command(name: string, more: Partial<DrainCommand> & { readonly command: DrainCommand['command'] }): string {
    const plain = { gateway: `uid-${name}`, issuedAt: Date.now(), connectionsPerSecond: 100, deadlineSeconds: 60, ...more };
    return signCommand(plain, this.keys.privateKeyPem);
  }

  /** Ends a member as SIGTERM does. */
  async leave(name: string): Promise<void> {
    const end = this.#ends.get(name);
    this.#ends.delete(name);
    await end?.();
  }

  async #startMember(name: string, variables: Readonly<Record<string, string>>): Promise<PoolMember> {
    const read = readSettings({
      BARRAGE_GATEWAY_PORT: '0',
      BARRAGE_GATEWAY_NAME: name,
      BARRAGE_POD_UID: `uid-${name}`,
      BARRAGE_POOL_PUBLIC_KEY: this.keys.publicKeyPem,
      BARRAGE_BACKOFF_BASE_MS: '10',
      BARRAGE_BACKOFF_CAP_MS: '50',
      BARRAGE_DRAIN_MS: '0',
      ...variables,
    });
    if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
    const settings = { ...read.settings, ...this.#beyond };
    const logger = createLogger({ part: 'test', level: 'silent' });
    const pool = new Pool({ publicKeyPem: settings.poolPublicKey, logger });
    const registry = new Registry();
    exportPoolDocument(registry, pool);
    const bus = createRedisBus({ url: this.#redis.url, prefix: 'test', logger });
    this.#ends.set(name, () => bus.close());
    const gateway = await Gateway.start({ settings, bus, policies: new Policies([]), pool, registry, logger });
    const admin = await startAdminServer(gateway.admin, { host: '127.0.0.1', port: 0, keepAliveMs: 5000 }, { api: gateway.adminApi });
    this.#ends.set(name, async () => {
      await gateway.close();
      await bus.close();
      await admin.close();
    });
    return new PoolMember(name, gateway, admin.port);
  }

  async #close(): Promise<void> {
    for (const name of this.#ends.keys()) await this.leave(name);
    await this.#redis.dispose();
  }
}

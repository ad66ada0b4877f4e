import { expect, test } from 'vitest';
import { childMetadata } from '../../../operator/desired/labels.ts';
import { Attempts } from '../../../operator/reconcile/attempts.ts';
import { namedSecrets, PoolSecretsKeeper } from '../../../operator/reconcile/pool-secrets.ts';
import type { KubeApi, KubeObject, KubeReader } from '../../../operator/runtime/kube-api.ts';
import { poolWith } from '../decide/pool-fixture.ts';
import { silentJournal } from '../../support/silent-journal.ts';

/** The user's Secrets of one namespace, as an API server with watches of their versions. */
class Namespace {
  readonly secrets = new Map<string, { readonly version: string; readonly data: Readonly<Record<string, string>> }>();
  readonly reads: string[] = [];

  write(name: string, version: string, data: Readonly<Record<string, string>>): void {
    const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
    this.secrets.set(name, { version, data: Object.fromEntries(encoded) as Record<string, string> });
  }

  keeper(): PoolSecretsKeeper {
    const get = async (_: unknown, { name }: { readonly name: string }): Promise<KubeObject | undefined> => {
      this.reads.push(name);
      const found = this.secrets.get(name);
      if (found === undefined) return undefined;
      return { metadata: { namespace: 'live', name, resourceVersion: found.version }, data: found.data } as KubeObject;
    };
    return new PoolSecretsKeeper({
      api: { get } as unknown as KubeApi & KubeReader,
      known: (_, name) => ({ metadata: childMetadata(named, name) }),
      versionOf: (_, name) => this.secrets.get(name)?.version,
      isProven: () => false,
    });
  }
}

const named = poolWith({
  auth: { apiKeysSecret: { name: 'keys' }, jwtSecret: { name: 'jwt', key: 'key' }, allowedOrigins: [] },
  bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: ['redis:6379'], credentialsSecret: { name: 'login' } } },
});

async function pass(keeper: PoolSecretsKeeper): Promise<readonly string[]> {
  const { signal } = new AbortController();
  const attempts = new Attempts({ signal, pool: { namespace: 'games', name: 'live' }, journal: silentJournal, now: 0, failing: new Map() });
  await keeper.of(named, { trusted: new Set(), buses: new Set(), hasPodsOfOneBus: false }, attempts, signal);
  return attempts.faults.map(({ subject }) => subject).filter((subject) => subject !== 'Secret web-signing');
}

test("a busy pool reads each of the user's Secrets once for each version, and a missing one not at all", async () => {
  const namespace = new Namespace();
  const keeper = namespace.keeper();
  namespace.write('keys', '5', { a: 'a-key-of-the-backend' });
  namespace.write('login', '6', { password: 'p' });
  for (let times = 0; times < 1200; times++) expect(await pass(keeper)).toEqual(['Secret jwt']);
  expect(namespace.reads.toSorted()).toEqual(['keys', 'login']);
  namespace.write('jwt', '7', { key: 'x'.repeat(40) });
  namespace.write('login', '8', { password: 'another' });
  for (let times = 0; times < 3; times++) expect(await pass(keeper)).toEqual([]);
  expect(namespace.reads.toSorted()).toEqual(['jwt', 'keys', 'login', 'login']);
  namespace.secrets.delete('keys');
  expect(await pass(keeper)).toEqual(['Secret keys']);
  namespace.write('keys', '9', { a: 'a-key-of-the-backend' });
  expect(await pass(keeper)).toEqual([]);
  expect(namespace.reads.filter((name) => name === 'keys')).toHaveLength(2);
});

test('the Secrets that a pool names are known by namespace and name', () => {
  expect(namedSecrets(named)).toEqual(['live/keys', 'live/jwt', 'live/login']);
  expect(namedSecrets(poolWith())).toEqual([]);
});

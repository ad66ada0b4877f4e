import { generateKeyPairSync } from 'node:crypto';
import { poolWith } from '../decide/pool-fixture.ts';
import type { GatewayPool } from '../../../operator/api/gateway-pool.ts';
import { busSettings, podBuses } from '../../../operator/desired/bus-settings.ts';
import { names } from '../../../operator/desired/labels.ts';
import type { DesiredObject, JsonObject } from '../../../operator/desired/objects.ts';
import type { PodIngredients } from '../../../operator/desired/pod-template.ts';

export const keyPair = generateKeyPairSync('ed25519', {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

/** What the pods of a pool with this spec are made from. */
export function ingredientsWith(spec: Parameters<typeof poolWith>[0] = {}, more: Partial<PodIngredients> = {}): PodIngredients {
  const pool = poolWith(spec);
  return {
    pool,
    buses: busesOf(pool),
    image: 'barrage:test',
    publicKey: keyPair.publicKey,
    settingsDigests: { gateway: '0123456789abcdef', publisher: '0123456789abcdef' },
    ...more,
  };
}

/** The bus that a pool's spec names, as its pods have it. */
export function busesOf(pool: GatewayPool): PodIngredients['buses'] {
  const main = busSettings(pool, { credentials: undefined, ca: undefined }, []);
  return main === undefined ? undefined : podBuses({ main });
}

/** The container named barrage of a pod spec. */
export function ownContainer(spec: JsonObject | undefined): JsonObject {
  const found = containersOf(spec).find(({ name }) => name === names.container);
  if (found === undefined) throw new Error('there is no container barrage');
  return found;
}

export function containersOf(spec: JsonObject | undefined): readonly JsonObject[] {
  return (spec?.['containers'] ?? []) as readonly JsonObject[];
}

/** The environment by name: a value, or where it comes from. */
export function environmentOf(container: JsonObject): Readonly<Record<string, unknown>> {
  const entries = (container['env'] ?? []) as readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  return Object.fromEntries(entries.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]));
}

/** The pod spec in a Deployment. */
export function templateSpec(deployment: DesiredObject | undefined): JsonObject {
  const template = deployment?.spec?.['template'] as JsonObject | undefined;
  return template?.['spec'] as JsonObject;
}

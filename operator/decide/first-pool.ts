import { createHash } from 'node:crypto';
import { z } from 'zod';
import { names } from '../desired/labels.ts';
import type { Json } from '../desired/objects.ts';
import { canonical } from '../desired/revision.ts';

/** Key of the ConfigMap under which the pool lies, as JSON with `metadata` (`name` and `labels`) and `spec`. */
export const firstPoolKey = 'pool.json';

/** The ConfigMap that asks for a pool. */
export interface FirstPoolRequest {
  readonly metadata: { readonly name?: string; readonly namespace?: string; readonly uid?: string };
  readonly data?: Readonly<Record<string, string>>;
}

/** A pool to apply. The API server judges its spec. */
export interface FirstPool {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly ownerReferences: readonly [Owner];
  };
  readonly spec: Readonly<Record<string, unknown>>;
}

interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** A pool that exists, as far as this decision goes. */
export interface FoundPool {
  readonly metadata: {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly ownerReferences?: readonly Owner[];
  };
}

/** What there is to do about the pool that a ConfigMap asks for. */
export type FirstPoolStep =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'apply'; readonly pool: FirstPool }
  /** The pool of an earlier ConfigMap is being deleted: its name is free soon. */
  | { readonly kind: 'wait' }
  /** Nothing will be done. The reason says what to do, in words. */
  | { readonly kind: 'refuse'; readonly reason: string };

const requested = z.strictObject({
  metadata: z.strictObject({ name: z.string().min(1), labels: z.record(z.string(), z.string()).default({}) }),
  spec: z.record(z.string(), z.unknown()),
});

/**
 * The pool in a ConfigMap. The ConfigMap owns it, so that Kubernetes deletes the pool with the ConfigMap, whether an
 * operator runs or not.
 * @returns the reason in words where the ConfigMap holds none
 */
export function readFirstPool({ metadata, data }: FirstPoolRequest): FirstPool | string {
  const { name = '', namespace = '', uid = '' } = metadata;
  const where = `ConfigMap ${namespace}/${name}`;
  const text = data?.[firstPoolKey];
  if (text === undefined) return `${where} has no key ${firstPoolKey}.`;
  const read = requested.safeParse(parsed(text));
  if (!read.success) return `${where}: ${firstPoolKey} is no JSON object with metadata.name and spec, and nothing else.`;
  const { metadata: said, spec } = read.data;
  const hash = createHash('sha256')
    .update(canonical(read.data as Json))
    .digest('hex')
    .slice(0, 16);
  return {
    metadata: {
      name: said.name,
      namespace,
      labels: said.labels,
      annotations: { [names.annotation.applied]: hash },
      ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }],
    },
    spec,
  };
}

/**
 * Compares the pool with the one that exists. What somebody has changed by hand stays until the ConfigMap changes. A
 * pool that is not the ConfigMap's is left alone.
 * @param found the pool of that name; `undefined`: there is none
 */
export function firstPoolStep(pool: FirstPool, found: FoundPool | undefined): FirstPoolStep {
  if (found === undefined) return { kind: 'apply', pool };
  const [wanted] = pool.metadata.ownerReferences;
  const { annotations = {}, deletionTimestamp, ownerReferences = [] } = found.metadata;
  const owner = ownerReferences.find(({ kind, name }) => kind === wanted.kind && name === wanted.name);
  if (owner === undefined) return { kind: 'refuse', reason: foreignWords(pool) };
  if (owner.uid !== wanted.uid || deletionTimestamp !== undefined) return { kind: 'wait' };
  const isApplied = annotations[names.annotation.applied] === pool.metadata.annotations[names.annotation.applied];
  return isApplied ? { kind: 'nothing' } : { kind: 'apply', pool };
}

function foreignWords({ metadata: { namespace, name } }: FirstPool): string {
  return `GatewayPool ${namespace}/${name} exists, and somebody else has made it, so it stays as it is. Choose another name (the chart's value quickstart.pool.name).`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

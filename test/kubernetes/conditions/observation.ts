import { expect } from 'vitest';
import type { Cluster } from '../../support/cluster.ts';

export interface ConditionView {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

export interface EventView {
  readonly type: string;
  readonly reason: string;
  readonly note: string;
}

/** A namespace of a test, as a user with kubectl sees it. */
export class Surroundings {
  readonly cluster: Cluster;
  readonly namespace: string;

  constructor(cluster: Cluster, namespace: string) {
    this.cluster = cluster;
    this.namespace = namespace;
  }

  async kubectl(...args: readonly string[]): Promise<string> {
    return this.cluster.kubectl(['-n', this.namespace, ...args]);
  }

  async apply(...objects: readonly object[]): Promise<void> {
    for (const object of objects) await this.cluster.kubectl(['-n', this.namespace, 'apply', '-f', '-'], JSON.stringify(object));
  }

  async patch(object: string, change: object, type: 'merge' | 'json' = 'merge'): Promise<void> {
    await this.kubectl('patch', object, '--type', type, '-p', JSON.stringify(change));
  }

  /** The object, or `undefined` where there is none. */
  async read(object: string): Promise<Record<string, unknown> | undefined> {
    const text = await this.kubectl('get', object, '-o', 'json', '--ignore-not-found');
    return text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>);
  }

  async field(object: string, path: string): Promise<string> {
    return this.kubectl('get', object, '--ignore-not-found', '-o', `jsonpath={${path}}`);
  }

  /** The Redis URLs that the settings Secret of a pool holds. */
  async redisUrls(pool: string): Promise<readonly string[]> {
    const { data = {} } = ((await this.read(`secret/${pool}-settings`)) ?? {}) as { readonly data?: Readonly<Record<string, string>> };
    const urls = Object.entries(data).filter(([key]) => key.endsWith('.redis-url'));
    return urls.map(([, value]) => Buffer.from(value, 'base64').toString());
  }

  async condition(object: string, type: string): Promise<ConditionView | undefined> {
    const found = (await this.read(object)) as { readonly status?: { readonly conditions?: readonly ConditionView[] } } | undefined;
    return found?.status?.conditions?.find((each) => each.type === type);
  }

  /** Waits until a condition has a reason, and returns what it then says. */
  async untilReason(object: string, type: string, reason: string | RegExp): Promise<ConditionView> {
    let last: ConditionView | undefined;
    const look = async (): Promise<string> => (last = await this.condition(object, type))?.reason ?? '';
    await expect.poll(look, { timeout: 45_000, interval: 200 }).toMatch(typeof reason === 'string' ? new RegExp(`^${reason}$`) : reason);
    if (last === undefined) throw new Error(`${object} has no condition ${type}`);
    return last;
  }

  /** Waits until a condition says this: what it says first of a fault may not be the last word. */
  async untilMessage(object: string, type: string, message: RegExp): Promise<void> {
    const look = async (): Promise<string> => (await this.condition(object, type))?.message ?? '';
    await expect.poll(look, { timeout: 45_000, interval: 200 }).toMatch(message);
  }

  /** The events about an object, oldest first. @param object as `Kind/name` */
  async events(object: string): Promise<readonly EventView[]> {
    const [kind, name] = object.split('/');
    const text = await this.kubectl('get', 'events.events.k8s.io', '-o', 'json');
    const { items } = JSON.parse(text) as { readonly items: readonly (EventView & EventDetails)[] };
    return items
      .filter(({ regarding }) => regarding.kind === kind && regarding.name === name)
      .toSorted((a, b) => (a.eventTime < b.eventTime ? -1 : 1));
  }

  /** The reasons of the Warnings about an object, and what is over, oldest first. @param object as `Kind/name` */
  async faultsTold(object: string): Promise<readonly string[]> {
    const events = await this.events(object);
    return events.flatMap(({ type, reason, note }) => (type === 'Warning' ? [reason] : reason === 'Recovered' ? [note] : []));
  }

  /** Waits until the last thing that was told of an object's faults is this. */
  async untilTold(object: string, last: string | RegExp): Promise<void> {
    const look = async (): Promise<string> => (await this.faultsTold(object)).at(-1) ?? '';
    await expect.poll(look, { timeout: 30_000, interval: 200 }).toMatch(typeof last === 'string' ? new RegExp(`^${last}$`) : last);
  }

  /** Waits until a field has a value. */
  async untilField(object: string, path: string, value: string | RegExp): Promise<void> {
    const look = expect.poll(() => this.field(object, path), { timeout: 30_000, interval: 200 });
    await (typeof value === 'string' ? look.toBe(value) : look.toMatch(value));
  }
}

interface EventDetails {
  readonly eventTime: string;
  readonly regarding: { readonly kind: string; readonly name: string };
}

export function gatewayPool(name: string, spec: object = {}): object {
  return { apiVersion: 'barrage.dev/v1alpha1', kind: 'GatewayPool', metadata: { name }, spec };
}

export function channel(name: string, pattern: string, pool: string): object {
  const spec = { poolRef: { name: pool }, channel: pattern };
  return { apiVersion: 'barrage.dev/v1alpha1', kind: 'BarrageChannel', metadata: { name }, spec };
}

export const redisBus = { type: 'Redis', redis: { mode: 'Standalone', addresses: ['redis:6379'] } };

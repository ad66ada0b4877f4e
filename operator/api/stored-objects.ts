import type { BarrageChannel } from './barrage-channel.ts';
import { filled } from './defaulting.ts';
import { defaults } from './defaults.ts';
import type { GatewayPool } from './gateway-pool.ts';

interface Kinds {
  readonly GatewayPool: GatewayPool;
  readonly BarrageChannel: BarrageChannel;
}

/**
 * An object as this version's API server would have stored it. Validation stays with the API server; but one that was
 * written while an older CRD was in force, or is served by one, lacks the fields that came later. The object itself is
 * not changed.
 */
export function withDefaults<Kind extends keyof Kinds>(kind: Kind, object: object): Kinds[Kind] {
  return filled(object, defaults[kind]) as Kinds[Kind];
}
